"""What the service answers about what outlives runs: what flows remember, and what they have spent."""

from __future__ import annotations

from intellyhub_engine.journal import keeping
from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.wire import Answer
from intellyhub_engine.journal.writer import Operation
from intellyhub_knative.platform.journal.desk import Desk, Request

__all__ = ["remember", "remembered", "spent"]


def remember(desk: Desk, request: Request) -> Write:
    """A value of a flow's memory."""
    flow, key, gone, expected, mark = request.arguments
    request.need_flow(flow)
    keeping.refuse_key(key)
    keeping.refuse_value(key, len(request.payload))
    value = None if gone else request.payload.decode()

    def perform(connection: Connection) -> bool:
        if request.again and keeping.was_put(connection, flow, key, value, mark=mark):
            return True
        return keeping.put_memory(connection, flow, key, value, expected=expected, now_ns=desk.now_ns(), mark=mark)

    return Operation(perform, touches=())


def remembered(desk: Desk, request: Request, connection: Connection) -> Answer:
    """Its version, and the value as payload."""
    flow, key = request.arguments
    request.need_flow(flow)
    found = keeping.read_memory(connection, flow, key)
    return Answer(None) if found is None else Answer(found.version, found.value.encode())


def spent(desk: Desk, request: Request, connection: Connection) -> Answer:
    """Of a flow and of its tenant."""
    flow, since = request.arguments
    request.need_flow(flow)
    return Answer(tuple(keeping.read_spent(connection, flow, since)))
