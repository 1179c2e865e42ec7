"""Deliveries in the outbox: what is due, what attempts came to, what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from intellyhub_engine.journal.encoding import whole
from intellyhub_engine.journal.sql import Connection
from intellyhub_knative.platform.journal import events
from intellyhub_knative.platform.journal.events import Stored
from intellyhub_knative.platform.outbox import Outcome

__all__ = ["counts", "dead_letters", "delete_deliveries", "discard", "due", "next_due_ns", "redeliver", "settle"]

_DUE = """
SELECT delivery.id, delivery.tenant, delivery.flow_id, delivery.attempt, event.accepted_ns, event.hops,
    CAST(event.body AS BLOB)
FROM (
    SELECT id AS due_id, due_ns AS since_ns FROM delivery
    WHERE died_ns IS NULL AND due_ns <= ? AND id NOT IN (SELECT value FROM json_each(?))
        AND flow_id NOT IN (SELECT value FROM json_each(?))
    ORDER BY due_ns, id LIMIT ?
) AS found JOIN delivery ON delivery.id = due_id JOIN event ON event.number = delivery.event ORDER BY since_ns, due_id
"""
_ATTEMPTED = """
SELECT delivery.event, delivery.tenant, delivery.mark, event.hops FROM delivery JOIN event
ON event.number = delivery.event WHERE delivery.id = ? AND delivery.died_ns IS NULL
"""
_DEAD = """
SELECT delivery.id, delivery.tenant, flow_id, attempt, code, error, accepted_ns, died_ns, CAST(event.body AS BLOB)
FROM delivery JOIN event ON event.number = delivery.event
WHERE died_ns IS NOT NULL AND delivery.tenant = ? AND (? IS NULL OR flow_id = ?) AND delivery.id < ?
ORDER BY delivery.id DESC LIMIT ?
"""
_REDELIVER = """
UPDATE delivery SET died_ns = NULL, attempt = 1, due_ns = ?, mark = ?
WHERE tenant = ? AND died_ns IS NOT NULL AND id IN (SELECT value FROM json_each(?))
"""
_REDELIVERED = """
SELECT count(*) FROM delivery
WHERE tenant = ? AND died_ns IS NULL AND mark = ? AND id IN (SELECT value FROM json_each(?))
"""
_DISCARD = """
DELETE FROM delivery WHERE tenant = ? AND died_ns IS NOT NULL AND id IN (SELECT value FROM json_each(?))
RETURNING event
"""
_DELETE = """
DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE tenant = ? AND flow_id = ? LIMIT ?) RETURNING event
"""
Attempt = tuple[int, str, int, int | None, str, Stored | None]
"""Delivery, outcome, when again, HTTP status, error, reply."""


def due(
    connection: Connection,
    now_ns: int,
    *,
    limit: int,
    beyond: Sequence[int],
    except_flows: Sequence[str],
    max_bytes: int,
) -> tuple[list[Any], list[bytes]]:
    """Deliveries to attempt, oldest first: rows, and the bodies of their events, up to `max_bytes` but at least one."""
    left_out = (orjson.dumps(beyond).decode(), orjson.dumps(except_flows).decode())
    return events.take(connection.execute(_DUE, (now_ns, *left_out, limit)), max_bytes)


def next_due_ns(connection: Connection, after_ns: int = -1) -> int | None:
    """When the first delivery is due, of those that become so after a moment."""
    query = "SELECT min(due_ns) FROM delivery WHERE died_ns IS NULL AND due_ns > ?"
    return connection.execute(query, (after_ns,)).fetchone()[0]  # type: ignore[no-any-return]


def settle(connection: Connection, attempts: Sequence[Attempt], *, now_ns: int, mark: int) -> None:
    """Record what attempts came to. What is settled for good, or by this very request, is left as it is."""
    done: list[int] = []
    for delivery_id, outcome, again_ns, code, error, reply in attempts:
        found = connection.execute(_ATTEMPTED, (delivery_id,)).fetchone()
        if found is None or found[2] == mark:
            continue
        number, tenant_id, _, hops = found
        if outcome == Outcome.DELIVERED:
            connection.execute("DELETE FROM delivery WHERE id = ?", (delivery_id,))
            done.append(number)
        elif outcome == Outcome.DEAD:
            change = "UPDATE delivery SET died_ns = ?, code = ?, error = ?, mark = ? WHERE id = ?"
            connection.execute(change, (now_ns, code, whole(error), mark, delivery_id))
        else:
            change = "UPDATE delivery SET attempt = attempt + 1, due_ns = ?, code = ?, error = ?, mark = ? WHERE id = ?"
            connection.execute(change, (again_ns, code, whole(error), mark, delivery_id))
        if reply is not None:
            events.accept(connection, tenant_id, [reply], hops=hops + 1, now_ns=now_ns, mark=mark)
    events.forget_bodies(connection, done)


def dead_letters(
    connection: Connection, tenant_id: str, *, flow_id: str | None, limit: int, before: int | None, max_bytes: int
) -> tuple[list[Any], list[bytes]]:
    """Newest first: rows, and the bodies of their events."""
    values = (tenant_id, flow_id, flow_id, before or 2**63 - 1, limit)
    return events.take(connection.execute(_DEAD, values), max_bytes)


def redeliver(connection: Connection, tenant_id: str, ids: Sequence[int], *, now_ns: int, mark: int) -> int:
    """Make dead letters due again; how many this request has made so."""
    named = orjson.dumps(ids).decode()
    connection.execute(_REDELIVER, (now_ns, mark, tenant_id, named))
    return int(connection.execute(_REDELIVERED, (tenant_id, mark, named)).fetchone()[0])


def discard(connection: Connection, tenant_id: str, ids: Sequence[int]) -> int:
    """Delete dead letters; how many there were."""
    rows = connection.execute(_DISCARD, (tenant_id, orjson.dumps(ids).decode())).fetchall()
    events.forget_bodies(connection, [number for (number,) in rows])
    return len(rows)


def delete_deliveries(connection: Connection, tenant_id: str, flow_id: str, *, limit: int) -> int:
    """Delete some deliveries to a flow, dead ones too; how many."""
    rows = connection.execute(_DELETE, (tenant_id, flow_id, limit)).fetchall()
    events.forget_bodies(connection, [number for (number,) in rows])
    return len(rows)


def counts(connection: Connection) -> dict[str, int]:
    """How much stands in the outbox."""
    questions = {
        "unrouted": "SELECT count(*) FROM event WHERE routed = 0",
        "pending": "SELECT count(*) FROM delivery WHERE died_ns IS NULL",
        "dead": "SELECT count(*) FROM delivery WHERE died_ns IS NOT NULL",
    }
    return {name: int(connection.execute(question).fetchone()[0]) for name, question in questions.items()}
