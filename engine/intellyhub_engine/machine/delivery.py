"""Which run an event or an answer is for: the one named, or the one below it that waits for just that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.records import RunHistory, RunStatus
from intellyhub_engine.machine.recovery import fold
from intellyhub_engine.machine.states.waiting import is_woken_by

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.machine.active import Delivery

__all__ = ["address", "root_of"]


def root_of(journal: Journal, run_id: str) -> RunHistory:
    """The run that a child run belongs to in the end; a run that has no parent is its own. Raises RunNotFound."""
    history = journal.history(run_id)
    while history.start.parent_id is not None:
        history = journal.history(history.start.parent_id)
    return history


def address(journal: Journal, run_id: str, delivery: Delivery) -> dict[str, Delivery]:
    """The delivery under the id of the run that waits for it. Raises InputInvalid when neither `run_id` nor a run below
    it does."""
    for history in waiting_at(journal, run_id):
        waited = fold(history.entries).suspended
        if waited is not None and is_woken_by(waited, delivery):
            return {history.start.run_id: delivery}
    what = "this event" if delivery.event is not None else "an answer"
    raise InputInvalid(f"the run {run_id} does not wait for {what}")


def waiting_at(journal: Journal, run_id: str) -> Iterator[RunHistory]:
    """The run and those below it, as far as they wait: of several children the one that began first comes first."""
    history = journal.history(run_id)
    if history.status is RunStatus.WAITING:
        yield history
        for child in reversed(journal.runs(parent_id=run_id, status=RunStatus.WAITING, limit=10_000)):
            yield from waiting_at(journal, child.run_id)
