"""What all tables have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from sqlalchemy import JSON, DateTime, Dialect, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column

__all__ = ["Document", "Id", "Moment", "Record", "make_id", "now"]

ID_LENGTH = 32
Id = Annotated[str, mapped_column(String(ID_LENGTH))]
"""32 hexadecimal digits."""
Document = JSON(none_as_null=True)
"""JSON, as text also on PostgreSQL: its binary form refuses some characters that flows may hold."""


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def make_id() -> str:
    """A new id: 32 hexadecimal digits that nobody can guess."""
    return uuid4().hex


class Moment(TypeDecorator[datetime]):
    """A timezone-aware time in UTC; SQLite keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive times."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time has no meaning")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, whatever the database gave."""
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Record(DeclarativeBase):
    """A row."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Moment()}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
