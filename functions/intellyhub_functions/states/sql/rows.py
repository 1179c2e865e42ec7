"""A statement's rows as records, as many as the limits allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.values import Record, text_of, wrap

__all__ = ["Limits", "Result", "read_result", "read_written"]

SCALAR_BYTES = 8
MOST_COLUMNS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is kept of a result."""

    max_rows: int
    max_bytes: int
    """Of values together, about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What the last statement gave."""

    rows: list[Record] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    row_count: int = 0
    """Rows read, or changed; -1 where the database does not tell."""
    truncated: bool = False

    def to_record(self) -> Record:
        """As the flow sees it: also the first row, and the first value in it."""
        first = self.rows[0] if self.rows else None
        return Record(
            rows=self.rows,
            row=first,
            value=next(iter(first.values()), None) if first else None,
            columns=self.columns,
            row_count=self.row_count,
            truncated=self.truncated,
        )


def read_result(found: Any, limits: Limits) -> Result:
    """The rows, up to the first one that is beyond a limit."""
    columns = unique([text_of(name) for name in tuple(found.keys())][:MOST_COLUMNS])
    rows: list[Record] = []
    room, truncated = limits.max_bytes, False
    for row in found:
        values = [plain(value) for value in row]
        room -= sum(map(size_of, values))
        truncated = len(rows) >= limits.max_rows or room < 0
        if truncated:
            break
        rows.append(Record(zip(columns, values, strict=False)))
    return Result(rows=rows, columns=columns, row_count=len(rows), truncated=truncated)


def read_written(found: Any) -> Result:
    """The result of a statement that gives no rows."""
    return Result(row_count=int(found.rowcount))


def unique(names: list[str]) -> list[str]:
    """Each name once: the second `id` of a join is `id_2`."""
    taken: dict[str, None] = {}
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken[free] = None
    return list(taken)


def plain(value: Any) -> Any:
    """A driver's value as a variable can hold it: what the engine does not know becomes its text."""
    if isinstance(value, memoryview):
        return bytes(value)
    try:
        return wrap(value)
    except ValueRefused:
        return str(value)


def size_of(value: Any) -> int:
    """About how many bytes it takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + size_of(item) for name, item in value.items())
    if isinstance(value, list):
        return sum(map(size_of, value))
    return SCALAR_BYTES
