"""What all requests and answers have in common."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.json_schema import DEFAULT_REF_TEMPLATE, GenerateJsonSchema, JsonSchemaMode

__all__ = ["Answer", "Cursor", "Limit", "Moment", "Page", "PageQuery", "Request", "Shape", "Text", "write_moment"]


ITEMS = b'{"items":'
MOMENT = len("2026-01-31T08:15:00.250")


def write_moment(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds: `2026-01-31T08:15:00.250Z`."""
    return f"{moment.isoformat(timespec='milliseconds')[:MOMENT]}Z"


def without_nul(text: str) -> str:
    """PostgreSQL keeps no NUL in its texts."""
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


Moment = Annotated[
    datetime, PlainSerializer(write_moment, return_type=str), Field(json_schema_extra={"format": "date-time"})
]
"""A time of an answer; always timezone-aware UTC."""
Text = Annotated[str, AfterValidator(without_nul)]
"""A text that any database can keep."""
Limit = Annotated[int, Field(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Field(description="`next_cursor` of the page before.")]


class Shape(BaseModel):
    """A document. Its JSON Schema is worked out once: flask-openapi3 asks for it with every request."""

    @classmethod
    @functools.cache
    def _schema(cls, by_alias: bool | None, ref_template: str, mode: JsonSchemaMode) -> dict[str, Any]:
        return super().model_json_schema(by_alias, ref_template, GenerateJsonSchema, mode)

    @classmethod
    def model_json_schema(
        cls,
        by_alias: bool | None = True,
        ref_template: str = DEFAULT_REF_TEMPLATE,
        schema_generator: type[GenerateJsonSchema] = GenerateJsonSchema,
        mode: JsonSchemaMode = "validation",
        **_: Any,
    ) -> dict[str, Any]:
        """The document's JSON Schema; not to be changed by who gets it."""
        return cls._schema(by_alias, ref_template, mode)


class Request(Shape):
    """What a client sends. A key that is not known is a fault: it is a misspelling of one that is."""

    model_config = ConfigDict(extra="forbid")


class Answer(Shape):
    """What a client gets: every key is always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    def to_json(self) -> bytes:
        """The document's text."""
        return self.__pydantic_serializer__.to_json(self)


class PageQuery(Shape):
    """How to walk through a list."""

    limit: Limit = 50
    cursor: Cursor = None


class Page(Answer):
    """A part of a list. `next_cursor` is null on the last page. The items stand under two keys: `items`, and their
    older name, which is the second field."""

    next_cursor: str | None = None

    @classmethod
    def of(cls, items: Sequence[Answer], next_cursor: str | None = None, **more: Any) -> Self:
        """The items under both keys."""
        return cls.model_validate({"items": items, second_key(cls): items, "next_cursor": next_cursor, **more})

    def to_json(self) -> bytes:
        """As of any answer; what stands under two keys is written once and set in twice."""
        again = second_key(type(self))
        if self.__dict__[again] != self.__dict__["items"]:  # the same objects: no more than a look at each
            return super().to_json()
        write = self.__pydantic_serializer__.to_json
        rest, items = write(self, exclude={again, "items"}), write(self, include={"items"})
        return b'%b,%b,"%b":%b}' % (rest[:-1], items[1:-1], again.encode(), items[len(ITEMS) : -1])


@functools.cache
def second_key(page: type[Page]) -> str:
    """What a list calls its items beside `items`."""
    fields = list(page.model_fields)
    return fields[fields.index("items") + 1]
