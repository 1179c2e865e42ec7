"""The worker's verbs, done by the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Entry, RunHistory, RunStart, RunStatus, StepFinished
from intellyhub_engine.machine.delivery import root_of
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.recovery import fold
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.run import deliver, fork, replay, resume, start
from intellyhub_engine.serving.access import sign
from intellyhub_engine.serving.runner import Begun

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.serving.mounted import Told

__all__ = ["MachineRunner"]


class MachineRunner:
    """Runs one program in the surroundings of one host. Safe to use from several threads."""

    def __init__(
        self,
        program: Program,
        host: Host,
        *,
        key: bytes | None = None,
        renew: Callable[[], Told | None] = lambda: None,
    ) -> None:
        """`renew` is asked before each run whether the owner's variables, secrets or budget have changed."""
        self.program = program
        self.host = host
        self._key = key
        self._renew = renew
        self._waits_for_events: bool | None = None

    @property
    def flow(self) -> str:
        return self.program.name

    def start(self, event: Event, begun: Begun | None, variables: Mapping[str, Any] | None = None) -> RunResult:
        """An event that runs of this flow wait for goes to them; any other makes a run, or finds the one it made. With
        `variables`, be they none, it always makes a run."""
        host = self._announcing(begun)
        if variables is None and self._can_wait():
            results = deliver(self.program, host, event)
            if results:
                return next((each for each in results if each.retry_after_seconds is not None), results[-1])
        return start(self.program, host, event=event, variables=variables)

    def reply(self, result: RunResult) -> Event | None:
        """The last event the run emitted, where no sink has taken it."""
        if self.host.emit is not None:
            return None
        for entry in reversed(result.entries):
            if type(entry) is StepFinished and entry.emitted:
                return entry.emitted[-1]
        return None

    def show(self, run_id: str) -> RunResult:
        """From the journal."""
        history = self._history(run_id)
        place = fold(history.entries)
        end, secrets = place.finished, self.host.secrets
        return RunResult(
            run_id=run_id,
            status=history.status,
            end_state=end.end_state if end else None,
            error=end.error if end else None,
            output=mask(end.output, secrets) if end else None,
            variables=mask(place.changes, secrets),
            suspended=place.suspended,
        )

    def decide(self, run_id: str, decision: Any, begun: Begun | None = None) -> RunResult:
        """A person's answer. `InputInvalid` when nobody has asked."""
        self._history(run_id)
        return resume(self.program, self._announcing(begun), run_id, decision=decision)

    def resume(self, run_id: str, begun: Begun | None = None) -> RunResult:
        """Go on with a run whose time has come."""
        self._history(run_id)
        return resume(self.program, self._announcing(begun), run_id)

    def replay(
        self, run_id: str, variables: Mapping[str, Any], begun: Begun | None = None, copy_id: str | None = None
    ) -> RunResult:
        """On this version, whichever the other run began on."""
        self._history(run_id)
        return replay(self.program, self._announcing(begun), run_id, variables=variables, copy_id=copy_id)

    def fork(
        self,
        run_id: str,
        seq: int,
        variables: Mapping[str, Any],
        begun: Begun | None = None,
        copy_id: str | None = None,
    ) -> RunResult:
        """On this version, whichever the other run began on."""
        self._history(run_id)
        return fork(self.program, self._announcing(begun), run_id, seq, variables=variables, copy_id=copy_id)

    def cancel(self, run_id: str) -> bool:
        """Ask the run to stop."""
        self._history(run_id)
        return self._journal(run_id).request_cancel(run_id)

    def due(self) -> Sequence[str]:
        """The runs of this flow version that nobody works on, though their time has come."""
        journal = self.host.journal
        return [] if journal is None else [each for each in journal.due(self.host.now_ns()) if self._is_ours(each)]

    def sign(self, event: Event, body: bytes) -> Event:
        return event if self._key is None else sign(event, body, self._key, time.time())

    def _announcing(self, begun: Begun | None) -> Host:
        told = self._renew()
        if told is not None:
            outer, secrets = told.surroundings.outer, told.surroundings.secrets
            self.host = vary(self.host, outer=outer, secrets=secrets, budget=told.budget)
        if begun is None or self.host.journal is None:
            return self.host
        return vary(self.host, journal=Announcing(self.host.journal, begun))

    def _can_wait(self) -> bool:
        """Whether this version waits for events at all, itself or in a flow that it calls: if not, the journal is not
        asked for every one that comes."""
        if self._waits_for_events is None:
            states = map(self.program.state, self.program.names)
            self._waits_for_events = any(
                (state.type == "wait" and "event" in state.codes) or state.type == "call" for state in states
            )
        return self._waits_for_events

    def _is_ours(self, run_id: str) -> bool:
        """Whether this version has the run; not, where it was pruned meanwhile."""
        try:
            begin = self._journal(run_id).history(run_id).start
        except RunNotFound:
            return False
        return (begin.flow, begin.version) == (self.flow, self.program.digest)

    def _history(self, run_id: str) -> RunHistory:
        journal = self._journal(run_id)
        if root_of(journal, run_id).start.flow != self.flow:
            raise RunNotFound(run_id)
        return journal.history(run_id)

    def _journal(self, run_id: str) -> Journal:
        if self.host.journal is None:
            raise RunNotFound(run_id)
        return self.host.journal


class Announcing:
    """A journal that tells when a run is durable and held."""

    def __init__(self, journal: Journal, begun: Begun) -> None:
        self._journal = journal
        self._begun = begun

    def begin(self, start: RunStart, *, owner: str, lease_seconds: float, entries: Sequence[Entry] = ()) -> RunHistory:
        """As the journal's own; then says the id of the event's own run."""
        history = self._journal.begin(start, owner=owner, lease_seconds=lease_seconds, entries=entries)
        if start.parent_id is None and history.status is RunStatus.RUNNING:
            self._begun(history.start.run_id)
        return history

    def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> RunHistory:
        """As the journal's own; then says the run's id."""
        history = self._journal.claim(run_id, owner=owner, lease_seconds=lease_seconds)
        self._begun(run_id)
        return history

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


def vary(host: Host, **changes: Any) -> Host:
    """The same host, its keeper of leases included, with other values."""
    varied = copy(host)
    for name, value in changes.items():
        object.__setattr__(varied, name, value)
    return varied
