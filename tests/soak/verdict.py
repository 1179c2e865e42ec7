"""What the journal and the ledger say when all is quiet: what was lost, doubled, repeated."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from intellyhub_engine.frozen import dataclass

__all__ = ["Verdict", "judge"]

RUNS = "SELECT number, event_id, status FROM run WHERE flow = ? AND parent_id IS NULL"
RECORDS = """
SELECT record.run, record.body FROM record JOIN run ON run.number = record.run
WHERE run.flow = ? AND run.parent_id IS NULL ORDER BY record.number
"""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Counts over all acknowledged events of one flow."""

    events: int
    lost: int
    """Events without a run."""
    doubled: int
    """Runs beyond one per event, and runs of other events."""
    unfinished: int
    """Runs that did not succeed."""
    repeated: int
    """Completed steps that began again."""
    effects_missing: int
    """Effects that the journal says were done, and the ledger does not show."""
    effects_again: int
    """Effects in flight when a worker was killed that happened again: allowed, at most one per killed worker."""

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.unfinished or self.repeated or self.effects_missing)


def judge(journal: Path, flow: str, events: Collection[str], ledger: Path, effects: Collection[str]) -> Verdict:
    """Read the journal of a platform that has stopped, and what its flow wrote: for each of `effects` a line that ends
    with the event's number and the effect's name."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        runs = database.execute(RUNS, (flow,)).fetchall()
        repeated = count_repeated(database.execute(RECORDS, (flow,)))
    made = Counter(event_id for _, event_id, _ in runs)
    lines = Counter(ledger.read_text().splitlines()) if ledger.exists() else Counter[str]()
    expected = {f"{event.rpartition('-')[2]} {effect}" for event in events for effect in effects}
    return Verdict(
        events=len(events),
        lost=len(set(events) - made.keys()),
        doubled=sum(made.values()) - len(made.keys() & set(events)),
        unfinished=sum(status != "succeeded" for _, _, status in runs),
        repeated=repeated,
        effects_missing=len(expected - lines.keys()),
        effects_again=sum(lines.values()) - len(lines),
    )


def count_repeated(records: Iterable[tuple[int, str]]) -> int:
    """Steps that began, or ended, after the record of their success."""
    done: set[tuple[int, int]] = set()
    repeated = 0
    for run, body in records:
        for entry in json.loads(body):
            if entry[0] not in ("started", "finished"):
                continue
            repeated += (run, entry[1]) in done
            if entry[0] == "finished" and entry[5] == "succeeded":
                done.add((run, entry[1]))
    return repeated
