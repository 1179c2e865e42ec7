"""Secrets kept out of the journal: their texts become tokens that only who knows the secret can turn back.

A variable may hold a secret (`token: "{API_KEY}"`), and a resumed run needs it again. So the journal keeps a token made
of the secret and the flow's name; a token that is not the digest of a secret of the host stays what it is. An event
cannot forge one without knowing the secret already.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Entry, RunFinished, RunStart, StepFinished
from intellyhub_engine.machine.masking import HIDDEN, MIN_LENGTH
from intellyhub_engine.machine.texts import map_texts

__all__ = ["hide_entry", "hide_start", "reveal_entry", "reveal_start"]

DIGEST_BYTES = 12
TOKENS = re.compile(HIDDEN)


def hide_entry(entry: Entry, secrets: Collection[str], flow: str) -> Entry:
    """The entry as the journal keeps it."""
    tokens = tokens_of(frozenset(secrets), flow) if secrets else None
    return changed(entry, tokens.hide) if tokens else entry


def reveal_entry(entry: Entry, secrets: Collection[str], flow: str) -> Entry:
    """The entry as the run made it."""
    tokens = tokens_of(frozenset(secrets), flow) if secrets else None
    return changed(entry, tokens.reveal) if tokens else entry


def hide_start(start: RunStart, secrets: Collection[str]) -> RunStart:
    """The start as the journal keeps it; its event stays as it came."""
    tokens = tokens_of(frozenset(secrets), start.flow) if secrets and start.variables else None
    return replace(start, variables=map_texts(start.variables, tokens.hide)) if tokens else start


def reveal_start(start: RunStart, secrets: Collection[str]) -> RunStart:
    """The start as it was."""
    tokens = tokens_of(frozenset(secrets), start.flow) if secrets and start.variables else None
    return replace(start, variables=map_texts(start.variables, tokens.reveal)) if tokens else start


class Tokens(NamedTuple):
    """The secrets of a host and their tokens, both ways."""

    pattern: re.Pattern[str]
    by_secret: Mapping[str, str]
    by_token: Mapping[str, str]

    def hide(self, text: str) -> str:
        return self.pattern.sub(lambda found: self.by_secret[found[0]], text)

    def reveal(self, text: str) -> str:
        return TOKENS.sub(lambda found: self.by_token.get(found[0], found[0]), text) if "***" in text else text


@lru_cache(maxsize=64)
def tokens_of(secrets: frozenset[str], flow: str) -> Tokens | None:
    """None where no secret is long enough to be hidden. The longest is looked for first."""
    by_secret = {secret: token_of(secret, flow) for secret in secrets if len(secret) >= MIN_LENGTH}
    if not by_secret:
        return None
    ordered = sorted(by_secret, key=lambda secret: (-len(secret), secret))
    pattern = re.compile("|".join(map(re.escape, ordered)))
    return Tokens(pattern, by_secret, {token: secret for secret, token in by_secret.items()})


def token_of(secret: str, flow: str) -> str:
    key = blake2b(flow.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    digest = blake2b(secret.encode("utf-8", "surrogatepass"), key=key, digest_size=DIGEST_BYTES)
    return f"***{digest.hexdigest()}***"


def changed(entry: Entry, change: Any) -> Entry:
    """The entry with the texts changed that a run may need again. What is logged is masked already."""
    if isinstance(entry, StepFinished):
        return entry._replace(
            changes=map_texts(entry.changes, change) if entry.changes else entry.changes,
            loops=map_texts(entry.loops, change) if entry.loops else entry.loops,
            emitted=tuple([changed_event(event, change) for event in entry.emitted]),
        )
    return entry._replace(output=map_texts(entry.output, change)) if isinstance(entry, RunFinished) else entry


def changed_event(event: Event, change: Any) -> Event:
    return replace(event, data=map_texts(event.data, change), extensions=map_texts(event.extensions, change))
