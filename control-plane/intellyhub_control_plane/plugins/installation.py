"""An installation under way, told step by step: whoever asked for it may lose the line, and ask again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

from intellyhub_engine.frozen import dataclass
from intellyhub_functions.layers.records import held

__all__ = [
    "KEPT",
    "Installation",
    "InstallationState",
    "Installations",
    "LocalInstallations",
    "Record",
    "Step",
    "make_number",
    "read_lines",
]

KEPT = 50
MOST_STEPS = 1000
LONGEST = 500
SUFFIX = ".jsonl"


class InstallationState(StrEnum):
    """How far an installation has come."""

    RUNNING = "running"  # somebody is at it
    DONE = "done"  # the plugin is installed
    FAILED = "failed"  # it is not; `fault` says why
    INTERRUPTED = "interrupted"  # the process that was at it is gone: all is as it was before


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that was done."""

    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Installation:
    """An installation, as far as it has come."""

    id: str
    what: str
    """As a person named it."""
    state: InstallationState
    steps: tuple[Step, ...]
    plugin: str | None = None
    """What is installed now."""
    fault: str | None = None


class Write(Protocol):
    """Keeps a line."""

    def __call__(self, line: Mapping[str, str], *, urgent: bool) -> None:
        """`urgent`: it is not to wait for others."""


class Record:
    """Tells of one installation. Used by whoever is at it."""

    def __init__(self, number: str, write: Write) -> None:
        self.id = number
        self._write = write
        self._steps = 0

    def begin(self, what: str) -> None:
        """It is under way."""
        self._write({"what": what[:LONGEST]}, urgent=True)

    def tell(self, text: str) -> None:
        """A step."""
        self._steps += 1
        if self._steps <= MOST_STEPS:
            self._tell({"step": text[:LONGEST]}, urgent=False)

    def done(self, plugin: str) -> None:
        """It came to its end."""
        self._tell({"state": InstallationState.DONE, "plugin": plugin}, urgent=True)

    def failed(self, fault: str) -> None:
        """It did not."""
        self._tell({"state": InstallationState.FAILED, "fault": fault}, urgent=True)

    def _tell(self, line: Mapping[str, str], *, urgent: bool) -> None:
        self._write({"at": datetime.now(UTC).isoformat(), **line}, urgent=urgent)


class Installations(Protocol):
    """Those of one owner."""

    def begin(self, what: str) -> AbstractContextManager[Record]:
        """One more. It runs as long as the context lasts; one that has not said how it ended was interrupted."""

    def find(self, number: str) -> Installation | None:
        """One of them, as it stands."""


@dataclass(frozen=True, kw_only=True)
class LocalInstallations:
    """In a folder. For many processes: whoever is at one holds its file's lock."""

    folder: Path

    @contextmanager
    def begin(self, what: str) -> Iterator[Record]:
        """As promised by `Installations`."""
        self._forget_old()
        number = make_number()
        path = self._path(number)
        with held(path), path.open("a", encoding="utf-8", buffering=1) as file:
            record = Record(number, LineWriter(file).write)
            record.begin(what)
            yield record

    def find(self, number: str) -> Installation | None:
        """As promised by `Installations`."""
        path = self._path(number)
        if Path(number).name != number or not path.is_file():
            return None
        with held(path, wait=False) as idle:
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
        return read_lines(number, lines, is_idle=idle)

    def _path(self, number: str) -> Path:
        return self.folder / f"{number}{SUFFIX}"

    def _forget_old(self) -> None:
        for path in sorted(self.folder.glob(f"*{SUFFIX}"))[:-KEPT]:
            path.unlink(missing_ok=True)


class LineWriter:
    """Writes lines into a file."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, line: Mapping[str, str], *, urgent: bool) -> None:
        """One line."""
        with suppress(OSError):  # a full disk is told by what is installed, not by what is told of it
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def make_number() -> str:
    """The id of an installation that begins now."""
    return f"{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(4)}"


def read_lines(number: str, lines: Iterable[Mapping[str, Any]], *, is_idle: bool) -> Installation:
    """What was told of one, and whether nobody is at it."""
    lines = list(lines)
    facts: dict[str, Any] = {key: value for line in lines for key, value in line.items()}
    steps = (Step(at=datetime.fromisoformat(line["at"]), text=line["step"]) for line in lines if "step" in line)
    left = InstallationState.INTERRUPTED if is_idle else InstallationState.RUNNING
    return Installation(
        id=number,
        what=facts.get("what", ""),
        state=InstallationState(facts.get("state", left)),
        steps=tuple(steps),
        plugin=facts.get("plugin"),
        fault=facts.get("fault"),
    )
