"""Walking through lists, page by page: a cursor says behind which row the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from intellyhub_control_plane.errors import RequestInvalid
from intellyhub_control_plane.models.record import Moment
from intellyhub_control_plane.shapes.problems import FieldFault

__all__ = ["Paged", "decode_cursor", "encode_cursor", "paginate"]

Row = TypeVar("Row")


class Paged(NamedTuple):
    """A page of rows."""

    rows: Sequence[Any]
    next_cursor: str | None


def paginate(
    session: Session,
    question: Select[Row],
    keys: Sequence[InstrumentedAttribute[Any]],
    *,
    limit: int,
    cursor: str | None,
    rising: bool = False,
) -> Paged:
    """The page behind `cursor`, in the order of `keys`, which together are unique; falling unless `rising`."""
    if cursor is not None:
        last = [read_value(key, value) for key, value in zip(keys, decode_cursor(cursor, len(keys)), strict=True)]
        here = tuple_(*keys)
        there = tuple_(*(tuple_bind(key, value) for key, value in zip(keys, last, strict=True)))
        question = question.where(here > there if rising else here < there)
    ordered = question.order_by(*(key.asc() if rising else key.desc() for key in keys)).limit(limit + 1)
    rows = session.scalars(ordered).all()
    if len(rows) <= limit:
        return Paged(rows, None)
    return Paged(rows[:limit], encode_cursor([write_value(getattr(rows[limit - 1], key.key)) for key in keys]))


def tuple_bind(key: InstrumentedAttribute[Any], value: Any) -> Any:
    """A value with the type of the column it is compared to."""
    return literal(value, key.type)


def encode_cursor(values: Sequence[str | int]) -> str:
    """A cursor, opaque to clients."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def decode_cursor(cursor: str, number: int) -> list[Any]:
    """The values of a cursor. Raises `RequestInvalid` for one that is none of ours."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or len(values) != number or not all(isinstance(each, str | int) for each in values):
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
