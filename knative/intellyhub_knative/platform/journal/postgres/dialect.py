"""SQLite's statements as PostgreSQL takes them. All that differs stands in the one table here.

The statements are written once, for SQLite, in words that both understand. What only one of them has is replaced whole,
as a phrase; a test executes every statement of the journal on both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["PHRASES", "bind", "translate"]

PHRASES: Mapping[str, str] = {
    "BEGIN IMMEDIATE": "BEGIN",
    # What a transaction of another process has changed: nothing, as there is one that writes.
    "PRAGMA data_version": "SELECT 0",
    # Room goes back by itself (autovacuum).
    "PRAGMA freelist_count": "SELECT 0",
    # The larger of two, which in PostgreSQL has a name of its own.
    "max(wake_ns, coalesce(lease_until_ns, 0))": "greatest(wake_ns, coalesce(lease_until_ns, 0))",
    "instr(": "strpos(",
    # Text as bytes: as many as it has, and as they are.
    "length(CAST(value AS BLOB))": "octet_length(value)",
    "CAST(body AS BLOB)": "convert_to(body, 'UTF8')",
    "CAST(record.body AS BLOB)": "convert_to(record.body, 'UTF8')",
    "CAST(event.body AS BLOB)": "convert_to(event.body, 'UTF8')",
    # What strangers choose the length of (tables.py). The longer phrase comes first, as it ends with the other.
    "event_source = ? AND event_id = ?": "short(event_source) = short(?) AND short(event_id) = short(?)",
    " source = ? AND event_id = ?": " short(source) = short(?) AND short(event_id) = short(?)",
    # Lists as one value. PostgreSQL must be told of what they are.
    " id NOT IN (SELECT value FROM json_each(?))": " id NOT IN (SELECT value::bigint FROM json_array_elements_text(?))",
    " id IN (SELECT value FROM json_each(?))": " id IN (SELECT value::bigint FROM json_array_elements_text(?))",
    "flow_id NOT IN (SELECT value FROM json_each(?))": "flow_id NOT IN (SELECT json_array_elements_text(?))",
    "JOIN json_each(?) AS wanted ON wanted.value = run.number ORDER BY wanted.key": (
        "JOIN json_array_elements_text(?) WITH ORDINALITY AS wanted (value, key)"
        " ON wanted.value::bigint = run.number ORDER BY wanted.key"
    ),
}

_VACUUM = re.compile(r"PRAGMA incremental_vacuum\(\d+\)")
_NUMBERED = re.compile(r"\?(\d+)")


@lru_cache(maxsize=512)
def translate(statement: str) -> str:
    """The statement with psycopg2's marks for values. Raises `ValueError` for one that could be taken amiss."""
    if "%" in statement:
        raise ValueError("a statement of the journal has no percent sign: psycopg2 would take it for a value's mark")
    if _VACUUM.fullmatch(statement):
        return "SELECT 0"
    for theirs, ours in PHRASES.items():
        statement = statement.replace(theirs, ours)
    return _NUMBERED.sub(r"%(n\1)s", statement).replace("?", "%s")


def bind(statement: str, values: Sequence[Any]) -> Sequence[Any] | dict[str, Any]:
    """The values for a statement that was translated."""
    bound = [plain(value) for value in values]
    if "%(n" in statement:
        return {f"n{number}": value for number, value in enumerate(bound, 1)}
    return bound


def plain(value: Any) -> Any:
    """A value as PostgreSQL can hold it: its texts have no NUL. Where one stands in an id that a stranger has chosen,
    U+FFFD does, here as in every question that looks for it."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value
