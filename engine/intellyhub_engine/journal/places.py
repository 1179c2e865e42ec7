"""Where sources keep their place when they have no disk: in the memory of their flow, which the journal keeps.

Every value is put in the place of the one that was read, or not at all: of two sources of one flow, an old pod and the
one that comes after it, the second to move finds that it has been overtaken.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any, NamedTuple, Protocol

from intellyhub_engine.errors import JournalError
from intellyhub_engine.journal.keeping import Remembered

__all__ = ["Exclusive", "JournalCursors", "Memory", "PlaceMoved"]

PREFIX = "intellyhub source\n"
"""Begins the keys; authors name theirs, and none has a line feed in it."""
PART_CHARACTERS = 200_000
"""What a value takes at most in one piece: a memory keeps 256 KB under a key."""


class Memory(Protocol):
    """What flows remember; a journal, or the service that has one."""

    def remembered(self, flow: str, key: str) -> Remembered | None:
        """What the flow remembers under the key."""
        ...

    def remember(self, flow: str, key: str, value: str | None, *, expected: int | None = None) -> bool:
        """Remember JSON under the key, or with None forget it; False where another version than `expected` is there."""
        ...


class PlaceMoved(JournalError):
    """Somebody else listens for this flow, and has moved its place: begin again where it stands now."""


class Kept(NamedTuple):
    """What was last seen under a key."""

    version: int
    parts: tuple[str, ...]


class JournalCursors:
    """The cursors of one flow's sources; satisfies `machine.source.Cursors`. For one listening source."""

    def __init__(self, memory: Memory, flow: str) -> None:
        self._memory = memory
        self._flow = flow
        self._kept: dict[str, Kept] = {}

    def get(self, key: str) -> Any:
        """What was last put under `key`; None at the first contact. Raises JournalError."""
        name = name_of(key)
        for _ in range(2):
            found = self._memory.remembered(self._flow, name)
            if found is None:
                self._kept[key] = Kept(0, ())
                return None
            head = json.loads(found.value)
            parts = tuple(head.get("parts", ()))
            self._kept[key] = Kept(found.version, parts)
            if not parts:
                return head["value"]
            pieces = [self._memory.remembered(self._flow, part) for part in parts]
            if all(piece is not None for piece in pieces):
                return json.loads("".join(json.loads(piece.value) for piece in pieces if piece is not None))
        raise JournalError(f"the place {key!r} of {self._flow} is not complete; it is being moved")

    def put(self, key: str, value: Any) -> None:
        """Keep `value`; returns when it is durable. Raises `PlaceMoved` where it is not the one who moved it last."""
        if key not in self._kept:
            self.get(key)
        before, name = self._kept[key], name_of(key)
        text = json.dumps(value, separators=(",", ":"))
        parts = self._write_parts(name, text) if len(text) > PART_CHARACTERS else ()
        head = {"parts": parts} if parts else {"value": value}
        if not self._memory.remember(self._flow, name, json.dumps(head), expected=before.version):
            self._forget(parts)
            del self._kept[key]
            raise PlaceMoved(f"another source of {self._flow} has moved {key!r}")
        self._kept[key] = Kept(before.version + 1, parts)
        self._forget(before.parts)

    def _write_parts(self, name: str, text: str) -> tuple[str, ...]:
        mark = secrets.token_hex(6)
        parts: list[str] = []
        for begin in range(0, len(text), PART_CHARACTERS):
            parts.append(f"{name} {mark} {len(parts)}")
            piece = json.dumps(text[begin : begin + PART_CHARACTERS])
            self._memory.remember(self._flow, parts[-1], piece)
        return tuple(parts)

    def _forget(self, parts: tuple[str, ...]) -> None:
        for part in parts:
            self._memory.remember(self._flow, part, None)


class Exclusive:
    """A right that one process has at a time, for `seconds` from each `take`: to listen for a flow. The clocks of those
    who want it may differ by little against that; that a place moves once is seen to by `JournalCursors`."""

    def __init__(self, memory: Memory, flow: str, name: str, *, owner: str, seconds: float) -> None:
        self._memory = memory
        self._flow = flow
        self._key = name_of(name)
        self._owner = owner
        self._seconds = seconds
        self._version = 0

    def take(self, now_ns: int) -> bool:
        """Have it, or have it for longer; False while somebody else has it. Raises JournalError."""
        found = self._memory.remembered(self._flow, self._key)
        held = json.loads(found.value) if found is not None else {}
        if held.get("owner") != self._owner and held.get("until_ns", 0) > now_ns:
            return False
        version = 0 if found is None else found.version
        value = json.dumps({"owner": self._owner, "until_ns": now_ns + int(self._seconds * 1e9)})
        taken = self._memory.remember(self._flow, self._key, value, expected=version)
        self._version = version + 1 if taken else 0
        return taken

    def release(self) -> None:
        """Leave it to the next one. Nothing happens where somebody else has it by now."""
        if self._version:
            self._memory.remember(self._flow, self._key, None, expected=self._version)
            self._version = 0


def name_of(key: str) -> str:
    """The key in the memory: bounded, and for a person to recognise."""
    return f"{PREFIX}{key[:100]} {hashlib.sha256(key.encode()).hexdigest()[:16]}"
