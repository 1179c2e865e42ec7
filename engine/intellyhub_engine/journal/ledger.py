"""How a source on a cluster stands, and who looks at it now: one value for each flow, in its memory in the journal.

The poller and listening pods write it, the console reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.places import Memory, name_of

__all__ = ["KEY", "Ledger", "Page", "make_page", "read_page", "write_page"]

KEY = name_of("standing")
MOST_FAILURES = 20
LONGEST_PAUSE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is known of a flow's source. Moments are Unix nanoseconds."""

    owner: str = ""
    """Who looks now; nobody, where it is empty."""
    until_ns: int = 0
    """When the owner is taken for dead."""
    looked_ns: int = 0
    """When the tick was made that the last look followed."""
    failures: int = 0
    """In a row."""
    standing: Mapping[str, Any] = field(default_factory=dict)
    """What the source says of itself (`serving.standing.Standing.keep`)."""

    def due_ns(self, interval_seconds: float) -> int:
        """When to look again: after the interval, doubled with every failure in a row, up to an hour."""
        seconds = min(interval_seconds * (1 << min(self.failures, MOST_FAILURES)), LONGEST_PAUSE_SECONDS)
        return self.looked_ns + int(max(seconds, interval_seconds) * 1e9)

    def after(self, *, failed: bool) -> Page:
        """The page when a look has failed, or has not."""
        return replace(self, failures=min(self.failures, MOST_FAILURES) + 1 if failed else 0)


class Ledger:
    """The page of one flow's source, for one look."""

    def __init__(self, memory: Memory, flow: str) -> None:
        self._memory = memory
        self._flow = flow
        self._version = 0
        self.page = Page()

    def read(self) -> Page:
        """What stands there. Raises JournalError."""
        found = self._memory.remembered(self._flow, KEY)
        self._version = 0 if found is None else found.version
        self.page = Page() if found is None else make_page(found.value)
        return self.page

    def begin(self, owner: str, now_ns: int, ticked_ns: int, *, seconds: float) -> bool:
        """Look from now on, alone, for so long at most; False where somebody else does. After `read`."""
        if self.page.owner and self.page.until_ns > now_ns:
            return False
        return self._write(replace(self.page, owner=owner, until_ns=now_ns + int(seconds * 1e9), looked_ns=ticked_ns))

    def end(self, page: Page, standing: Mapping[str, Any]) -> bool:
        """The look is over; False where another one has begun meanwhile, because this one was taken for dead."""
        return self._write(replace(page, owner="", until_ns=0, standing=standing))

    def _write(self, page: Page) -> bool:
        written = self._memory.remember(self._flow, KEY, json.dumps(asdict(page)), expected=self._version)
        if written:
            self._version, self.page = self._version + 1, page
        return written


def write_page(memory: Memory, flow: str, standing: Mapping[str, Any]) -> None:
    """Write down how a source stands that is looked at all the time, by one process. Raises JournalError."""
    memory.remember(flow, KEY, json.dumps(asdict(Page(standing=standing))))


def read_page(memory: Memory, flow: str) -> Page | None:
    """How the source of a flow (`journal_name`) stands; None before its first look. Raises JournalError."""
    found = memory.remembered(flow, KEY)
    return None if found is None else make_page(found.value)


def make_page(text: str) -> Page:
    """A page from its JSON; keys of newer versions are left out."""
    return Page(**{name: value for name, value in json.loads(text).items() if name in Page.__annotations__})
