"""Variables and secrets of a tenant."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, Request, Text

__all__ = [
    "Secret",
    "SecretList",
    "SecretPath",
    "SetSecret",
    "SetVariable",
    "Variable",
    "VariableList",
    "VariablePath",
]

Key = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", description="How flows name it.")]


class SetVariable(Request):
    """A value for all flows."""

    key: Key
    value: Any


class Variable(Answer):
    """A value for all flows."""

    key: str
    value: Any
    updated_at: Moment


class VariableList(Page):
    """Variables, by name."""

    items: list[Variable]
    variables: list[Variable]


class VariablePath(Request):
    """Which variable."""

    key: Text


class SetSecret(Request):
    """A value that nobody gets to see again."""

    name: Key
    value: Annotated[str, Field(min_length=1, max_length=65_536)]


class Secret(Answer):
    """A secret's name. Its value is never given."""

    name: str
    updated_at: Moment


class SecretList(Page):
    """Secrets, by name."""

    items: list[Secret]
    secrets: list[Secret]


class SecretPath(Request):
    """Which secret."""

    name: Text
