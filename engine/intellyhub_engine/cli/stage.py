"""What surrounds the runs of one command: journal, kept texts, catalogue, the flow's outer names, live progress."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.installed import installed_beside
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.cli.archive import Archive
from intellyhub_engine.cli.programs import make_finder
from intellyhub_engine.cli.session import Session
from intellyhub_engine.cli.summary import journal_flag
from intellyhub_engine.cli.surroundings import find_secrets, make_outer
from intellyhub_engine.errors import InputInvalid, JournalFull, JournalUnwritable
from intellyhub_engine.machine.host import Host

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.journal.records import Entry

__all__ = ["NO_JOURNAL", "Stage", "journal_path", "make_folder", "open_existing", "open_stage"]

LEASE_SECONDS = 10.0
"""How long after `kill -9` a run can be resumed; shorter than a worker's, because a person waits for it."""
NO_JOURNAL = "none"
"""`--journal none`: runs are forgotten with the process."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything the runs of one command share."""

    journal: Journal | None
    """None with `--journal none`: timed waits then hold the process, and other waits fail."""
    journal_path: Path | None
    hint: str | None
    """The flag that names this journal in a following command; None where nothing is kept."""
    archive: Archive
    outer: Mapping[str, str]
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def record(self) -> Journal:
        """The journal, in commands that cannot do without."""
        assert self.journal is not None
        return self.journal

    def catalogue_of(self, flow_path: str) -> Catalogue:
        """What a flow that was read from there can name."""
        return installed_beside(flow_path)

    def make_host(
        self,
        flow_path: str,
        *,
        observe: Callable[[str, Entry], None] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Host:
        """The host of a flow read from `flow_path`; secrets among the caller's variables are masked as well."""
        return Host(
            journal=self.journal,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            now_ns=time.time_ns,
            catalogue=self.catalogue_of(flow_path),
            outer=self.outer,
            secrets=find_secrets({**self.outer, **(variables or {})}),
            workspace=Path.cwd(),
            lease_seconds=LEASE_SECONDS,
            observe=observe,
            emit=lambda event: None,
            find_flow=make_finder(flow_path, self.catalogue_of(flow_path), self.archive),
            cancelled=self.cancelled,
        )


@contextmanager
def open_stage(
    session: Session, *, journal: str | None, env_file: str | None, must_exist: bool = False
) -> Iterator[Stage]:
    """Open the journal; it is closed at the end. `must_exist`: do not make one."""
    outer = make_outer(os.environ, env_file)
    path = journal_path(session, journal)
    if path is None and must_exist:
        raise InputInvalid(f"--journal {NO_JOURNAL} keeps no run that could go on; name a file")
    opened = None
    if path is not None:
        opened = open_existing(path) if must_exist else open_journal(path, default=journal is None)
    try:
        yield Stage(
            journal=opened,
            journal_path=path,
            hint=None if path is None else journal_flag(path, session.settings.journal),
            archive=Archive(path.with_name(path.name + "-flows") if path else None),
            outer=outer,
        )
    finally:
        if opened is not None:
            opened.close()


def journal_path(session: Session, given: str | None) -> Path | None:
    """The file a flag names, else the default one; None for `none`."""
    if given == NO_JOURNAL:
        return None
    return Path(given) if given else session.settings.journal


def open_existing(path: Path) -> Journal:
    """A journal to look at; looking never makes one. Raises InputInvalid, JournalUnwritable."""
    if not path.exists():
        raise InputInvalid(f"{path}: there is no journal yet; `intellyhub run FLOW` makes one")
    return open_journal(path, default=False)


def open_journal(path: Path, *, default: bool) -> Journal:
    """A journal to write, made where there is none; the folder of the default one is made too."""
    from intellyhub_engine.journal.sqlite import SqliteJournal

    if default:
        make_folder(path.parent)
    return SqliteJournal(path)


def make_folder(folder: Path) -> None:
    """Make the default journal's folder, readable by its owner only: runs hold what flows worked on."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as fault:
        kind = JournalFull if fault.errno in (28, 122) else JournalUnwritable
        raise kind(f"the journal's folder {folder} cannot be made: {fault.strerror}") from fault
