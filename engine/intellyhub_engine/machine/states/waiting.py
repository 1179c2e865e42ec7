"""The wait state: a run gives up its process until a time comes, an event, or a person's answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.control import WAIT_REASONS
from intellyhub_engine.errors import PermanentError, StepTimedOut
from intellyhub_engine.journal.matching import event_matches
from intellyhub_engine.journal.records import RunSuspended, RunWoken, StepStarted, StepStatus
from intellyhub_engine.language.durations import moment_of, seconds_of
from intellyhub_engine.language.values.values import text_of, wrap
from intellyhub_engine.machine.states.emitting import event_record
from intellyhub_engine.machine.states.failures import error_target_of
from intellyhub_engine.machine.states.node import Move, Node, Suspends, success_target
from intellyhub_engine.machine.states.outputs import make_assign
from intellyhub_engine.machine.states.parameters import make_resolver
from intellyhub_engine.machine.states.steps import finish

if TYPE_CHECKING:
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveRun, Delivery
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["is_due", "is_woken_by", "make_wait"]

SHORT_NS = 1_000_000_000
"""Shorter waits keep their process."""
SECOND_NS = 1_000_000_000


def make_wait(code: StateCode, nodes: Nodes) -> Node:
    """First visit: the run suspends. The visit after: its output is what woke it."""
    resolve = make_resolver(code, nodes.catalogue.states.get(code.type))
    assign = make_assign(code.output)

    def advance(run: ActiveRun) -> Move:
        waited, run.waking = run.waking, None
        if waited is None:
            begin(run, code, resolve(run), tested=nodes.mocks is not None)
            value = None
        else:
            value = wake(run, code, waited)
        changes = assign(value, run.scope)
        run.scope.update(changes)
        target = finish(run, node, StepStatus.SUCCEEDED, success_target(code), changes)
        if waited is not None:
            run.write(durable=True)
        return target, None

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def begin(run: ActiveRun, code: StateCode, parameters: Mapping[str, Any], *, tested: bool) -> None:
    """Suspend, unless the wait is short or nothing could wake the run again."""
    suspended = make_suspension(run, code, parameters)
    timed = suspended.event_filter is None and suspended.approval is None
    if timed and suspended.until_ns is not None:
        left = suspended.until_ns - run.host.now_ns()
        if left <= 0 or tested:
            return
        if left < SHORT_NS or not run.keeps:
            run.host.sleep(left / SECOND_NS, run.family.cancelled)
            run.family.stop_if_told()
            return
    if tested:
        raise PermanentError(f"the test needs a mock for {code.name!r}: what the wait gives")
    if not run.keeps:
        raise PermanentError(
            f"{code.name!r} waits, and without a journal nothing could wake the run: run with a journal"
        )
    run.append(StepStarted(run.seq, code.name, code.type, run.attempt, run.started_ns))
    raise Suspends(suspended)


def wake(run: ActiveRun, code: StateCode, waited: RunSuspended) -> Any:
    """What woke the run. Raises Suspends again when nothing did, StepTimedOut after the deadline."""
    delivery = run.family.deliveries.pop(run.start.run_id, None)
    if delivery is not None and is_woken_by(waited, delivery) and is_new(run, waited, delivery):
        run.append(RunWoken(waited.seq, waited.state, *delivery.key))
        return event_record(delivery.event) if delivery.event is not None else wrap(delivery.decision)
    if not is_due(waited, run.host.now_ns()):
        raise Suspends(waited)
    if waited.event_filter is not None:
        raise StepTimedOut(f"no such event came within {code.timeout_seconds:g} s")
    if waited.approval is not None:
        raise StepTimedOut(f"nobody answered within {code.timeout_seconds:g} s: {waited.approval}")
    return None


def is_due(waited: RunSuspended, now_ns: int) -> bool:
    """Whether its time has come."""
    return waited.until_ns is not None and waited.until_ns <= now_ns


def is_woken_by(waited: RunSuspended, delivery: Delivery) -> bool:
    """Whether this is what the run waits for."""
    if delivery.event is not None:
        return waited.event_filter is not None and event_matches(delivery.event, waited.event_filter)
    return waited.approval is not None


def is_new(run: ActiveRun, waited: RunSuspended, delivery: Delivery) -> bool:
    """Whether nobody has taken it since it was found to be for this run: an event wakes a run once, and a decision
    answers no other question than the one it was given for."""
    if delivery.event is None:
        return delivery.seq in (None, waited.seq)
    return not delivery.was_taken(run.entries)


def make_suspension(run: ActiveRun, code: StateCode, parameters: Mapping[str, Any]) -> RunSuspended:
    """What the run waits for. Raises PermanentError when its parameters do not say, or say two things."""
    given = [name for name in WAIT_REASONS if parameters.get(name) not in (None, "")]
    if len(given) != 1:
        raise PermanentError(f"{code.name!r} must have exactly one of {', '.join(WAIT_REASONS)}; it has {len(given)}")
    value, now = parameters[given[0]], run.host.now_ns()
    deadline = None if code.timeout_seconds is None else now + int(code.timeout_seconds * SECOND_NS)
    if given[0] == "event":
        return RunSuspended(run.seq, code.name, deadline, filter_of(value), None)
    if given[0] == "approval":
        return RunSuspended(run.seq, code.name, deadline, None, text_of(value))
    until = moment_ns(value, code) if given[0] == "until" else now + duration_ns(value, code)
    return RunSuspended(run.seq, code.name, until, None, None)


def filter_of(value: Any) -> dict[str, Any]:
    """A text is the event's type."""
    return dict(value) if isinstance(value, dict) else {"type": text_of(value)}


def duration_ns(value: Any, code: StateCode) -> int:
    seconds = seconds_of(value)
    if seconds is None or seconds > MAX_SECONDS:
        raise PermanentError(f"{text_of(value)!r} in {code.name!r} is no duration: write 90s, 5m, 2h, 1d or PT5M")
    return int(seconds * SECOND_NS)


MAX_SECONDS = 100 * 366 * 86400


def moment_ns(value: Any, code: StateCode) -> int:
    """RFC 3339; a moment without an offset is UTC."""
    moment = moment_of(value if isinstance(value, datetime) else text_of(value))
    if moment is None:
        raise PermanentError(f"{text_of(value)!r} in {code.name!r} is no moment: write 2026-01-31T09:00:00Z")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * SECOND_NS)
