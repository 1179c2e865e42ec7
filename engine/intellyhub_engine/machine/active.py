"""A run while a thread works on it: its variables, its place, what it has recorded and what is not yet durable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import JournalError, LeaseLost, StepCancelled, ValueRefused
from intellyhub_engine.journal.matching import event_key
from intellyhub_engine.journal.records import (
    Entry,
    Logged,
    RunFinished,
    RunStart,
    RunStatus,
    RunSuspended,
    RunWoken,
    StepFinished,
    StepStarted,
    Used,
    total_of,
)
from intellyhub_engine.language.model import BREAK, CONTINUE, Durability
from intellyhub_engine.language.values.values import encode, wrap
from intellyhub_engine.machine.hiding import hide_entry
from intellyhub_engine.machine.masking import mask, mask_entry

if TYPE_CHECKING:
    from intellyhub_engine.events import Event
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.language.values.scope import Scope
    from intellyhub_engine.machine.host import Host
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["JUMPS", "LEVELS", "NOTHING", "ActiveLoop", "ActiveRun", "Delivery", "Family", "RecordRefused"]

JUMPS = frozenset({CONTINUE, BREAK})
"""Targets that mean a place in the innermost active loop."""

NOTHING: Mapping[str, Any] = {}
"""The changes of a step that changes nothing; never written to."""

LEVELS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40}


class ActiveLoop:
    """A loop between its passes."""

    __slots__ = ("index", "items", "results")

    def __init__(self, items: list[Any] | int | None, index: int = 0, results: list[Any] | None = None) -> None:
        self.items = items
        """A list; a number n for 0 to n - 1; None while a condition decides."""
        self.index = index
        self.results: list[Any] = [] if results is None else results
        """What `collect` gave, pass by pass."""


class RecordRefused(JournalError):
    """What a run did is too large for its journal: it could not be resumed, so it fails."""


class Delivery:
    """What wakes a waiting run: an event, or a person's decision."""

    __slots__ = ("decision", "event", "seq")

    def __init__(self, *, event: Event | None = None, decision: Any = None) -> None:
        self.event = event
        self.decision = decision
        self.seq: int | None = None
        """The step whose question a decision answers, once that is known."""

    @property
    def key(self) -> tuple[str | None, str]:
        """What makes it the same one when it comes again: an event's source and id; no source, and a decision's
        digest."""
        if self.event is not None:
            return event_key(self.event)
        return None, sha256(str(encode(wrap(self.decision))).encode(errors="replace")).hexdigest()

    def was_taken(self, entries: Iterable[Entry]) -> bool:
        """Whether it has woken the run with these entries before; a decision, whether it was the last one."""
        key = self.key
        taken = [(entry.source, entry.id) for entry in entries if isinstance(entry, RunWoken)]
        if self.event is not None:
            return key in taken
        return [one for one in taken if one[0] is None][-1:] == [key]


class Family:
    """What a run shares with its child runs: the way to cancel it, and what is delivered to whom."""

    __slots__ = ("cancelled", "deliveries", "host", "lock", "lost", "root_id", "secrets", "spent", "summed", "watched")

    def __init__(self, host: Host, root_id: str, deliveries: Mapping[str, Delivery]) -> None:
        self.host = host
        self.root_id = root_id
        self.deliveries = dict(deliveries)
        self.cancelled = host.cancelled if host.journal is None else threading.Event()
        self.secrets = frozenset(host.secrets)
        """What is masked; parameters that are secret add to it."""
        self.watched = False
        self.lost = False
        """Another worker has taken the run over."""
        self.lock = threading.Lock()
        """Held by who writes what a step says or spends while it runs, and by who counts it."""
        self.spent: dict[str, float] = {}
        """By all of them, as far as this process knows."""
        self.summed: set[str] = set()
        """Child runs whose sum is among that."""

    def stop_if_told(self) -> None:
        """Raises StepCancelled when the run was cancelled, LeaseLost when another worker has it."""
        if self.lost:
            raise LeaseLost(f"another worker has taken over the run {self.root_id}")
        if self.cancelled.is_set() or self.host.cancelled.is_set():
            self.cancelled.set()
            raise StepCancelled("the run was cancelled")

    def count(self, run_id: str, entries: Iterable[Entry]) -> None:
        """Add what the entries of one of its runs say was spent, unless the sum of that is known already."""
        used = [entry for entry in entries if type(entry) is Used]
        if not used:
            return
        with self.lock:
            if run_id not in self.summed:
                self.spent = total_of([self.spent, *(entry.amounts for entry in used)])
                self.summed.update(entry.child_id for entry in used if entry.child_id is not None)


class ActiveRun:
    """One run in one thread. The machine's inner loop works on its slots directly."""

    __slots__ = (
        "append",
        "attempt",
        "began",
        "collect",
        "depth",
        "doom",
        "durable",
        "end_state",
        "entries",
        "error",
        "family",
        "flushed",
        "host",
        "keeps",
        "level",
        "limit",
        "listener",
        "loops",
        "nodes",
        "origin",
        "output",
        "program",
        "retry_after_seconds",
        "scope",
        "seq",
        "speaks",
        "start",
        "started_ns",
        "state",
        "status",
        "suspended",
        "ties",
        "told",
        "waking",
    )

    def __init__(
        self, program: Program, host: Host, nodes: Nodes, start: RunStart, scope: Scope, family: Family
    ) -> None:
        self.program = program
        self.host = host
        self.nodes = nodes
        self.start = start
        self.scope = scope
        self.family = family
        self.keeps = host.journal is not None and program.head.durability is not Durability.NONE
        self.durable = self.keeps and program.head.durability is Durability.STEP
        self.entries: list[Entry] = []
        self.append: Callable[[Entry], None] = self.entries.append if host.observe is None else self.tell
        self.flushed = 0
        self.state: str | None = start.state or program.head.start
        self.loops: dict[str, ActiveLoop] = {}
        self.seq = 0
        self.attempt = 1
        self.began: tuple[int, int] | None = None
        """Sequence and attempt of the effect that the journal already knows to have begun."""
        self.started_ns = 0
        self.limit = program.head.max_steps
        self.level = LEVELS.get(program.head.log_level, 20)
        self.depth = 0
        self.collect: Callable[[Scope], Any] | None = None
        """Of a child run: what its answer is made of when it ends."""
        self.doom: str | None = None
        """Why the run fails before its first state."""
        self.origin: str | None = None
        """Of a child run: the state of its parent that made it; arriving there ends it."""
        self.listener: Mapping[str, Any] | None = None
        self.told: set[str] = set()
        self.speaks = False
        """A function works for it now: what it logs is shown while it does."""
        self.ties: Any = None
        """What functions are handed of the run, made when the first one is."""
        self.status = RunStatus.RUNNING
        self.suspended: RunSuspended | None = None
        """Why the run waits, where it does."""
        self.waking: RunSuspended | None = None
        """Why it waited, where it was resumed from that."""
        self.end_state: str | None = None
        self.error: str | None = None
        self.output: Any = None
        self.retry_after_seconds: float | None = None

    @property
    def run_id(self) -> str:
        return self.start.run_id

    @property
    def redelivered(self) -> bool:
        """Whether a broker that is told of a failure brings the run's event again."""
        return self.keeps and self.start.event is not None and self.start.parent_id is None

    def tell(self, entry: Entry) -> None:
        """Keep an entry and show it to who watches."""
        self.entries.append(entry)
        if self.host.observe is not None:
            self.host.observe(self.start.run_id, mask_entry(entry, self.family.secrets))

    def log(self, level: str, message: str) -> None:
        """A line of the step that runs now; below the flow's level it is dropped."""
        if LEVELS.get(level, 20) >= self.level:
            self.append(Logged(self.seq, level, mask(message, self.family.secrets), self.host.now_ns()))
            if self.speaks and self.durable:
                self.host.keeper.listen(self)

    def spend(self, amounts: Mapping[str, float]) -> None:
        """Note what the step that runs now has spent; what is no amount is left out."""
        counted = {str(name): amount for name, amount in amounts.items() if is_amount(amount)}
        if counted:
            with self.family.lock:
                self.family.spent = total_of([self.family.spent, counted])
            self.append(Used(self.seq, self.attempt, counted, self.host.now_ns()))

    def show(self) -> None:
        """Hand the journal what the function has logged and spent so far, for those who watch; called by any thread.
        Where that fails it comes with the next durable record, which says why."""
        with self.family.lock, suppress(JournalError):
            if self.speaks and self.durable and len(self.entries) > self.flushed:
                self.write(durable=False)

    def fall_silent(self) -> None:
        """The function has done its work: from here on only the run's own thread writes."""
        with self.family.lock:
            self.speaks = False

    def last_state(self) -> str | None:
        """The state of the last step that ended."""
        return next((entry.state for entry in reversed(self.entries) if isinstance(entry, StepFinished)), None)

    def drain_warnings(self) -> None:
        """Move what compiled code could not resolve into the log, each message once."""
        for message in self.scope.warnings:
            if message not in self.told:
                self.told.add(message)
                self.log("warning", message)
        self.scope.warnings.clear()

    def begin_effect(self, state: str, kind: str) -> None:
        """Write ahead: everything so far, and that this effect begins, is durable when this returns."""
        family = self.family
        family.stop_if_told()
        if self.began == (self.seq, self.attempt):
            return
        self.started_ns = self.host.now_ns()
        self.append(StepStarted(self.seq, state, kind, self.attempt, self.started_ns))
        if self.durable:
            self.host.keeper.watch(family)
            self.write(durable=True)
            self.poll_cancellation()

    def poll_cancellation(self) -> None:
        """Raises StepCancelled when someone asked the journal to cancel the run."""
        journal = self.host.journal
        if self.keeps and journal is not None and journal.cancel_requested(self.family.root_id):
            self.family.cancelled.set()
            self.family.stop_if_told()

    def write(self, *, durable: bool) -> None:
        """Hand what is pending to the journal. Raises RecordRefused when it is too large to be kept."""
        journal = self.host.journal
        if not self.keeps or journal is None:
            return
        end = len(self.entries)  # a function that was left to itself may still log
        try:
            journal.record(self.start.run_id, self.hidden(end), owner=self.host.owner, durable=durable)
        except ValueRefused as fault:
            raise RecordRefused(str(fault)) from fault
        self.flushed = end

    def hidden(self, end: int) -> list[Entry]:
        """What is not yet written, as the journal keeps it."""
        pending, secrets = self.entries[self.flushed : end], self.host.secrets
        return [hide_entry(entry, secrets, self.program.head.name) for entry in pending] if secrets else pending

    def give_up(self, fault: RecordRefused) -> None:
        """The run fails, and what could not be kept of its last steps is left out."""
        pending = self.entries[self.flushed :]
        self.entries[self.flushed :] = [
            entry._replace(changes=NOTHING, loops=None) if isinstance(entry, StepFinished) else entry
            for entry in pending
            if not isinstance(entry, RunFinished | RunSuspended)
        ]
        self.status, self.suspended, self.output = RunStatus.FAILED, None, None
        self.error = mask(str(fault), self.family.secrets)

    def close(self) -> None:
        """Make the run's end, or its suspension, durable."""
        if self.suspended is not None:
            self.append(self.suspended)
        else:
            finished = self.host.now_ns()
            self.append(RunFinished(self.status, self.end_state, self.error, self.output, finished))
        self.write(durable=True)


def is_amount(amount: object) -> bool:
    """Whether it can be added up: a number above 0."""
    return isinstance(amount, int | float) and not isinstance(amount, bool) and isfinite(amount) and amount > 0
