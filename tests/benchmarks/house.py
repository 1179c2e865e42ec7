"""The whole platform under measurement: `intellyhub up` on the serving core, with flows of this folder published."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from intellyhub_control_plane.doors import ask
from intellyhub_knative.platform.layout import Layout
from tests.benchmarks.bench import FLOWS, Bench
from tests.benchmarks.child import SERVING_CPU, pinned
from tests.benchmarks.load import exchange, make_request
from tests.soak.platform import Platform

__all__ = ["await_rest", "hook_request", "open_platform", "publish", "wait_for"]

PLUGINS = ("touch.py", "sql_times.py")
CATALOGUE = "intellyhub_functions.catalogue:CATALOGUE,touch:CATALOGUE,sql_times:CATALOGUE"
WAIT_SECONDS = 60.0


@contextmanager
def open_platform(bench: Bench, *, all_cores: bool = False, **environment: str) -> Iterator[Platform]:
    """A platform of its own, healthy and signed in to; its processes share one core, or have all of them."""
    folder = bench.scratch / f"platform-{time.monotonic_ns()}"
    plugins = folder / "plugins"
    plugins.mkdir(parents=True)
    for name in PLUGINS:  # beside the data, not above it: a worker may read what modules come from
        shutil.copy(Path(__file__).with_name(name), plugins)
    given = {"PYTHONPATH": str(plugins), "INTELLYHUB_CATALOGUE": CATALOGUE, **environment}
    platform = Platform(folder / "data", given)
    try:
        with nullcontext() if all_cores else pinned(SERVING_CPU):
            platform.start()
        yield platform
    finally:
        platform.stop()


def publish(platform: Platform, file: str, slug: str) -> Mapping[str, Any]:
    """Publish a flow of `flows/`; returns when its hook, where it has one, has given a run's answer."""
    body = {"name": slug, "slug": slug, "yaml_content": (FLOWS / file).read_text()}
    flow: Mapping[str, Any] = platform.ask("POST", "/api/flows", body)
    if flow["hook_url"]:
        answer = exchange(platform.port, hook_request(slug))
        if answer.status != 200:
            raise RuntimeError(f"the hook of {slug} answered {answer.status} {answer.body[:300]!r}")
    return flow


def hook_request(slug: str) -> bytes:
    """A call of a flow's hook."""
    return make_request(b'{"name":"Ada"}', path=f"/hooks/main/{slug}")


def await_rest(platform: Platform) -> None:
    """Until no worker is left and a spare child is ready."""
    activator = Layout(data=platform.data).socket("activator")

    def rests() -> bool:
        page = ask("activator", activator, "GET", "/workers").document
        return bool(page["spare"]) and not page["items"]

    wait_for(rests)


def wait_for(holds: Any, pause_seconds: float = 0.01) -> None:
    """Raises `TimeoutError` after a minute."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(pause_seconds)
