"""What a build says, into the database: stages as they end, lines in batches, no more than a bounded number."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import delete

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.models.builds import LONGEST_MESSAGE, BuildLine, BuildStage
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.builds.stages import Stage, StageResult, StageStatus
from intellyhub_knative.images.source import split_folder

__all__ = ["MOST_LINES", "Places", "Teller"]

MOST_LINES = 2000
"""Of a build; one more says that there were more."""
LONGEST_LINE = 2000
BATCH_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things lie on the machine that builds: tenants are not told."""

    engine: str
    """As the operator names it: `oci:DIR` and `tar:FILE` are places."""
    data: Path

    def without(self, text: str) -> str:
        """A text for tenants."""
        scheme, _, engine = self.engine.partition(":")
        folder = str(split_folder(engine)[0]) if scheme == "oci" else engine
        names = {folder: "the engine image"} if scheme in ("oci", "tar") else {}
        names |= dict.fromkeys((str(self.data), str(Path.home() / ".docker")), "the builder's disk")
        for place, name in names.items():
            text = re.sub(rf"(?:\b(?:oci|tar):)?{re.escape(place)}[^\s:'\",;)]*", name, text)
        return text


class Teller:
    """As `stages.Listener` promises. What it is told goes through `shown` first."""

    def __init__(self, database: Database, build_id: str, shown: Callable[[str], str]) -> None:
        self._database = database
        self._id = build_id
        self._shown = shown
        self._position = 0
        self._number = 0
        self._waiting: list[BuildLine] = []
        self._flushed_at = time.monotonic()

    def begin(self) -> None:
        """Forget what an earlier attempt said, as all of it is done again."""
        with self._database.transaction() as session:
            session.execute(delete(BuildLine).where(BuildLine.build_id == self._id))
            session.execute(delete(BuildStage).where(BuildStage.build_id == self._id))

    def began(self, stage: Stage) -> None:
        """As promised by `Listener`."""
        self._position += 1
        row = BuildStage(
            build_id=self._id, position=self._position, stage=stage, status=StageStatus.RUNNING, message=""
        )
        with self._database.transaction() as session:
            session.add(row)
        self.said(stage, f"== {stage}")

    def said(self, stage: Stage, text: str) -> None:
        """As promised by `Listener`."""
        self._number += 1
        if self._number <= MOST_LINES:
            shown = self._shown(text).replace("\0", "\\0")[:LONGEST_LINE]
            self._waiting.append(BuildLine(build_id=self._id, number=self._number, stage=stage, text=shown))
        elif self._number == MOST_LINES + 1:
            cut = f"... no more than {MOST_LINES} lines are kept"
            self._waiting.append(BuildLine(build_id=self._id, number=self._number, stage=stage, text=cut))
        if time.monotonic() - self._flushed_at > BATCH_SECONDS:
            self.flush()

    def ended(self, result: StageResult) -> None:
        """As promised by `Listener`."""
        message = self._shown(result.message).replace("\0", "\\0")[:LONGEST_MESSAGE]
        took = round(result.seconds * 1000)
        self.said(result.stage, f"{result.stage} {result.status} in {took} ms{f': {message}' if message else ''}")
        with self._database.transaction() as session:
            row = session.get(BuildStage, (self._id, self._position))
            if row is not None:
                row.status, row.milliseconds, row.message = result.status, took, message
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._flushed_at = time.monotonic()
        lines, self._waiting = self._waiting, []
        if lines:
            with self._database.transaction() as session:
                session.add_all(lines)
