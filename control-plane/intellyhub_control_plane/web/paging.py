"""Walking through lists, page by page: a cursor says behind which row the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar, TypeVarTuple

import orjson
from sqlalchemy import Row as SqlRow
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from intellyhub_control_plane.errors import RequestInvalid
from intellyhub_control_plane.models.record import Moment
from intellyhub_control_plane.shapes.problems import FieldFault

__all__ = ["Paged", "cut", "decode_cursor", "encode_cursor", "paginate"]

Row = TypeVar("Row")
Entity = TypeVar("Entity")
Columns = TypeVarTuple("Columns")
LARGEST = 2**62
"""What any database and the journal can count to."""


class Paged(NamedTuple, Generic[Row]):
    """A page of rows."""

    rows: Sequence[Row]
    next_cursor: str | None


def paginate(
    session: Session,
    question: Select[Entity, *Columns],
    keys: Sequence[InstrumentedAttribute[Any]],
    *,
    limit: int,
    cursor: str | None,
    rising: bool = False,
) -> Paged[SqlRow[Entity, *Columns]]:
    """The page behind `cursor`, in the order of `keys`, which belong to the first column of `question` and together are
    unique; falling unless `rising`."""
    if cursor is not None:
        values = decode_cursor(cursor, *(int if key.type.python_type is int else str for key in keys))
        here = tuple_(*keys)
        there = tuple_(*(literal(read_value(key, value), key.type) for key, value in zip(keys, values, strict=True)))
        question = question.where(here > there if rising else here < there)
    ordered = question.order_by(*(key.asc() if rising else key.desc() for key in keys)).limit(limit + 1)
    rows = session.execute(ordered).all()
    return cut(rows, limit, lambda row: [write_value(getattr(row[0], key.key)) for key in keys])


def cut(rows: Sequence[Row], limit: int, key_of: Callable[[Row], Sequence[str | int]]) -> Paged[Row]:
    """A page of `limit` rows, of one row more where there is a next page; `key_of` says where a row stands."""
    page = rows[:limit]
    return Paged(page, encode_cursor(key_of(page[-1])) if len(rows) > limit else None)


def encode_cursor(values: Sequence[str | int]) -> str:
    """A cursor, opaque to clients."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type[str] | type[int]) -> list[Any]:
    """The values of a cursor, of these kinds. Raises `RequestInvalid` for one that is none of ours."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        raise bad_cursor()
    if any("\0" in value if isinstance(value, str) else not 0 <= value <= LARGEST for value in values):
        raise bad_cursor()
    return values


def bad_cursor() -> RequestInvalid:
    return RequestInvalid([FieldFault(location="query.cursor", message="is not a cursor of this list")])


def write_value(value: Any) -> str | int:
    return value.isoformat() if isinstance(value, datetime) else value


def read_value(key: InstrumentedAttribute[Any], value: str | int) -> Any:
    if not isinstance(key.type, Moment):
        return value
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise bad_cursor() from None
    if moment.tzinfo is None:
        raise bad_cursor()
    return moment
