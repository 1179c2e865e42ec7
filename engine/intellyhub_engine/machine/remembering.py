"""The memory of a run's flow, as functions are handed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import JournalError
from intellyhub_engine.language.values.values import decode, encode, wrap
from intellyhub_engine.machine.masking import mask

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.host import Host

__all__ = ["FlowMemory"]

MOST_CHANGES = 50
"""How often a change is tried while other runs change the same value."""


class FlowMemory:
    """Satisfies `step.Memory`: in the journal, and as long as the process lives where there is none."""

    def __init__(self, run: ActiveRun) -> None:
        self._run = run

    def read(self, key: str) -> Any:
        """What is remembered under the key."""
        found = self._journal.remembered(self._flow, key)
        return None if found is None else decode(found.value.encode())

    def write(self, key: str, value: Any) -> None:
        """Remember it instead of what was there."""
        self._journal.remember(self._flow, key, self._encoded(value))

    def change(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Remember what `change` makes of what is there."""
        for _ in range(MOST_CHANGES):
            found = self._journal.remembered(self._flow, key)
            value = change(None if found is None else decode(found.value.encode()))
            expected = 0 if found is None else found.version
            if self._journal.remember(self._flow, key, self._encoded(value), expected=expected):
                return value
        raise JournalError(f"{key!r} is changed by too many runs at once to be remembered")

    def _encoded(self, value: Any) -> str | None:
        return None if value is None else encode(mask(wrap(value), self._run.family.secrets)).decode()

    @property
    def _flow(self) -> str:
        return self._run.program.head.name

    @property
    def _journal(self) -> Journal:
        return self._run.host.journal or held_by(self._run.host)


def held_by(host: Host) -> Journal:
    """Where a process without a journal remembers."""
    from intellyhub_engine.journal.memory import MemoryJournal

    journal: Journal = host.held.setdefault("memory", MemoryJournal(now_ns=host.now_ns))
    return journal
