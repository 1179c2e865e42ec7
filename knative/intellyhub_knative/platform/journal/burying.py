"""Dead letters that come back: a Knative Broker has given an event up, and the outbox has it again."""

from __future__ import annotations

from typing import NamedTuple

from intellyhub_engine.journal.encoding import whole
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.wire import split
from intellyhub_engine.journal.writer import Operation
from intellyhub_knative.platform.journal import events
from intellyhub_knative.platform.journal.desk import Desk, Request
from intellyhub_knative.platform.journal.events import Stored

__all__ = ["bury"]

_KNOWN = "SELECT number FROM event WHERE identity = ?"
_INSERT = """
INSERT INTO event (identity, tenant, hops, accepted_ns, routed, mark, body) VALUES (?, ?, ?, ?, 1, ?, ?)
ON CONFLICT (identity) DO NOTHING
"""
_RESTORE = "UPDATE event SET body = ? WHERE number = ? AND body = ''"
_STANDING = "SELECT mark FROM delivery WHERE event = ? AND flow_id = ?"
_BURY = """
INSERT INTO delivery (event, tenant, flow_id, attempt, due_ns, died_ns, code, error, mark)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Letter(NamedTuple):
    """What is known of it."""

    tenant_id: str
    flow_id: str
    code: int | None
    error: str
    attempts: int
    hops: int
    again: bool
    mark: int


def bury(desk: Desk, request: Request) -> Operation[bool]:
    """The request of this name: true where the delivery was made by it."""
    request.need_platform()
    letter = Letter(*request.arguments)
    [event] = [events.read_event(body) for body in split(request.payload)]
    return Operation(lambda connection: enter(connection, letter, event, now_ns=desk.now_ns()), touches=())


def enter(connection: Connection, letter: Letter, event: Stored, *, now_ns: int) -> bool:
    """Make the delivery, dead or due at once, of an event that was routed long ago or is not known any more; false
    where the event has one to that flow, dead or not, that another request has made."""
    identity = event.identity(letter.tenant_id)
    connection.execute(_INSERT, (identity, letter.tenant_id, letter.hops, now_ns, letter.mark, event.body))
    (number,) = connection.execute(_KNOWN, (identity,)).fetchone()
    connection.execute(_RESTORE, (event.body, number))
    marks = [mark for (mark,) in connection.execute(_STANDING, (number, letter.flow_id)).fetchall()]
    if marks:
        return letter.mark in marks
    attempts = 1 if letter.again else letter.attempts
    died_ns = None if letter.again else now_ns
    told = (letter.code, whole(letter.error), letter.mark)
    connection.execute(_BURY, (number, letter.tenant_id, letter.flow_id, attempts, now_ns, died_ns, *told))
    return True
