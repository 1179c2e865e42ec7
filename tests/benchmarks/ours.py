"""How the product is used in process: the public way from a text to a program to a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.catalogue.load import combine
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.journal.records import Entry, RunHistory, RunStart, RunStatus
from tests.benchmarks import touch
from tests.benchmarks.bench import FLOWS

if TYPE_CHECKING:
    from intellyhub_engine.language.compile import Program
    from intellyhub_engine.machine.host import Host

__all__ = ["CATALOGUE_VARIABLE", "DiscardingJournal", "make_catalogue", "make_host", "make_program"]

CATALOGUE_VARIABLE = "intellyhub_functions.catalogue:CATALOGUE,tests.benchmarks.touch:CATALOGUE"
"""What INTELLYHUB_CATALOGUE names for a worker under measurement."""

MAX_ENTRY_BYTES = 1 << 20


def make_catalogue() -> Catalogue:
    """What is installed, and the benchmark's own effect."""
    return combine(installed(), touch.CATALOGUE)


def make_program(flow: str | Path) -> Program:
    """A flow of this folder, by its file's name, or any other by its path."""
    from intellyhub_engine.language.compile import compile_flow
    from intellyhub_engine.language.load import load_flow

    path = FLOWS / flow
    catalogue = make_catalogue()
    parsed, _ = load_flow(path.read_bytes(), catalogue, path.stem)
    return compile_flow(parsed, catalogue)


def make_host(*, journal: Any = None, workspace: Path = Path(), services: Mapping[str, Any] | None = None) -> Host:
    """A host as the edges make it."""
    from intellyhub_engine.machine.host import Host

    return Host(
        now_ns=time.time_ns,
        catalogue=make_catalogue(),
        journal=journal,
        workspace=workspace,
        services=services or {},
    )


class DiscardingJournal:
    """Builds every record as the SQLite journal does, to the last byte, and keeps none: the machine's share alone."""

    def __init__(self) -> None:
        from intellyhub_engine.journal.encoding import encode_entries

        self.encode = encode_entries
        self.entries = 0

    def begin(self, start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> RunHistory:
        """Every run is new."""
        return RunHistory(start=start, entries=(), status=RunStatus.RUNNING)

    def record(self, run_id: str, entries: Sequence[Entry], *, owner: str, durable: bool) -> None:
        """Build the record's text."""
        self.encode(entries, MAX_ENTRY_BYTES)
        self.entries += len(entries)

    def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> None:
        """Leases cost nothing here."""

    def cancel_requested(self, run_id: str) -> bool:
        """Nobody asks."""
        return False

    def close(self) -> None:
        """Nothing is open."""
