"""How a journal's clients and its service speak: frames over a stream socket, and errors that travel as themselves.

A frame is the length of its rest (4 bytes, big endian), the length of its head (4 bytes), the head (JSON), and bytes
that come with it: bodies of records as they are stored, which nobody on the way has to unfold. A request's head is
`[id, operation, arguments]`, an answer's `[id, kind, value]`. Ids are the client's; answers come in any order.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import orjson

from intellyhub_engine.errors import (
    EngineError,
    InputInvalid,
    JournalError,
    JournalFull,
    JournalUnwritable,
    LeaseLost,
    RunNotFound,
    ValueRefused,
)

__all__ = [
    "GREETING_ID",
    "MAX_FRAME_BYTES",
    "VERSION",
    "Answer",
    "Call",
    "Frames",
    "Kind",
    "join",
    "make_error",
    "make_frame",
    "make_greeting",
    "raise_error",
    "read_welcome",
    "refuse_end",
    "split",
]

VERSION = 1
GREETING_ID = 0
"""The id of the first frame of a connection, and of its answer."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
"""What one frame may take, in both directions."""

_LENGTHS = struct.Struct(">II")
_ERRORS: Mapping[str, type[EngineError]] = {
    kind.__name__: kind
    for kind in (InputInvalid, JournalError, JournalFull, JournalUnwritable, LeaseLost, ValueRefused)
}


class Kind(IntEnum):
    """What an answer's head says it is."""

    VALUE = 0
    ERROR = 1
    PART = 2  # one of many answers: more follow


class Call(NamedTuple):
    """A question to the service. It may be asked again after a lost answer."""

    operation: str
    arguments: Sequence[Any] = ()
    payload: bytes = b""
    run_id: str = ""
    """For a record: whose order among others it keeps."""
    waits: bool = True
    """False: no answer comes; the next answer to a call with the same `run_id` is its too."""
    answer_seconds: float = 60.0
    """Silence after which the connection counts as lost."""


class Answer(NamedTuple):
    """What the service says to a call."""

    value: Any
    payload: bytes = b""


class Frames:
    """Cuts a stream into frames. Raises `JournalError` for what cannot be one."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._pieces: list[bytes] = []
        """The beginning of a frame."""
        self._missing = 0
        """Bytes without which there is no use in looking at it again."""

    def feed(self, received: bytes) -> list[tuple[Any, bytes]]:
        """The frames that are complete now: (head, payload)."""
        if self._pieces:
            self._pieces.append(received)
            self._missing -= len(received)
            if self._missing > 0:
                return []
            received = b"".join(self._pieces)
        frames: list[tuple[Any, bytes]] = []
        place, end = 0, self._end_of_frame(received, 0)
        while end <= len(received):
            frames.append(_unfold(received, place, end))
            place, end = end, self._end_of_frame(received, end)
        self._missing = end - len(received)
        self._pieces = [received[place:]] if place < len(received) else []
        return frames

    def _end_of_frame(self, received: bytes, place: int) -> int:
        """Where a frame ends, or its lengths as long as they are not there."""
        if len(received) - place < _LENGTHS.size:
            return place + _LENGTHS.size
        length, head_length = _LENGTHS.unpack_from(received, place)
        if length > self.max_frame_bytes or head_length > length - 4:
            raise JournalError(f"a frame of {length:,} bytes is none of the journal's")
        return place + 4 + int(length)


def make_frame(head: Any, payload: bytes = b"") -> bytes:
    """One frame. Raises `InputInvalid` above `MAX_FRAME_BYTES`."""
    try:
        encoded = orjson.dumps(head)
    except orjson.JSONEncodeError as fault:
        raise InputInvalid(f"the journal cannot be asked this: {fault}") from fault
    length = 4 + len(encoded) + len(payload)
    if length > MAX_FRAME_BYTES:
        raise InputInvalid(
            f"one message to the journal takes {length:,} bytes; {MAX_FRAME_BYTES:,} are allowed. "
            "Large values belong in files, with their path in a variable"
        )
    return _LENGTHS.pack(length, len(encoded)) + encoded + payload


def make_greeting(token: str) -> bytes:
    """The first frame that a client sends."""
    return make_frame([GREETING_ID, "greet", {"v": VERSION, "token": token}])


def make_error(fault: EngineError) -> list[Any]:
    """An error as the value of an answer."""
    if isinstance(fault, RunNotFound):
        return ["RunNotFound", fault.run_id]
    kind = type(fault).__name__
    return [kind if kind in _ERRORS else JournalError.__name__, str(fault)]


def raise_error(value: Sequence[str]) -> None:
    """Raise the error that `make_error` wrote."""
    kind, text = value
    raise RunNotFound(text) if kind == "RunNotFound" else _ERRORS.get(kind, JournalError)(text)


def read_welcome(answers: Sequence[tuple[Any, bytes]]) -> None:
    """Look at the answer to a greeting. Raises the error that it carries."""
    [((_, kind, value), _)] = answers
    if kind == Kind.ERROR:
        raise_error(value)


def refuse_end(received: bytes) -> bytes:
    """What was received. Raises `ConnectionResetError` where the other side has closed."""
    if not received:
        raise ConnectionResetError("it closed the connection")
    return received


def join(bodies: Sequence[bytes | str]) -> bytes:
    """Several JSON texts as one payload. JSON as it is kept has no line feeds."""
    return b"\n".join([body.encode() if isinstance(body, str) else body for body in bodies])


def split(payload: bytes) -> list[bytes]:
    """The texts that `join` put together."""
    return payload.split(b"\n") if payload else []


def _unfold(received: bytes, place: int, end: int) -> tuple[Any, bytes]:
    _, head_length = _LENGTHS.unpack_from(received, place)
    start = place + _LENGTHS.size
    try:
        return orjson.loads(received[start : start + head_length]), received[start + head_length : end]
    except orjson.JSONDecodeError as fault:
        raise JournalError("a frame's head is not JSON") from fault
