"""Secret values made unreadable in whatever a person or a log gets to see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeVar

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Entry, Logged, RunFinished, StepFinished
from intellyhub_engine.machine.texts import map_texts

__all__ = ["HIDDEN", "MASK", "MIN_LENGTH", "mask", "mask_entry", "sounds_secret"]

MASK = "***"
HIDDEN = r"\*\*\*[0-9a-f]{24}\*\*\*"
"""What stands for a secret in the journal; see `machine.hiding`. It is shown as the mask."""
MIN_LENGTH = 4
"""Shorter secrets are not masked: they would hide half of every text and protect nothing."""
SECRET_PARTS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
SECRET_WORDS = frozenset(("PASS", "KEY", "APIKEY", "ACCESSKEY", "PRIVATEKEY"))
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

Value = TypeVar("Value")


def mask(value: Value, secrets: Collection[str]) -> Value:
    """The same value, every secret in it replaced: inside longer texts, in nested values and their keys, and as JSON,
    a URL or `repr` would write it. A number that is a secret becomes the mask too. Values without secrets come back as
    they are, containers of others as new ones."""
    pattern = pattern_of(frozenset(secrets)) if secrets else None
    if pattern is None:
        return value
    masked: Value = map_texts(value, partial(pattern.sub, MASK), partial(mask_number, pattern=pattern))
    return masked


def mask_number(value: float, *, pattern: re.Pattern[str]) -> object:
    return MASK if pattern.fullmatch(str(value)) else value


def mask_entry(entry: Entry, secrets: Collection[str]) -> Entry:
    """An entry as it may be shown. Log lines and errors are masked already when they are made."""
    if not secrets:
        return entry
    if isinstance(entry, StepFinished):
        emitted = tuple([mask_event(event, secrets) for event in entry.emitted])
        changes, loops = mask(entry.changes, secrets), mask(entry.loops, secrets)
        return entry._replace(changes=changes, loops=loops, emitted=emitted)
    if isinstance(entry, RunFinished):
        return entry._replace(output=mask(entry.output, secrets), error=mask(entry.error, secrets))
    return entry._replace(message=mask(entry.message, secrets)) if isinstance(entry, Logged) else entry


def mask_event(event: Event, secrets: Collection[str]) -> Event:
    extensions = mask(event.extensions, secrets)
    return replace(event, data=mask(event.data, secrets), subject=mask(event.subject, secrets), extensions=extensions)


@lru_cache(maxsize=64)
def pattern_of(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """One pattern for all spellings of all secrets, the longest first, so that none leaves a rest behind."""
    spellings = {spelling for secret in secrets if len(secret) >= MIN_LENGTH for spelling in spellings_of(secret)}
    ordered = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
    return re.compile("|".join([*map(re.escape, ordered), HIDDEN])) if ordered else None


def spellings_of(secret: str) -> set[str]:
    """The secret as it stands, stripped, and as JSON, Python and URLs write it."""
    stripped = secret.strip()
    texts = {secret, stripped} if len(stripped) >= MIN_LENGTH else {secret}
    ways: tuple[Callable[[str], str], ...] = (as_json, as_wide_json, as_python, percent_encoded)
    return texts | {way(text) for way in ways for text in texts}


def as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def as_wide_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def as_python(text: str) -> str:
    return repr(text)[1:-1]


def percent_encoded(text: str) -> str:
    """RFC 3986 section 2.1."""
    octets = text.encode("utf-8", "surrogatepass")
    return "".join(chr(octet) if chr(octet) in UNRESERVED else f"%{octet:02X}" for octet in octets)


def sounds_secret(name: str) -> bool:
    """Whether a name says that its value is a secret."""
    upper = name.upper()
    return any(part in upper for part in SECRET_PARTS) or not SECRET_WORDS.isdisjoint(upper.split("_"))
