"""What a person hands in: flow texts, events, variables. Read with limits, refused with the place and the remedy."""

from __future__ import annotations

import json
import os
import stat
import sys
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.events import Event

__all__ = ["STANDARD_INPUT", "make_event", "parse_variables", "read_bytes", "read_event"]

STANDARD_INPUT = "-"
MAX_EVENT_BYTES = 16_000_000
SOURCE = "intellyhub:cli"
"""The `source` of events that a person hands in without one."""


def read_bytes(path: str, *, what: str, max_bytes: int) -> bytes:
    """Read a file or, for `-`, standard input. Raises InputInvalid for what is missing, not a file, or too large."""
    if path == STANDARD_INPUT:
        content = sys.stdin.buffer.read(max_bytes + 1) if sys.stdin is not None else b""
    else:
        content = read_file(Path(path), what, max_bytes)
    if len(content) > max_bytes:
        shown = "standard input" if path == STANDARD_INPUT else path
        raise InputInvalid(
            f"{shown}: the {what} is larger than {max_bytes / 1e6:g} MB; "
            "keep large values in files or object storage, and hand in where they are"
        )
    return content


def read_file(path: Path, what: str, max_bytes: int) -> bytes:
    """Read at most one byte more than allowed, so that a device that never ends does end."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise InputInvalid(f"{path}: is a folder; name the {what}'s file")
        with path.open("rb") as stream:
            return stream.read(max_bytes + 1)
    except FileNotFoundError:
        raise InputInvalid(f"{path}: there is no such file{nearest(path)}") from None
    except PermissionError:
        raise InputInvalid(f"{path}: may not be read; change its rights or call as its owner") from None
    except (OSError, ValueError) as fault:
        raise InputInvalid(f"{str(path)[:200]}: cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault


def nearest(path: Path) -> str:
    """What the path may have meant."""
    from difflib import get_close_matches

    try:
        names = os.listdir(path.parent)  # noqa: PTH208 (names, not paths)
    except OSError:
        return f"; the folder {path.parent} does not exist either"
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def read_event(path: str, *, event_type: str) -> Event:
    """Read an event: a CloudEvent in JSON (it has `specversion`), or any JSON, which becomes the data of one."""
    shown = "standard input" if path == STANDARD_INPUT else path
    content = read_bytes(path, what="event", max_bytes=MAX_EVENT_BYTES)
    try:
        document = json.loads(content)
    except UnicodeDecodeError:
        raise InputInvalid(f"{shown}: the event is not UTF-8 text; an event is JSON") from None
    except json.JSONDecodeError as fault:
        raise InputInvalid(f"{shown}:{fault.lineno}:{fault.colno}: the event is not JSON: {fault.msg}") from None
    except RecursionError:
        raise InputInvalid(f"{shown}: the event is nested too deeply") from None
    except ValueError as fault:
        raise InputInvalid(f"{shown}: the event is not JSON: {fault}") from None
    if isinstance(document, dict) and "specversion" in document:
        return read_cloudevent(content, shown)
    return make_event(document, event_type=event_type)


def read_cloudevent(content: bytes, shown: str) -> Event:
    """Read a structured CloudEvent 1.0, as a worker would. Raises InputInvalid naming every attribute at fault."""
    from intellyhub_engine.serving.cloudevents import read_structured
    from intellyhub_engine.serving.problems import RequestRefused

    try:
        return read_structured("application/cloudevents+json", content)
    except RequestRefused as fault:
        raise InputInvalid(f"{shown}: not a CloudEvent 1.0: {fault.detail}") from fault


def make_event(data: Any, *, event_type: str) -> Event:
    """A new event that carries data; no other event has its id, so it always makes a run of its own."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    kind = event_type or "org.intellyhub.event"
    return Event(id=uuid.uuid4().hex, source=SOURCE, type=kind, data=data, time=now, datacontenttype="application/json")


def parse_variables(texts: Iterable[str], *, option: str = "--var") -> dict[str, Any]:
    """Read `NAME=VALUE` texts; a value is JSON, a YAML scalar or text: `n=3` is a number, `x=a b` is text."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InputInvalid(
                f"{option} {text[:60]!r}: write NAME=VALUE, where the name is made of letters, digits and underscores"
            )
        values[name.strip()] = parse_value(value, f"{option} {name.strip()}")
    return values


def parse_value(text: str, place: str) -> Any:
    """One value: JSON where it looks like a list, an object or a quoted text and is one; else a YAML scalar."""
    from intellyhub_engine.language.reading.scalars import resolve_plain

    bare = text.strip()
    if not bare.startswith(("[", "{", '"')):
        return resolve_plain(bare) if bare else ""
    try:
        return json.loads(bare)
    except RecursionError:
        raise InputInvalid(f"{place}: the value is nested too deeply") from None
    except ValueError:
        return text
