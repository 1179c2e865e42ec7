"""Server-sent events out of the pieces of a body (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from intellyhub_engine.errors import PermanentError

__all__ = ["read_events"]

MAX_EVENT_BYTES = 8 * 1024 * 1024
LINE_END = re.compile(rb"\r\n|\n|\r(?!$)")
"""A carriage return at the end of a piece may be half of one."""


def read_events(pieces: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Name and data of each event that is complete; those without data are left out. Raises PermanentError for one
    above `MAX_EVENT_BYTES`."""
    name, size = "", 0
    data: list[str] = []
    for line in lines_of(pieces):
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data, size = "", [], 0
            continue
        size += len(line)
        if size > MAX_EVENT_BYTES:
            raise PermanentError(f"the server sends an event of more than {MAX_EVENT_BYTES:,} bytes")
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    if data:
        yield name, "\n".join(data)  # servers forget the last blank line


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, without their ends. The pieces of a long one are put together once."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        half = held.pop() if held and held[-1].endswith(b"\r") else b""
        *lines, rest = LINE_END.split(half + piece)
        for line in lines:
            yield b"".join([*held, line])
            held, size = [], 0
        held.append(rest)
        size += len(rest)
        if size > MAX_EVENT_BYTES:
            raise PermanentError(f"the server sends a line of more than {MAX_EVENT_BYTES:,} bytes")
    last = b"".join(held).removesuffix(b"\r")
    if last:
        yield last
