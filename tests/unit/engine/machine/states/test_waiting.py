"""Waits: suspended runs and what wakes them."""

from dataclasses import replace

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, StepStarted, StepStatus
from intellyhub_engine.machine.run import resume, start
from tests.unit.engine.machine.small import World, path_of, state, steps_of


def begin(world, *, targets=None, **settings):
    wait = state("hold", "wait", "after", targets=targets or {}, output="got", **settings)
    program = world.program(
        state("before", "do", "hold", output="before", give="x"),
        wait,
        state("after", "do", "end"),
        state("late", "end"),
    )
    return program, start(program, world.host, run_id="r")


def test_a_long_wait_suspends_the_run_and_its_time_wakes_it():
    world = World()
    program, result = begin(world, duration="5m")
    assert (result.status, path_of(result)) == (RunStatus.WAITING, ["before"])
    assert result.suspended.until_ns - world.clock.now == pytest.approx(300e9, abs=1e3)
    assert world.journal.due(world.clock.now) == []
    world.clock.pass_by(301)
    assert world.journal.due(world.clock.now) == ["r"]
    result = resume(program, world.host, "r")
    assert (result.status, path_of(result)) == (RunStatus.SUCCEEDED, ["before", "hold", "after", "end"])
    assert world.effects.done == ["r/1", "r/3"]
    wait = steps_of(result)[1]
    assert wait.finished_ns - wait.started_ns >= 300e9


def test_a_wait_until_a_moment():
    world = World()
    _, result = begin(world, until="2024-01-01T00:00:00+01:00")
    assert result.suspended.until_ns == 1_704_063_600_000_000_000


def test_a_moment_that_has_passed_is_no_wait():
    assert begin(World(), until="2001-01-01T00:00:00Z")[1].status is RunStatus.SUCCEEDED


def test_a_wait_below_a_second_keeps_its_process():
    world = World()
    _, result = begin(world, seconds=0.5)
    assert result.status is RunStatus.SUCCEEDED
    assert world.clock.slept == pytest.approx([0.5])


def test_a_run_that_still_waits_says_so():
    world = World()
    program, _ = begin(world, seconds=60)
    result = resume(program, world.host, "r")
    assert result.status is RunStatus.WAITING
    assert result.suspended is not None
    assert result.suspended.state == "hold"
    world.clock.pass_by(61)
    assert resume(program, world.host, "r").status is RunStatus.SUCCEEDED


def test_an_event_wakes_the_run_that_waits_for_it():
    world = World()
    program, result = begin(world, event={"type": "paid", "subject": "o{len(before)}"})
    assert result.suspended.event_filter == {"type": "paid", "subject": "o1"}
    event = Event(id="9", source="/pay", type="paid", subject="o1", data={"cents": 5})
    assert world.journal.waiting_for(event) == ["r"]
    result = resume(program, world.host, "r", event=event)
    assert result.status is RunStatus.SUCCEEDED
    assert (result.variables["got"].data.cents, result.variables["got"].type) == (5, "paid")


def test_another_event_does_not_wake_the_run():
    world = World()
    program, _ = begin(world, event="paid")
    with pytest.raises(InputInvalid, match="does not wait for this event"):
        resume(program, world.host, "r", event=Event(id="9", source="/pay", type="refused"))
    assert resume(program, world.host, "r").status is RunStatus.WAITING


@pytest.mark.parametrize("decision", [True, False, {"approved": True, "by": "ann"}])
def test_an_answer_wakes_the_run_that_asked(decision):
    world = World()
    program, result = begin(world, approval="ship {len(before) + 1}?")
    assert result.suspended.approval == "ship 2?"
    assert resume(program, world.host, "r", decision=decision).variables["got"] == decision


def test_an_answer_to_a_run_that_did_not_ask_is_refused():
    world = World()
    program, _ = begin(world, seconds=60)
    with pytest.raises(InputInvalid, match="does not wait for an answer"):
        resume(program, world.host, "r", decision=True)


@pytest.mark.parametrize(("reason", "told"), [({"approval": "ship?"}, "ship?"), ({"event": "paid"}, "no such event")])
def test_a_deadline_takes_the_error_edge(reason, told):
    world = World()
    program, _ = begin(world, timeout_seconds=60, targets={"error": "late"}, **reason)
    assert resume(program, world.host, "r").status is RunStatus.WAITING
    world.clock.pass_by(61)
    result = resume(program, world.host, "r")
    assert (result.end_state, steps_of(result)[1].status) == ("late", StepStatus.FAILED)
    assert told in result.variables["error_message"]


def test_what_woke_a_run_survives_a_crash_right_after():
    world = World()
    program, _ = begin(world, approval="go?")

    def crash(run_id, entry):
        if isinstance(entry, StepStarted):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume(program, replace(world.host, observe=crash), "r", decision="yes")
    result = resume(program, world.host, "r")
    assert (result.status, result.variables["got"]) == (RunStatus.SUCCEEDED, "yes")


def test_a_wait_without_journal_keeps_its_process():
    world = World()
    program = world.program(state("hold", "wait", "end", duration="1h"))
    result = start(program, _without_journal(world))
    assert result.status is RunStatus.SUCCEEDED
    assert world.clock.slept == pytest.approx([3600])


def test_a_question_without_journal_fails_with_the_remedy():
    world = World()
    result = start(world.program(state("hold", "wait", "end", approval="go?")), _without_journal(world))
    assert result.status is RunStatus.FAILED
    assert "run with a journal" in str(result.error)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "exactly one of"),
        ({"seconds": 5, "approval": "x"}, "exactly one of"),
        ({"duration": "soon"}, "no duration"),
        ({"until": "tomorrow"}, "no moment"),
        ({"duration": "900000000d"}, "no duration"),
    ],
)
def test_a_wait_that_does_not_say_for_what_fails(settings, told):
    _, result = begin(World(), **settings)
    assert result.status is RunStatus.FAILED
    assert told in result.error


def test_a_waiting_run_is_cancelled_at_once():
    world = World()
    program, _ = begin(world, seconds=60)
    assert world.journal.request_cancel("r")
    assert resume(program, world.host, "r").status is RunStatus.CANCELLED


def _without_journal(world):
    return replace(world.host, journal=None)
