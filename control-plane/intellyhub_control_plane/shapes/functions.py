"""What flows are made of: state types and sources, with their parameters."""

from __future__ import annotations

from typing import Any

from intellyhub_control_plane.shapes.shape import Answer

__all__ = ["Function", "FunctionParameter", "Functions"]


class FunctionParameter(Answer):
    """One parameter of a state type or source."""

    name: str
    types: list[str]
    required: bool
    default: Any
    enum: list[Any]
    aliases: list[str]
    secret: bool
    description: str


class Function(Answer):
    """A state type or a source. One that is not installed is known by name only."""

    type: str
    aliases: list[str]
    description: str
    parameters: list[FunctionParameter]
    installed: bool


class Functions(Answer):
    """Everything that flows of a tenant can name, its plugins included."""

    states: list[Function]
    sources: list[Function]
