"""What a language model is asked and what it answers, whichever interface it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from intellyhub_engine.frozen import dataclass

__all__ = ["Finish", "Message", "Question", "Reply", "Role", "Tokens", "Tool", "ToolCall"]


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"  # what a tool gave


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A tool that the model wants used."""

    id: str
    name: str
    arguments: str
    """As the model wrote them: JSON, if it kept to it."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    """Of a tool's turn: the call it answers."""
    raw: Any = None
    """An assistant's turn as its interface gave it: handed back as it is while the same conversation goes on, because
    it may hold more (sealed reasoning) than is read here."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """Something the model may ask for."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of its arguments: an object."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One call of a model."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    """JSON Schema of the answer: an object."""
    temperature: float | None = None
    max_tokens: int | None = None
    """Of the answer."""


class Finish(StrEnum):
    """Why an answer ends."""

    STOP = "stop"  # it is complete
    LENGTH = "length"  # max_tokens
    TOOLS = "tool_calls"  # the model waits for tools
    FILTERED = "content_filter"  # the provider held it back


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a call has used."""

    input: int = 0
    """All that was read, from a cache or not."""
    output: int = 0
    """With what the model thought."""
    cached: int = 0
    """Of `input`: read from a cache."""
    written: int = 0
    """Of `input`: written into a cache."""
    estimated: bool = False
    """The provider did not say; counted from the length of the texts."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model answered."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    tokens: Tokens | None = None
    """None where the provider did not say."""
    finish: Finish = Finish.STOP
    raw: Any = None
    """As `Message.raw`."""
