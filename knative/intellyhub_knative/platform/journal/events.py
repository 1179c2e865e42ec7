"""Events in the outbox: stored once, routed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.sql import Connection

__all__ = ["Stored", "accept", "forget_bodies", "read_event", "route", "take", "unrouted"]

_FIELDS = 9
_INSERT = """
INSERT INTO event (identity, tenant, hops, accepted_ns, mark, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (identity) DO NOTHING RETURNING number
"""
_FIND = "SELECT number, mark FROM event WHERE identity = ?"
_UNROUTED = "SELECT number, tenant, hops, CAST(body AS BLOB) FROM event WHERE routed = 0 ORDER BY number LIMIT ?"
_MAKE_DELIVERY = """
INSERT INTO delivery (event, tenant, flow_id, due_ns) SELECT number, tenant, ?, ? FROM event WHERE number = ?
"""
_FORGET_BODY = """
UPDATE event SET body = '' WHERE number = ? AND length(body) > 1024
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.number)
"""
"""Shorter bodies stay for a day with their event's identity, which costs less than writing their page again."""


class Stored(NamedTuple):
    """An event as it arrived, looked at."""

    source: str
    id: str
    body: str

    def identity(self, tenant_id: str) -> bytes:
        """What makes it the same event as another one."""
        return hashlib.blake2b(f"{tenant_id}\0{self.source}\0{self.id}".encode(), digest_size=16).digest()


def read_event(body: bytes) -> Stored:
    """Look at an encoded event. Raises `InputInvalid` for what is none."""
    try:
        fields = orjson.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, list) or len(fields) != _FIELDS or not all(map(is_named, fields[:3])):
        raise InputInvalid("this is not an event as the journal keeps it")
    return Stored(fields[1], fields[0], body.decode())


def is_named(field: Any) -> bool:
    """Whether this can be an event's id, source or type."""
    return isinstance(field, str) and field != ""


def accept(
    connection: Connection, tenant_id: str, events: Sequence[Stored], *, hops: int, now_ns: int, mark: int | None
) -> list[tuple[int, bool]]:
    """Store events; for each, its number and whether it was there before this request."""
    accepted: list[tuple[int, bool]] = []
    for event in events:
        identity = event.identity(tenant_id)
        stored = connection.execute(_INSERT, (identity, tenant_id, hops, now_ns, mark, event.body)).fetchone()
        if stored is not None:
            accepted.append((stored[0], False))
        else:
            number, found_mark = connection.execute(_FIND, (identity,)).fetchone()
            accepted.append((number, mark is None or found_mark != mark or number in dict(accepted)))
    return accepted


def unrouted(connection: Connection, *, limit: int, max_bytes: int) -> tuple[list[Any], list[bytes]]:
    """Events that nobody has looked at, oldest first: rows, and bodies of up to `max_bytes`, at least one."""
    return take(connection.execute(_UNROUTED, (limit,)), max_bytes)


def take(found: Iterable[tuple[Any, ...]], max_bytes: int) -> tuple[list[Any], list[bytes]]:
    """Rows whose last field is a body, parted: as many as stay below `max_bytes`, but at least one."""
    rows: list[Any] = []
    bodies: list[bytes] = []
    size = 0
    for *row, body in found:
        size += len(body)
        if rows and size > max_bytes:
            break
        rows.append(row)
        bodies.append(body)
    return rows, bodies


def route(connection: Connection, routings: Sequence[tuple[int, Sequence[str]]], *, now_ns: int) -> None:
    """Make the deliveries of events that have none yet."""
    for number, flow_ids in routings:
        if connection.execute("UPDATE event SET routed = 1 WHERE number = ? AND routed = 0", (number,)).rowcount == 1:
            connection.executemany(_MAKE_DELIVERY, [(flow_id, now_ns, number) for flow_id in flow_ids])
            if not flow_ids:
                forget_bodies(connection, [number])


def forget_bodies(connection: Connection, numbers: Sequence[int]) -> None:
    """Give back the room of large events that have no delivery left; they stay known as seen."""
    connection.executemany(_FORGET_BODY, [(number,) for number in numbers])
