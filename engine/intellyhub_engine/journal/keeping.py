"""What outlives runs: what flows remember by key, and what they have spent by day."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.records import Used

if TYPE_CHECKING:
    from intellyhub_engine.journal.sql import Connection

__all__ = [
    "MAX_KEYS",
    "MAX_KEY_CHARACTERS",
    "MAX_MEMORY_BYTES",
    "MAX_VALUE_BYTES",
    "Remembered",
    "Spent",
    "add_spent",
    "day_of",
    "forget_flow",
    "forget_spent",
    "put_memory",
    "read_memory",
    "read_spent",
    "refuse_key",
    "refuse_value",
    "tenant_of",
    "was_put",
]

MAX_VALUE_BYTES = 256 * 1024
"""What one value may take, as JSON."""
MAX_MEMORY_BYTES = 64 * 1024 * 1024
"""What all values of a flow may take together."""
MAX_KEYS = 50_000
MAX_KEY_CHARACTERS = 512
KEPT_DAYS = 400
"""How long what was spent is known: a year and a month."""
DAY_SECONDS = 86_400


class Remembered(NamedTuple):
    """A value as it stands in a memory."""

    value: str
    """JSON."""
    version: int
    """Counts from 1 with every change; 0 where there is nothing."""


class Spent(NamedTuple):
    """Sums by name."""

    flow: Mapping[str, float]
    tenant: Mapping[str, float]
    """Of all flows of the flow's tenant; in a journal without tenants, of all its flows."""


def day_of(at_ns: int) -> str:
    """The day of a moment, UTC, as `2026-01-31`."""
    return time.strftime("%Y-%m-%d", time.gmtime(at_ns // 1_000_000_000))


def tenant_of(flow: str) -> str:
    """What the names of all flows of its tenant begin with; empty where names have no tenant."""
    tenant, slash, _ = flow.partition("/")
    return tenant + slash if slash else ""


def refuse_key(key: str) -> None:
    """Raise `InputInvalid` for what is no key of a memory."""
    if not key or len(key) > MAX_KEY_CHARACTERS:
        raise InputInvalid(f"a key of a memory has 1 to {MAX_KEY_CHARACTERS} characters, not {len(key)}")


def refuse_value(key: str, size: int) -> None:
    """Raise `InputInvalid` for a value that is too large."""
    if size > MAX_VALUE_BYTES:
        raise InputInvalid(f"the value of {key!r} takes {size:,} bytes; a memory keeps up to {MAX_VALUE_BYTES:,} each")


def read_memory(connection: Connection, flow: str, key: str) -> Remembered | None:
    """What the flow remembers under the key."""
    row = connection.execute("SELECT value, version FROM memory WHERE flow = ? AND key = ?", (flow, key)).fetchone()
    return row and Remembered(*row)


def put_memory(
    connection: Connection,
    flow: str,
    key: str,
    value: str | None,
    *,
    expected: int | None,
    now_ns: int,
    mark: int | None = None,
) -> bool:
    """Remember JSON under the key, or with None forget it. With `expected`, only where that version stands there now:
    else False. Raises `InputInvalid` where the flow's memory is full."""
    found = connection.execute(
        "SELECT version, length(CAST(value AS BLOB)) FROM memory WHERE flow = ? AND key = ?", (flow, key)
    ).fetchone()
    version, held = found or (0, 0)
    if expected is not None and version != expected:
        return False
    if value is None:
        connection.execute("DELETE FROM memory WHERE flow = ? AND key = ?", (flow, key))
        return True
    refuse_full(connection, flow, added=len(value.encode()) - held, is_new=found is None)
    connection.execute(
        "INSERT INTO memory (flow, key, version, value, written_ns, mark) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (flow, key) DO UPDATE SET version = excluded.version, value = excluded.value,"
        " written_ns = excluded.written_ns, mark = excluded.mark",
        (flow, key, version + 1, value, now_ns, mark),
    )
    return True


def was_put(connection: Connection, flow: str, key: str, value: str | None, *, mark: int) -> bool:
    """Whether a request that is repeated was done before."""
    row = connection.execute("SELECT mark FROM memory WHERE flow = ? AND key = ?", (flow, key)).fetchone()
    return row is None if value is None else row is not None and row[0] == mark


def refuse_full(connection: Connection, flow: str, *, added: int, is_new: bool) -> None:
    if added <= 0 and not is_new:
        return
    keys, size = connection.execute(
        "SELECT count(*), coalesce(sum(length(CAST(value AS BLOB))), 0) FROM memory WHERE flow = ?", (flow,)
    ).fetchone()
    if size + added > MAX_MEMORY_BYTES or keys + is_new > MAX_KEYS:
        raise InputInvalid(
            f"the memory of the flow is full: {keys:,} keys with {size:,} bytes, {MAX_KEYS:,} and "
            f"{MAX_MEMORY_BYTES:,} are allowed. Write None to a key that is not needed any more"
        )


def forget_flow(connection: Connection, flow: str) -> int:
    """Delete what a flow remembers; how many keys."""
    return connection.execute("DELETE FROM memory WHERE flow = ?", (flow,)).rowcount


def add_spent(connection: Connection, number: int, used: Sequence[Used]) -> None:
    """Add up what a run has spent, by its number."""
    connection.executemany(
        "INSERT INTO spent (flow, day, name, amount) SELECT flow, ?, ?, ? FROM run WHERE number = ?"
        " ON CONFLICT (flow, day, name) DO UPDATE SET amount = spent.amount + excluded.amount",
        [(day_of(each.at_ns), name, amount, number) for each in used for name, amount in each.amounts.items()],
    )


def read_spent(connection: Connection, flow: str, since: str) -> Spent:
    """What the flow and its tenant have spent since a day, that day included."""
    tenant = tenant_of(flow)
    rows = connection.execute(
        "SELECT flow = ?1, name, sum(amount) FROM spent WHERE flow >= ?2 AND flow < ?2 || ?3 AND day >= ?4"
        " GROUP BY flow = ?1, name",
        (flow, tenant, "\U0010ffff", since),
    ).fetchall()
    own = {name: amount for is_own, name, amount in rows if is_own}
    total: dict[str, float] = {}
    for _, name, amount in rows:
        total[name] = total.get(name, 0) + amount
    return Spent(own, total)


def forget_spent(connection: Connection, now_ns: int) -> int:
    """Delete what is too old to matter; how many sums."""
    oldest = day_of(now_ns - KEPT_DAYS * DAY_SECONDS * 1_000_000_000)
    return connection.execute("DELETE FROM spent WHERE day < ?", (oldest,)).rowcount
