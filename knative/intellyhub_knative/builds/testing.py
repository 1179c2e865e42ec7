"""The stage that runs a flow's tests: in another process, bounded in time, memory and output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from typing import Any

from intellyhub_engine.catalogue.installed import VARIABLE
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_knative.builds.order import Order
from intellyhub_knative.builds.stages import Stage, StageFailed
from intellyhub_knative.images.patience import Watch

__all__ = ["Tested", "run_flow_tests"]

SECONDS = 120.0
MOST_OUTPUT_BYTES = 4 << 20
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", VARIABLE)
"""Of the environment: nothing that is secret."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What came of a flow's tests."""

    passed: int
    failed: tuple[tuple[str, tuple[str, ...]], ...]
    """Name and what differs."""


def run_flow_tests(
    order: Order, plugins: tuple[InstalledPlugin, ...], watch: Watch, *, seconds: float = SECONDS
) -> Tested:
    """Run them. Raises `StageFailed` where they cannot be run, `BuildCancelled`."""
    said = ask(make_message(order, plugins), watch, seconds)
    if said["fault"]:
        raise StageFailed(Stage.TEST, said["fault"])
    failed = tuple((row["name"], tuple(row["differences"])) for row in said["failed"])
    return Tested(passed=said["passed"], failed=failed)


def make_message(order: Order, plugins: tuple[InstalledPlugin, ...]) -> bytes:
    """What the other process is told."""
    message = {
        "name": order.name,
        "text": order.text.decode(),
        "called": {name: text.decode() for name, text in order.called.items()},
        "tests": order.tests.decode("utf-8", "replace") if order.tests is not None else None,
        "plugins": [asdict(plugin) for plugin in plugins],
        "mocks_plugins": order.mocks_plugins,
    }
    return json.dumps(message).encode()


def ask(message: bytes, watch: Watch, seconds: float) -> dict[str, Any]:
    """Run the process to its end, or end it."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="flow-tests-") as folder, tempfile.TemporaryFile() as given:
        given.write(message)
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "intellyhub_knative.builds.flow_tests"],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**environment, "HOME": folder, "TMPDIR": folder},
            start_new_session=True,
        )
        with process:
            out, errors = Reader(process.stdout), Reader(process.stderr)
            try:
                attend(process, watch, time.monotonic() + seconds, seconds)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            content, complaint = out.content(), errors.content()
    if process.returncode:
        lines = complaint.decode("utf-8", "replace").strip().splitlines()
        raise StageFailed(Stage.TEST, f"the tests could not be run: {lines[-1][:500] if lines else process.returncode}")
    found = json.loads(content)
    assert isinstance(found, dict)
    return found


def attend(process: subprocess.Popen[bytes], watch: Watch, deadline: float, seconds: float) -> None:
    """Wait for its end, as long as it is wanted and may take."""
    while process.poll() is None:
        watch.wait(LOOK_SECONDS)
        if time.monotonic() > deadline:
            raise StageFailed(Stage.TEST, f"the tests took longer than {seconds:g} s and were ended")


class Reader:
    """Takes what a process writes, in a thread, so that it never waits for us; no more than is allowed is kept."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._said = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := self._pipe.read1(65_536):
            self._said += chunk[: max(0, MOST_OUTPUT_BYTES - len(self._said))]

    def content(self) -> bytes:
        """All of it."""
        self._thread.join()
        return bytes(self._said)
