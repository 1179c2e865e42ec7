"""Which run an event or an answer is for: the one named, or the one below it that waits for just that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from intellyhub_engine.journal.records import RunHistory, RunStatus
from intellyhub_engine.machine.recovery import fold
from intellyhub_engine.machine.states.waiting import is_woken_by

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.machine.active import Delivery

__all__ = ["Addressed", "address", "root_of"]


class Addressed(NamedTuple):
    """To whom a delivery goes."""

    deliveries: Mapping[str, Delivery]
    """By the id of the run. Empty where there is nothing to do: it took this before, and waits for something else."""
    is_repeat: bool = False
    """The run has been woken by it before."""


def root_of(journal: Journal, run_id: str) -> RunHistory:
    """The run that a child run belongs to in the end; a run that has no parent is its own. Raises RunNotFound."""
    history = journal.history(run_id)
    while history.start.parent_id is not None:
        history = journal.history(history.start.parent_id)
    return history


def address(journal: Journal, run_id: str, delivery: Delivery) -> Addressed | None:
    """The run that waits for the delivery, `run_id` or one below it; else the one that it has woken before, so that it
    can go on, should it have been interrupted. None where there is neither."""
    for history in family_of(journal, run_id, RunStatus.WAITING):
        waited = fold(history.entries).suspended
        if waited is None or not is_woken_by(waited, delivery):
            continue
        if delivery.event is None or not delivery.was_taken(history.entries):
            delivery.seq = waited.seq
            return Addressed({history.start.run_id: delivery})
    taker = next((one for one in family_of(journal, run_id) if delivery.was_taken(one.entries)), None)
    if taker is None:
        return None
    is_idle = taker.status is RunStatus.WAITING and taker.start.parent_id is None
    return Addressed({} if is_idle else {taker.start.run_id: delivery}, is_repeat=True)


def family_of(journal: Journal, run_id: str, status: RunStatus | None = None) -> Iterator[RunHistory]:
    """The run and those below it, with this status: of several children the one that began first comes first."""
    history = journal.history(run_id)
    if status in (None, history.status):
        yield history
        for child in reversed(journal.runs(parent_id=run_id, status=status, limit=10_000)):
            yield from family_of(journal, child.run_id, status)
