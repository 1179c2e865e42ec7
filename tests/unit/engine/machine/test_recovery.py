"""A run told by its journal alone: folded entries, and crashes at every call of the journal."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import (
    Logged,
    RunFinished,
    RunStatus,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
)
from intellyhub_engine.language.model import CONTINUE, Durability, Retry, State
from intellyhub_engine.machine.recovery import fold, prefix
from intellyhub_engine.machine.run import resume, start
from tests.unit.engine.machine.small import Clock, make_catalogue, make_host, make_program, state

EVENT = Event(id="e", source="s", type="t")


def finished(seq, name, to, status=StepStatus.SUCCEEDED, attempt=1, **settings):
    entry = StepFinished(seq, name, "do", attempt, status, to, seq, seq, {}, None, None, ())
    return entry._replace(**settings)


def test_no_entries_are_the_beginning():
    place = fold([])
    assert (place.seq, place.state, place.attempt, place.began, place.changes) == (0, None, 1, None, {})


def test_the_place_is_after_the_last_step():
    place = fold([finished(1, "a", "b", changes={"x": 1}), finished(2, "b", "c", changes={"x": 2, "y": 1})])
    assert (place.seq, place.state, place.changes) == (2, "c", {"x": 2, "y": 1})


def test_an_effect_that_began_is_where_the_run_stands():
    place = fold([finished(1, "a", "b"), StepStarted(2, "b", "do", 1, 7)])
    assert (place.seq, place.state, place.attempt, place.began, place.started_ns) == (1, "b", 1, (2, 1), 7)


def test_a_failed_attempt_is_followed_by_the_next():
    place = fold([StepStarted(1, "a", "do", 1, 7), finished(1, "a", "a", StepStatus.RETRYING)])
    assert (place.seq, place.state, place.attempt, place.began) == (0, "a", 2, None)


def test_removed_variables_are_gone_until_they_are_set_again():
    entries = [finished(1, "a", "b", changes={"x": 1}), finished(2, "b", "c", removed=("x", "given"))]
    assert (fold(entries).changes, fold(entries).removed) == ({}, {"x", "given"})
    again = fold([*entries, finished(3, "c", None, changes={"x": 2})])
    assert (again.changes, again.removed) == ({"x": 2}, {"given"})


def test_loops_keep_the_items_they_were_entered_with():
    entries = [
        finished(1, "each", "b", loops={"each": {"items": ["p", "q"], "index": 0}}),
        finished(2, "b", "each"),
        finished(3, "each", "b", loops={"each": {"index": 1, "result": 5}}),
        finished(4, "in", "c", loops={"each": {"index": 1}, "in": {"items": 3, "index": 0}}),
    ]
    loops = fold(entries).loops
    assert [(name, loop.items, loop.index, loop.results) for name, loop in loops.items()] == [
        ("each", ["p", "q"], 1, [5]),
        ("in", 3, 0, []),
    ]
    assert fold([*entries, finished(5, "each", None, loops={})]).loops == {}


def test_a_suspension_is_where_the_run_stands_until_its_step_ends():
    waited = RunSuspended(1, "a", 9, None, None)
    place = fold([StepStarted(1, "a", "wait", 1, 7), waited])
    assert (place.suspended, place.state, place.seq) == (waited, "a", 0)
    assert fold([waited, finished(1, "a", "b")]).suspended is None


def test_the_prefix_of_a_step_is_all_that_came_before_it():
    entries = [
        Logged(0, "info", "begin", 1),
        finished(1, "a", "b"),
        RunSuspended(2, "b", 9, None, None),
        finished(2, "b", "c"),
        Logged(2, "info", "x", 1),
        finished(3, "c", None),
        RunFinished(RunStatus.SUCCEEDED, "c", None, None, 1),
    ]
    assert prefix(entries, 3) == [entries[0], entries[1], entries[3], entries[4]]


class Crash(BaseException):
    """The process is gone."""


class Crashing:
    """A journal whose process dies at its n-th call, before or after the call took effect."""

    def __init__(self, journal: MemoryJournal, at: int, *, after: bool) -> None:
        self.journal, self.at, self.after, self.calls = journal, at, after, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.journal, name)

        def call(*given: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls > self.at or (self.calls == self.at and not self.after):
                raise Crash
            answer = method(*given, **named)
            if self.calls == self.at:
                raise Crash
            return answer

        return call


class Story:
    """One run of a flow from its event to its end, through waits and crashes."""

    def __init__(self, states: list[State], durability: Durability = Durability.STEP) -> None:
        self.clock = Clock()
        self.journal = MemoryJournal(now_ns=self.clock.now_ns)
        self.done: Counter[tuple[str, int]] = Counter()
        self.completed: set[tuple[str, int]] = set()
        self.catalogue = make_catalogue(do=self.do, flaky=self.flaky, bad=self.bad)
        self.host = make_host(self.clock, catalogue=self.catalogue, journal=self.journal, lease_seconds=30)
        self.program = make_program(*states, catalogue=self.catalogue, max_steps=1000, durability=durability)

    def do(self, parameters, step):
        self.done[step.idempotency_key, step.attempt] += 1
        return sum(map(ord, step.idempotency_key)) % 7

    def flaky(self, parameters, step):
        result = self.do(parameters, step)
        if step.attempt == 1:
            raise RetryableError("busy")
        return result

    def bad(self, parameters, step):
        raise PermanentError(f"no {self.do(parameters, step)}")

    def tell(self, crash_at: int = 0, *, after: bool = False):
        """The result, and how many calls the journal got before the crash."""
        dying = Crashing(self.journal, crash_at or 10**9, after=after)
        try:
            return self.finish(replace(self.host, journal=dying, owner="first")), dying.calls
        except Crash:
            self.completed = self.read_completed()
            self.clock.pass_by(31)
            return self.finish(replace(self.host, owner="second")), dying.calls

    def read_completed(self) -> set[tuple[str, int]]:
        """Idempotency key and attempt of every step that the journal knows to be complete."""
        runs = [self.journal.history(run.run_id) for run in self.every_run(None)]
        return {
            (f"{run.start.run_id}/{entry.seq}", entry.attempt)
            for run in runs
            for entry in run.entries
            if isinstance(entry, StepFinished)
        }

    def every_run(self, parent_id):
        for run in self.journal.runs(parent_id=parent_id, limit=10_000):
            yield run
            yield from self.every_run(run.run_id)

    def finish(self, host):
        result = start(self.program, host, event=EVENT, run_id="r")
        while result.status is RunStatus.WAITING:
            self.clock.pass_by(7200)
            result = resume(self.program, host, result.run_id)
        return result


@st.composite
def flows(draw):
    """A small flow that ends: blocks of steps, nested in conditions, loops, branches."""
    states: list[State] = []

    def name():
        return f"s{len(states)}"

    def block(depth: int, to: str) -> str:
        """Adds a block's states, the last first, and gives the name of its first."""
        for kind in draw(st.lists(st.sampled_from(kinds if depth else leaves), min_size=1, max_size=3)):
            to = makers[kind](depth, to)
        return to

    def add(kind: str, to: str, **given) -> str:
        made = state(f"{name()}", kind, to, **given)
        states.append(made)
        return made.name

    def branch(depth: int, to: str) -> str:
        then, other = block(depth - 1, to), block(depth - 1, to)
        return add("if", to, condition="n % 2 == 0", targets={"true": then, "false": other})

    def loop(depth: int, to: str, **more) -> str:
        body = block(depth - 1, CONTINUE)
        return add("loop", to, items=draw(st.integers(0, 3)), targets={"body": body, "done": to}, **more)

    def parallel(depth: int, to: str) -> str:
        branches = {f"branch:b{index}": block(depth - 1, CONTINUE) for index in range(2)}
        return add("parallel", to, targets=branches, concurrency=1, output="all", collect="{n}")

    makers = {
        "count": lambda depth, to: add("set", to, values={"n": "{n + 1}"}),
        "do": lambda depth, to: add("do", to, output="got"),
        "add": lambda depth, to: add("set", to, values={"n": "{n + got}"}),
        "flaky": lambda depth, to: add("flaky", to, output="got", retry=Retry(attempts=2)),
        "bad": lambda depth, to: add("bad", to, targets={"error": to}),
        "wait": lambda depth, to: add("wait", to, duration="1h"),
        "if": branch,
        "loop": lambda depth, to: loop(depth, to, collect="{n}", output="each"),
        "map": lambda depth, to: loop(depth, to, collect="{n + item}", output="mapped", concurrency=1),
        "parallel": parallel,
    }
    leaves = ["count", "do", "add", "flaky", "bad", "wait"]
    kinds = [*leaves, "if", "loop", "map", "parallel"]
    first = block(2, "end")
    begin = state("begin", "set", first, values={"n": 0, "got": 0})
    return [begin, *reversed(states)]


# Where a run takes long, the thread that keeps its lease meets the crash as well, and dies of it: as it would.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@settings(max_examples=60, deadline=None)
@given(flows(), st.data())
def test_a_crash_at_any_call_of_the_journal_changes_nothing_but_the_effect_in_flight(states, data):
    calm = Story(states)
    expected, calls = calm.tell()
    assert expected.status is RunStatus.SUCCEEDED
    points = (
        data.draw(st.lists(st.integers(1, calls), min_size=1, max_size=12, unique=True))
        if calls > 12
        else range(1, calls + 1)
    )
    for at in points:
        for after in (False, True):
            crashed = Story(states)
            result, _ = crashed.tell(at, after=after)
            assert (result.status, result.end_state) == (expected.status, expected.end_state)
            assert result.variables == expected.variables
            repeated = crashed.done - calm.done
            assert calm.done - crashed.done == Counter()
            assert sum(repeated.values()) <= 1
            assert not crashed.completed & set(repeated)


@settings(max_examples=20, deadline=None)
@given(flows())
def test_replaying_the_journal_of_an_ended_run_gives_its_result_without_effects(states):
    story = Story(states)
    first, _ = story.tell()
    before = story.done.copy()
    again = story.finish(story.host)
    assert (again.status, again.end_state, again.variables) == (first.status, first.end_state, first.variables)
    assert story.done == before


@pytest.mark.parametrize("at", range(1, 6))
def test_a_run_durable_as_a_whole_is_repeated_as_a_whole(at):
    states = [state("a", "do", "b", output="x"), state("b", "do", "end", output="y")]
    expected, calls = Story(states, Durability.RUN).tell()
    crashed = Story(states, Durability.RUN)
    result, _ = crashed.tell(at)
    assert (result.status, result.variables) == (expected.status, expected.variables)
    assert sum(crashed.done.values()) == (4 if at == calls else 2)
