"""A message of another agent as an event: what it says in words, in data, and in files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.rpc.a2a_protocol import Part, read_parts

__all__ = ["EVENT_TYPE", "is_wanted", "make_event", "make_rpc_event", "task_id_of"]

EVENT_TYPE = "io.intellyhub.a2a.message"
MAX_ID_CHARACTERS = 200


def task_id_of(message: Mapping[str, Any]) -> str:
    """The same for the same message, sent twice: a sender in doubt sends again, and finds its task. Who does not know
    the message cannot guess it."""
    written = json.dumps(message, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()[:32]


def make_event(message: Mapping[str, Any], *, source: str, channel: str | None, address: str, now_ns: int) -> Event:
    """The event of a message; its id is that of the task."""
    parts = read_parts(message.get("parts"))
    task_id, metadata = task_id_of(message), as_object(message.get("metadata"))
    text = "\n".join(part.text for part in parts if part.text is not None)
    params = params_of(parts)
    only_data = not text and len([part for part in parts if part.data is not None]) == 1
    moment = datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat()
    named = text_of(metadata.get("channel") or channel or "")
    data = {
        "message": next(part.data for part in parts if part.data is not None) if only_data else text,
        "text": text,
        "params": params,
        "files": [describe(part) for part in parts if part.url is not None or part.raw is not None],
        "channel": named,
        "timestamp": text_of(metadata.get("timestamp") or moment),
        "source": text_of(metadata.get("source") or address),
        "context_id": context_of(message, task_id),
        "task_id": task_id,
        "message_id": text_of(message.get("messageId") or ""),
        "metadata": metadata,
    }
    return Event(
        id=task_id,
        source=source,
        type=EVENT_TYPE,
        subject=named or None,
        time=moment,
        datacontenttype="application/json",
        data=data,
    )


def make_rpc_event(
    params: Mapping[str, Any], *, identity: str, source: str, channel: str | None, address: str, now_ns: int
) -> Event:
    """The event of a plain call, as the published listener took them: every parameter is a variable."""
    moment = datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat()
    data = {
        "message": params.get("message", dict(params)),
        "params": dict(params),
        "channel": text_of(params.get("channel") or channel or ""),
        "timestamp": text_of(params.get("timestamp") or moment),
        "source": text_of(params.get("source") or address),
    }
    return Event(
        id=identity, source=source, type=EVENT_TYPE, time=moment, datacontenttype="application/json", data=data
    )


def params_of(parts: list[Part]) -> dict[str, Any]:
    """What the data parts say, together; of a message in words alone what it says, where that is a JSON object."""
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part.data if isinstance(part.data, dict) else {}
    if not merged and len(parts) == 1 and (parts[0].text or "").lstrip().startswith("{"):
        try:
            said = json.loads(parts[0].text or "")
        except (ValueError, RecursionError):
            return merged
        return said if isinstance(said, dict) else merged
    return merged


def is_wanted(event: Event, channel: str | None, wanted: Any) -> bool:
    """Whether the listener's `channel` and `filter` let a message in. One that names no channel is for all."""
    data = as_object(event.data)
    if channel and data.get("channel") not in ("", channel):
        return False
    if isinstance(wanted, Mapping):
        said = {**as_object(data.get("metadata")), **as_object(data.get("params"))}
        return all(text_of(said.get(name, "")) == text_of(value) for name, value in wanted.items())
    text = text_of(wanted or "").strip().lower()
    return not text or text in json.dumps([data.get("message"), data.get("params")], ensure_ascii=False).lower()


def context_of(message: Mapping[str, Any], task_id: str) -> str:
    """The conversation that a message belongs to: the sender's, or a new one."""
    given = message.get("contextId")
    return given if isinstance(given, str) and 0 < len(given) <= MAX_ID_CHARACTERS else task_id


def describe(part: Part) -> dict[str, Any]:
    """A file: where it is, or what is in it (Base64)."""
    given = {"name": part.name, "media_type": part.media_type, "url": part.url, "content": part.raw}
    return {name: value for name, value in given.items() if value is not None}


def as_object(value: Any) -> Mapping[str, Any]:
    """An object; an empty one in place of what is none."""
    return value if isinstance(value, Mapping) else {}
