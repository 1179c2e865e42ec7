"""What the image of a flow version takes: time to the registry, bytes of its layer, and what the engine adds."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.bench import Bench
from tests.benchmarks.long_flow import LINES, make_long_flow
from tests.benchmarks.rounds import Contestant, Measure, compare, make_contestant
from tests.benchmarks.row import Budget, Row

if TYPE_CHECKING:
    from intellyhub_knative.images.image import Image
    from intellyhub_knative.images.store import Store

__all__ = ["measure"]

ROUNDS = 20
NAME = "tenant/flow"
BUILDAH = "buildah, one COPY"
SECONDS = 60

BUILD_METHOD = (
    f"a made-up flow of {LINES} lines, another text in each round: compiled, made an image on top of an engine image "
    "that lies in a registry on this machine (docker-registry where it is installed), pushed there; the peer copies "
    "the text onto the same engine image, which it has pulled before, commits and pushes"
)
LAYER_METHOD = "compressed, of the same flow, with its compiled program"
ENGINE_METHOD = (
    "compressed: packages, engine and functions, without the base image, which adds some 42 MB where it is Debian's "
    "Python (the budget of 90 MB is for both, and is read off the image itself: docs/images.md)"
)


def measure(bench: Bench) -> Iterator[Row]:
    """Three rows."""
    from intellyhub_knative.images.engine_layer import make_engine_layer
    from intellyhub_knative.images.store import Store

    store = Store(folder=bench.scratch / "store")
    with in_a_registry(bench, store) as engine:
        contestants = [
            make_contestant("IntellyHub", lambda: prepare_build(engine, store)),
            Contestant(name=BUILDAH, open=lambda: copying(engine, bench.scratch), optional=True),
        ]
        ours, peer = compare(contestants, bench.rounds(ROUNDS))
        (layer,) = compare([make_contestant("IntellyHub", lambda: prepare_layer(engine, store))], 2)
    (size,) = compare([make_contestant("IntellyHub", lambda: lambda: make_engine_layer(store).blob.size / 1e6)], 2)
    yield Row(
        topic="images",
        what="flow image build and push, plugins cached",
        unit="ms",
        ours=ours,
        peers=(peer,),
        budgets=(Budget(limit=500),),
        method=BUILD_METHOD,
    )
    yield Row(
        topic="images", what="flow layer", unit="KB", ours=layer, budgets=(Budget(limit=20),), method=LAYER_METHOD
    )
    yield Row(topic="images", what="what the engine adds to a base", unit="MB", ours=size, method=ENGINE_METHOD)


@contextmanager
def in_a_registry(bench: Bench, store: Store) -> Iterator[str]:
    """The engine image of this installation, in a registry on this machine."""
    from intellyhub_knative.images.destination import parse, push
    from intellyhub_knative.images.engine_layer import make_engine_image, make_engine_layer
    from intellyhub_knative.images.source import open_base
    from tests.integration.registries.debian import PROGRAM, debian_registry
    from tests.integration.registries.strict import StrictRegistry
    from tests.integration.rootfs import python_base

    base = open_base(python_base(bench.scratch / "base", store), store=store)
    with debian_registry(bench.scratch / "registry", "none", None) if PROGRAM else StrictRegistry() as registry:
        engine = f"{registry.host}/engine:1"
        push(make_engine_image(base, make_engine_layer(store)), parse(engine))
        yield engine


def prepare_build(engine: str, store: Store) -> Measure:
    from intellyhub_knative.images.destination import parse, push

    registry, numbers = engine.partition("/")[0], itertools.count()

    def sample() -> float:
        number = next(numbers)
        started = time.perf_counter()
        push(make_image(engine, store, number), parse(f"{registry}/flow{number}:1"))
        return (time.perf_counter() - started) * 1e3

    return sample


def prepare_layer(engine: str, store: Store) -> Measure:
    return lambda: make_image(engine, store, 0).layers[-1].blob.size / 1e3


def make_image(engine: str, store: Store, number: int) -> Image:
    from intellyhub_knative.images.flow_files import make_flow_files
    from intellyhub_knative.images.flow_image import make_flow_image, tables_of
    from intellyhub_knative.images.source import open_base

    base = open_base(engine, store=store)
    text = f"{make_long_flow()}\n# {number}\n".encode()
    return make_flow_image(base, flow_files=make_flow_files(text, name=NAME, tables=tables_of(base)))


@contextmanager
def copying(engine: str, scratch: Path) -> Iterator[Measure]:
    """Builds of buildah, where it is installed; its storage is its own and goes with the scratch folder."""
    program = shutil.which("buildah")
    if program is None:
        raise FileNotFoundError("buildah is not installed")
    storage = ("--root", str(scratch / "buildah"), "--runroot", str(scratch / "buildah-run"))
    registry, numbers, text = engine.partition("/")[0], itertools.count(), scratch / "flow.yaml"

    def call(*arguments: str) -> str:
        command = [program, *storage, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode != 0:
            raise ChildProcessError(
                done.stderr.strip().splitlines()[-1][-200:] if done.stderr.strip() else "buildah failed"
            )
        return done.stdout.strip()

    call("pull", "--tls-verify=false", engine)

    def sample() -> float:
        number = next(numbers)
        text.write_text(f"{make_long_flow()}\n# {number}\n")
        started = time.perf_counter()
        container = call("from", "--tls-verify=false", "--pull-never", engine)
        call("copy", container, str(text), "/flow/flow.yaml")
        image = call("commit", "--quiet", "--rm", container, f"copied{number}")
        call("push", "--quiet", "--tls-verify=false", image, f"docker://{registry}/copied{number}:1")
        return (time.perf_counter() - started) * 1e3

    try:
        yield sample
    finally:
        call("rmi", "--all", "--force")
