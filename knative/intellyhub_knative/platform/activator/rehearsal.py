"""A worker's first request, tried before it comes: from the compiled flow to the answer on a socket.

The warm parent does it, so that whatever is made on first use is made there. A spare child does it again: what a
request writes to is copied from the parent then (fork shares memory until somebody writes), and not while a caller
waits. That halves the time a woken worker takes, for a megabyte or two.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.remote import RemoteJournal
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.language.program import dump, load
from intellyhub_engine.walls.enclosure import Cell
from intellyhub_knative.platform.activator import channel, worker
from intellyhub_knative.platform.activator.assignment import Assignment, Private, pack_private, unpack_private
from intellyhub_knative.platform.activator.page import Page, make_page

__all__ = ["Rehearsal"]

FLOW = b"""
name: rehearsal
variables: {greeting: Hello}
listener: {type: webhook}
states:
  look: {state_type: if, condition: "{body.name} contains Ada", true_transition: choose, false_transition: choose}
  choose: {state_type: switch, value: "{body.name}", cases: {nobody: tell}, default: tell}
  tell: {state_type: set, values: {said: "{greeting} {body.name}"}, transition: done, log: "{said}"}
  done: {state_type: end, result: {said: "{said}"}}
"""
TOKEN = "rehearsal-rehearsal"  # noqa: S105 - good for nothing
NAME = f"{'0' * 32}/{'0' * 32}"
SOONEST_SECONDS = 1e-6
HEAD = f"POST /x HTTP/1.1\r\nHost: flow\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
REQUEST = HEAD.encode() + b'Accept: */*\r\nUser-Agent: rehearsal\r\nContent-Length: 14\r\n\r\n{"name":"Ada"}'


class Rehearsal:
    """Made in the warm parent."""

    def __init__(self) -> None:
        flow, _ = load_flow(FLOW, installed(), NAME)
        self._program = dump(compile_flow(flow, installed()))
        cell = asdict(Cell(user=0, workspace=Path("/")))
        self._message = asdict(
            Assignment(
                label="rehearsal",
                tenant_id="0" * 32,
                name=NAME,
                flow="",
                flows="/",
                programs="/",
                journal="",
                owner="rehearsal",
                places=1,
                idle_seconds=SOONEST_SECONDS,
                timeout_seconds=60.0,
                cell=cell | {"workspace": "/", "readable": []},
            )
        )
        private = Private(token=TOKEN, delivery_key=TOKEN, journal_token=TOKEN, variables={"a": 1}, secrets={"b": "c"})
        self._packed = orjson.dumps(asdict(private))

    def play(self, *, behind: Callable[[], None] = lambda: None) -> None:
        """Do it, and leave the process as it was, but for the walls that `behind` puts up before. Raises RuntimeError
        where the answer is not the right one."""
        page, private = make_page(), pack_private(self._packed)  # behind walls there may be no making of memory files
        behind()
        handlers = {number: signal.getsignal(number) for number in worker.STOPPING}
        ours, end = channel.make_pair()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("")  # an abstract name of the system's choice
        listener.listen(1)
        with ours, end, listener, socket.socket(socket.AF_UNIX) as client:
            client.connect(listener.getsockname())
            client.sendall(REQUEST)
            channel.send(ours, self._message)
            received = channel.receive(end)
            assert received is not None
            self._serve(end, listener, page, private, received[0])
            answer = client.recv(65_536)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the rehearsal was answered {answer[:500]!r}")

    def _serve(self, end: socket.socket, listener: socket.socket, page: int, private: int, message: Any) -> None:
        assignment = Assignment(**message)
        assignment.make_cell()
        program = load(self._program)
        worker.starts_processes(program)
        shown = Page(page)
        RemoteJournal("/", TOKEN).close()
        journal = MemoryJournal()
        worker.serve(
            end,
            listener,
            shown,
            assignment,
            unpack_private(private),
            program,
            worker.catalogue_of(assignment),
            Blocks(),
            journal,
            worker.Early(),
        )
        shown.close()
