"""A2A's words, in the two versions that are spoken: 1.0 and 0.3.

https://a2a-protocol.org/latest/specification/
https://a2a-protocol.org/v0.3.0/specification/

The versions say the same in other words: methods, states, roles, the shape of parts, and what a result is wrapped in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from intellyhub_engine.language.values.values import text_of

__all__ = [
    "CARD_PATHS",
    "OLD",
    "V1",
    "VERSION_HEADER",
    "Dialect",
    "Fault",
    "Part",
    "dialect_of",
    "known",
    "make_parts",
    "read_parts",
    "read_state",
]

CARD_PATHS = ("/.well-known/agent-card.json", "/.well-known/agent.json")
"""The second is that of versions before 0.3."""
VERSION_HEADER = "a2a-version"
MAX_PARTS = 1000


class Fault(IntEnum):
    """What the specification numbers beside JSON-RPC's own."""

    TASK_NOT_FOUND = -32001
    TASK_NOT_CANCELABLE = -32002
    PUSH_NOT_SUPPORTED = -32003
    UNSUPPORTED_OPERATION = -32004
    CARD_NOT_CONFIGURED = -32007
    VERSION_NOT_SUPPORTED = -32009


class Part(NamedTuple):
    """A piece of a message or of an answer; the first of these that is given counts."""

    text: str | None = None
    data: Any = None
    url: str | None = None
    raw: str | None = None
    """Base64."""
    name: str | None = None
    media_type: str | None = None


class Dialect(NamedTuple):
    """One version's words."""

    version: str
    send: str
    stream: str
    get: str
    cancel: str
    subscribe: str
    user: str
    agent: str
    states: Mapping[str, str]
    """By our own names."""

    @property
    def is_old(self) -> bool:
        """Whether parts, messages and tasks say of what kind they are."""
        return self.version == "0.3"

    def message(self, message_id: str, role: str, parts: Sequence[Part], **more: Any) -> dict[str, Any]:
        """A message."""
        said = {"messageId": message_id, "role": role, "parts": make_parts(parts, self), **named(more)}
        return {"kind": "message", **said} if self.is_old else said


STATES = ("submitted", "working", "completed", "failed", "canceled", "rejected", "input-required", "auth-required")

V1 = Dialect(
    "1.0",
    "SendMessage",
    "SendStreamingMessage",
    "GetTask",
    "CancelTask",
    "SubscribeToTask",
    "ROLE_USER",
    "ROLE_AGENT",
    {state: "TASK_STATE_" + state.replace("-", "_").upper() for state in STATES},
)
OLD = Dialect(
    "0.3",
    "message/send",
    "message/stream",
    "tasks/get",
    "tasks/cancel",
    "tasks/resubscribe",
    "user",
    "agent",
    {state: state for state in STATES},
)


def dialect_of(method: str) -> Dialect | None:
    """Whose method it is."""
    if method in (V1.send, V1.stream, V1.get, V1.cancel, V1.subscribe):
        return V1
    return OLD if method in (OLD.send, OLD.stream, OLD.get, OLD.cancel, OLD.subscribe) else None


def read_state(written: Any) -> str:
    """A task's state in our own words, whichever version wrote it."""
    state = text_of(written or "").removeprefix("TASK_STATE_").replace("_", "-").lower()
    return state if state in STATES else "unknown"


def read_parts(written: Any) -> list[Part]:
    """The parts of a message, whichever version wrote them; what is none is left out."""
    parts = written if isinstance(written, list) else []
    return [part for one in parts[:MAX_PARTS] if isinstance(one, Mapping) and (part := read_part(one)) is not None]


def read_part(one: Mapping[str, Any]) -> Part | None:
    """One part."""
    if isinstance(one.get("text"), str):
        return Part(text=one["text"])
    if "data" in one:
        return Part(data=one["data"])
    file = one.get("file") if isinstance(one.get("file"), Mapping) else one
    assert isinstance(file, Mapping)
    name, kind = file.get("filename") or file.get("name"), file.get("mediaType") or file.get("mimeType")
    more = {"name": known(name), "media_type": known(kind)}
    url, raw = file.get("url") or file.get("uri"), file.get("raw") or file.get("bytes")
    if isinstance(url, str):
        return Part(url=url, **more)
    return Part(raw=raw, **more) if isinstance(raw, str) else None


def make_parts(parts: Sequence[Part], dialect: Dialect) -> list[dict[str, Any]]:
    """Parts in the words of a version."""
    return [make_part(part, dialect) for part in parts]


def make_part(part: Part, dialect: Dialect) -> dict[str, Any]:
    """One part. The older version knows no data but objects."""
    if part.text is not None:
        return {"kind": "text", "text": part.text} if dialect.is_old else {"text": part.text}
    if part.url is not None or part.raw is not None:
        if dialect.is_old:
            given = {"uri": part.url, "bytes": part.raw, "name": part.name, "mimeType": part.media_type}
            return {"kind": "file", "file": named(given)}
        return named({"url": part.url, "raw": part.raw, "filename": part.name, "mediaType": part.media_type})
    if dialect.is_old:
        return {"kind": "data", "data": part.data if isinstance(part.data, dict) else {"result": part.data}}
    return {"data": part.data}


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def known(value: Any) -> str | None:
    """A text, or none."""
    return value if isinstance(value, str) else None
