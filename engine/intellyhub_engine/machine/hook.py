"""How a source whose events come over HTTP reads requests and words answers.

Pure: no I/O and no clock. Whoever has a port (a platform's gateway, `run --listen`) brings the requests, runs the
flow, and sends the answers; it knows none of the protocols that are spoken here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass

__all__ = [
    "Accept",
    "Callee",
    "Direct",
    "Direction",
    "Facts",
    "Find",
    "Hook",
    "HookAnswer",
    "OpenHook",
    "Ran",
    "Received",
    "Refused",
    "Seen",
    "Stream",
    "read_ran",
]

ENDED = frozenset(("succeeded", "failed", "cancelled"))


class Received(NamedTuple):
    """A request. Before its body is read `body` is empty."""

    method: str
    path: str
    """What follows the hook's own address, from its slash; `/` for nothing."""
    query: str
    headers: Mapping[str, str]
    """Lower-case names; bytes as Latin-1; those of one name joined with a comma."""
    body: bytes
    address: str
    """Of the caller."""
    base: str = ""
    """Where the caller found the hook: `https://example.org/hooks/acme/orders`."""


class HookAnswer(NamedTuple):
    """What a caller is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Ran(NamedTuple):
    """What came of an event: the answer of the flow's worker (docs/worker.md, "A caller"). 202 also where the event
    was stored to be run later; its body is then `{"status": "accepted", "event_id"}`."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


class Seen(NamedTuple):
    """How a run stands."""

    status: str
    """A RunStatus, or `accepted`: stored, not begun."""
    output: Any = None
    """What the flow gave as its answer; None where it gave none. Secrets are masked."""
    error: str | None = None
    run_id: str = ""
    event: Event | None = None
    """What made it, where that is known."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED


def read_ran(ran: Ran) -> Seen:
    """What a worker's answer says about its run."""
    try:
        document = json.loads(ran.body) if ran.body else {}
    except ValueError:
        document = {}
    said = document if isinstance(document, dict) else {}
    run_id = str(said.get("run_id") or ran.headers.get("intellyhub-run", ""))
    if ran.status < 300:
        status = str(said.get("status", "succeeded" if ran.status == 200 else "accepted"))
        return Seen(status, said.get("output"), said.get("error"), run_id)
    status = "cancelled" if ran.status == 409 else "failed"
    return Seen(status, None, str(said.get("detail") or f"the flow answered {ran.status}"), run_id)


class Refused(Exception):
    """The request is not accepted, and why. Whoever has the port words it."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers = dict(headers or {})
        super().__init__(reason)


class Stream(NamedTuple):
    """An answer that is sent piece by piece (`text/event-stream`) while the run goes on."""

    begin: Callable[[Event], bytes]
    """What is sent first, for the run's event."""
    tell: Callable[[str, Mapping[str, Any]], bytes] | None
    """`tell(kind, content)`: what is sent for something that happened in the run, where anything is: `step`, `log`,
    `status`, as docs/events.md shows them; None: nothing is told before the end."""
    end: Callable[[Seen], bytes]
    """What is sent last; the run may go on all the same, where it takes longer than its caller can wait."""


class Direct(NamedTuple):
    """The protocol's own answer: a handshake, a list, a refusal. No event follows."""

    answer: HookAnswer


class Accept(NamedTuple):
    """An event to be run."""

    event: Event
    reply: Callable[[Ran], HookAnswer]
    """Words what came of it."""
    wait_seconds: float = 30.0
    """How long the caller waits for the run; then, or at once for 0, the event is stored and `reply` told of 202."""
    begun: bool = False
    """True: `reply` is told as soon as the run is durable and has its id."""
    patient: bool = False
    """True: a run that waits for something is waited for, too, within `wait_seconds`."""
    stream: Stream | None = None
    """Given: the answer is streamed; `reply` words one that comes before there was anything to send."""
    flow_id: str = ""
    """The flow to run, of those in the facts; empty: the hook's own."""


class Find(NamedTuple):
    """A question about the run of an earlier event of this flow."""

    event_id: str
    reply: Callable[[Seen | None], HookAnswer]
    """Words how it stands; None: no run of that event is known."""
    cancel: bool = False
    """True: it is asked to stop before it is looked at."""
    stream: Stream | None = None
    """Given: a run that has not ended is streamed."""
    flow_id: str = ""


Direction = Direct | Accept | Find


class Hook(Protocol):
    """Reads the requests of one listener."""

    @property
    def max_body_bytes(self) -> int:
        """Of a request."""
        ...

    def admit(self, head: Received) -> Direct | None:
        """What can be said before the body is read. Raises `Refused`."""
        ...

    def answer(self, received: Received, now_ns: int) -> Direction:
        """What a complete request means. Raises `Refused`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Callee:
    """A flow that can be called."""

    flow_id: str
    name: str
    """In addresses: `orders`."""
    title: str
    description: str = ""
    source: str = ""
    """The `source` attribute of its listener's events."""
    listener: str | None = None
    """The type of its listener."""
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known where a hook is opened."""

    name: str
    """Whose hook it is, in addresses: the flow, or the tenant."""
    flows: Sequence[Callee]
    """The flow; at a hook of a tenant all of its flows."""
    admits: Callable[[Mapping[str, str]], bool] = lambda headers: False
    """Whether the sender of these headers shows a token of the tenant that lets it run flows."""


OpenHook = Callable[[Mapping[str, Any], Facts], Hook | None]
"""`open(parameters, facts)`: the hook that a listener's parameters ask for; None where its events do not come over
HTTP. Raises PermanentError where they cannot be followed: a hook that its author wanted closed is never opened."""
