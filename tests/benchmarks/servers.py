"""Every server under measurement: how it is started, what it is asked, what it must answer."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import child
from tests.benchmarks.bench import FLOWS, PEERS, ROOT
from tests.benchmarks.child import Child, find_free_port
from tests.benchmarks.load import exchange, make_request
from tests.benchmarks.npm_peers import find_npm_peers
from tests.benchmarks.peers.order import EXPECTED, ORDER

__all__ = [
    "ASK_ORDER",
    "NODE_MISSING",
    "Server",
    "make_dbos",
    "make_framework",
    "make_lean",
    "make_node",
    "make_node_red",
    "make_our_framework",
    "make_restate",
    "make_worker",
    "running",
]

FRAMEWORK = str(Path(sys.executable).with_name("functions-framework"))
CATALOGUE = "intellyhub_functions.catalogue:CATALOGUE,tests.benchmarks.touch:CATALOGUE"
NODE_MISSING = "Node.js is not installed"
ASK_ORDER = make_request(json.dumps(ORDER).encode())
CONSTANT = {"ok": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One way to serve."""

    command: Callable[[int], Sequence[str]]
    """The command line for a port."""
    environment: Mapping[str, str] = field(default_factory=dict)
    expected: Any = None
    """What the answer's JSON body must equal; None: any success will do."""
    envelope: str | None = None
    """The key of the body that holds the answer, where it is not the body itself."""
    request: bytes = ASK_ORDER

    def start(self, scratch: Path) -> Child:
        """Start it on a free port, without waiting for it."""
        port = find_free_port()
        environment = {"PORT": str(port), "PYTHONPATH": str(ROOT), **self.environment}
        return child.start(self.command(port), environment=environment, port=port, scratch=scratch)

    def check(self, started: Child) -> None:
        """Raise RuntimeError when the answer is not the one that every contestant must give."""
        response = exchange(started.port, self.request)
        body = json.loads(response.body)
        answer = body.get(self.envelope) if self.envelope else body
        if self.expected is not None and answer != self.expected:
            raise RuntimeError(f"answered {response.status} {response.body[:300].decode(errors='replace')}")


@contextmanager
def running(server: Server, scratch: Path) -> Iterator[Child]:
    """The server, once it has given the right answer; ended on leaving."""
    started = server.start(scratch)
    try:
        child.wait_until_ready(started, server.request)
        server.check(started)
        yield started
    finally:
        started.stop()


def make_worker(flow: str, *, journal: Path | None = None, concurrency: int = 1, expected: Any = None) -> Server:
    """Our worker on its own lean server, as the image starts it."""
    return Server(
        command=lambda port: [sys.executable, "-m", "intellyhub_engine.serving"],
        environment=make_worker_environment(flow, journal, concurrency),
        expected=expected,
        envelope="output",
    )


def make_our_framework(flow: str, *, expected: Any = None) -> Server:
    """The same function of ours, served by functions-framework."""
    source = str(ROOT / "engine" / "main.py")
    return Server(
        command=lambda port: [FRAMEWORK, "--source", source, "--target", "handle_event"],
        environment=make_worker_environment(flow, None, 1),
        expected=expected,
        envelope="output",
    )


def make_worker_environment(flow: str, journal: Path | None, concurrency: int) -> dict[str, str]:
    """The settings of a worker that anyone on this machine may ask."""
    return {
        "INTELLYHUB_FLOW": str(FLOWS / flow),
        "INTELLYHUB_HOST": "127.0.0.1",
        "INTELLYHUB_AUTH": "none",
        "INTELLYHUB_CATALOGUE": CATALOGUE,
        "INTELLYHUB_JOURNAL": str(journal or ""),
        "INTELLYHUB_CONCURRENCY": str(concurrency),
        "INTELLYHUB_CACHE_DIR": ".",
    }


def make_lean(kind: str) -> Server:
    """Our lean server without the engine: `constant` or `order`, the decisions written by hand."""
    return Server(
        command=lambda port: [sys.executable, "-m", "tests.benchmarks.peers.lean_server", kind],
        expected=EXPECTED if kind == "order" else CONSTANT,
    )


def make_framework(target: str) -> Server:
    """A function of `peers/functions.py` behind functions-framework."""
    source = str(PEERS / "functions.py")
    return Server(
        command=lambda port: [FRAMEWORK, "--source", source, "--target", target, "--host", "127.0.0.1"],
        expected=EXPECTED if target == "decide_order" else CONSTANT,
    )


def make_node() -> Server:
    """A bare Node.js server. Raises RuntimeError where there is none."""
    node = shutil.which("node")
    if node is None:
        raise RuntimeError(NODE_MISSING)
    return Server(command=lambda port: [node, str(PEERS / "hello.mjs")], expected=CONSTANT)


def make_dbos(database: Path, threads: int) -> Server:
    """DBOS on SQLite behind functions-framework."""
    source = str(PEERS / "dbos_function.py")
    return Server(
        command=lambda port: [FRAMEWORK, "--source", source, "--target", "touch_five", "--host", "127.0.0.1"],
        environment={"INTELLYHUB_BENCH_DATABASE": str(database), "THREADS": str(threads)},
        expected={"touched": 10},
    )


def make_restate(folder: Path) -> Server:
    """A Restate server with one service of five steps. Raises RuntimeError where npm cannot bring it."""
    modules = find_npm_peers()
    return Server(
        command=lambda port: [sys.executable, "-m", "tests.benchmarks.peers.restate", str(modules)],
        environment={"INTELLYHUB_BENCH_DATABASE": str(folder)},
        expected={"touched": 5},
        request=make_request(b"{}", path="/flow/run"),
    )


def make_node_red(folder: Path) -> Server:
    """Node-RED with one flow that answers. Raises RuntimeError where npm cannot bring it."""
    modules = find_npm_peers()
    command = ["node", str(modules / "node_modules" / "node-red" / "red.js"), "--userDir", str(folder)]
    return Server(
        command=lambda port: [*command, "--port", str(port), str(modules / "node_red_flow.json")],
        expected=CONSTANT,
    )
