"""Runs as the journal knows them: found again, resumed, replayed, forked, cancelled."""

from dataclasses import replace

import pytest

from intellyhub_engine.errors import (
    InputInvalid,
    JournalFull,
    LeaseLost,
    PermanentError,
    RetryableError,
    RunNotFound,
    ValueRefused,
)
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, StepStarted
from intellyhub_engine.language.model import Durability, Retry
from intellyhub_engine.machine.run import resume, start
from tests.unit.engine.machine.small import (
    Recording,
    World,
    log_of,
    make_catalogue,
    make_host,
    make_program,
    state,
)

EVENT = Event(id="e1", source="/s", type="t", data={"n": 1})


def test_entries_are_durable_before_each_effect_and_at_the_end():
    world = World()
    program = world.program(state("a", "set", "b", values={"x": 1}), state("b", "do", "c"), state("c", "do", "end"))
    start(program, world.host)
    assert world.journal.calls == [
        (["StepFinished", "StepStarted"], True),
        (["StepFinished", "StepStarted"], True),
        (["StepFinished", "StepFinished", "RunFinished"], True),
    ]


def test_durability_of_the_run_writes_once():
    world = World()
    start(world.program(state("a", "do", "b"), state("b", "do", "end"), durability=Durability.RUN), world.host)
    assert [durable for _, durable in world.journal.calls] == [True]


def test_durability_none_writes_nothing():
    world = World()
    start(world.program(state("a", "do", "end"), durability=Durability.NONE), world.host)
    assert world.journal.runs() == []


def test_an_event_that_came_before_finds_the_result_of_its_run():
    world = World()
    program = world.program(state("a", "do", "end", output="o"), state("end", "end", result="{o}"))
    first = start(program, world.host, event=EVENT)
    again = start(program, world.host, event=EVENT)
    assert again.run_id == first.run_id
    assert (again.status, again.output, again.end_state) == (first.status, first.output, first.end_state)
    assert again.variables == first.variables
    assert len(world.effects.done) == 1


def test_the_same_event_of_another_source_is_another_run():
    world = World()
    program = world.program(state("a", "do", "end"))
    runs = {start(program, world.host, event=replace(EVENT, source=source)).run_id for source in ("/s", "/t")}
    assert len(runs) == 2


def test_an_event_whose_run_another_worker_holds_is_refused():
    world = World()
    program = world.program(state("a", "do", "end"))
    held = []

    def perform(parameters, step):
        with pytest.raises(LeaseLost):
            start(program, replace(world.host, owner="other"), event=EVENT)
        held.append(1)

    start(program, replace(world.host, catalogue=make_catalogue(do=perform)), event=EVENT)
    assert held == [1]


def test_a_permanently_failed_run_is_not_tried_again():
    calls = []

    def perform(parameters, step):
        calls.append(1)
        raise PermanentError("no")

    world = World(perform)
    program = world.program(state("a", "do", "end"))
    assert start(program, world.host, event=EVENT).status is RunStatus.FAILED
    again = start(program, world.host, event=EVENT)
    assert (again.status, again.error, again.retry_after_seconds, len(calls)) == (RunStatus.FAILED, "no", None, 1)


def test_a_full_journal_stops_the_run_and_gives_it_back():
    world = World()

    class Full(Recording):
        full = True

        def record(self, run_id, entries, *, owner, durable):
            if self.full and any(isinstance(entry, StepStarted) and entry.seq == 2 for entry in entries):
                raise JournalFull("no room")
            super().record(run_id, entries, owner=owner, durable=durable)

    journal = Full(world.clock.now_ns)
    host = replace(world.host, journal=journal)
    program = world.program(state("a", "do", "b"), state("b", "do", "end"))
    with pytest.raises(JournalFull):
        start(program, host, run_id="r")
    journal.full = False
    result = resume(program, replace(host, owner="other"), "r")
    assert result.status is RunStatus.SUCCEEDED
    assert world.effects.done == ["r/1", "r/1", "r/2"]


def test_a_value_too_large_for_the_journal_fails_the_run_for_good():
    world = World()

    class Small(Recording):
        def record(self, run_id, entries, *, owner, durable):
            if any(len(str(getattr(entry, "changes", ""))) > 1000 for entry in entries):
                raise ValueRefused("the variable 'big' of 'a' takes 2,000 bytes")
            super().record(run_id, entries, owner=owner, durable=durable)

    journal = Small(world.clock.now_ns)
    program = world.program(state("a", "set", "b", values={"big": "{x * 2000}"}), state("b", "do", "end"))
    result = start(program, replace(world.host, journal=journal), run_id="r", variables={"x": "x"})
    assert (result.status, world.effects.done) == (RunStatus.FAILED, [])
    assert "'big'" in str(result.error)
    assert journal.history("r").status is RunStatus.FAILED


def test_resuming_an_ended_run_tells_its_result():
    world = World()
    program = world.program(state("a", "do", "end"))
    first = start(program, world.host)
    assert resume(program, world.host, first.run_id).status is RunStatus.SUCCEEDED
    assert len(world.effects.done) == 1


def test_resuming_an_unknown_run_is_refused():
    world = World()
    with pytest.raises(RunNotFound):
        resume(world.program(state("a", "end")), world.host, "nobody")


def test_resuming_needs_a_journal():
    with pytest.raises(InputInvalid, match="journal"):
        resume(make_program(state("a", "end")), make_host(), "r")


def waiting(world, **settings):
    return world.program(state("a", "wait", "b", approval="go?"), state("b", "do", "end"), **settings)


def test_a_run_of_another_version_is_resumed_only_by_force():
    world = World()
    start(waiting(world, digest="old"), world.host, run_id="r")
    with pytest.raises(InputInvalid, match=r"version old .* this is new"):
        resume(waiting(world, digest="new"), world.host, "r", decision=True)
    assert (
        resume(waiting(world, digest="new"), world.host, "r", decision=True, force=True).status is RunStatus.SUCCEEDED
    )


def test_an_interrupted_run_of_another_version_is_given_back():
    world = World()
    program = world.program(state("a", "do", "end"), digest="old")
    world.journal.begin(_start_of(program), owner="dead", lease_seconds=0)
    with pytest.raises(InputInvalid, match="old"):
        start(world.program(state("a", "do", "end"), digest="new"), world.host, event=EVENT)
    assert start(program, replace(world.host, owner="third"), event=EVENT).status is RunStatus.SUCCEEDED


def _start_of(program):
    from intellyhub_engine.journal.records import RunStart

    return RunStart(run_id="r", flow=program.name, version=program.digest, started_ns=1, event=EVENT)


def test_a_run_cancelled_in_the_journal_stops_before_its_next_effect():
    world = World()

    def perform(parameters, step):
        world.effects.done.append(step.state)
        world.journal.request_cancel(step.run_id)

    program = world.program(state("a", "do", "b"), state("b", "do", "end"))
    result = start(program, replace(world.host, catalogue=make_catalogue(do=perform)), run_id="r")
    assert (result.status, world.effects.done) == (RunStatus.CANCELLED, ["a"])
    assert world.journal.history("r").status is RunStatus.CANCELLED


def test_a_crash_in_the_pause_before_a_retry_does_not_give_the_attempt_back():
    attempts = []

    def perform(parameters, step):
        attempts.append(step.attempt)
        if step.attempt == 1:
            raise RetryableError("busy")

    world = World(perform)
    program = world.program(state("a", "do", "end", retry=Retry(attempts=2)))

    def crash(seconds, cancelled):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(program, replace(world.host, sleep=crash), run_id="r")
    assert resume(program, world.host, "r").status is RunStatus.SUCCEEDED
    assert attempts == [1, 2]


def test_variables_win_over_the_event_and_that_over_the_block():
    world = World()
    program = world.program(state("a", "end"), variables={"n": 0, "v": 0, "u": "{n} {v}", "T": "{T}"})
    host = replace(world.host, outer={"T": "outer"})
    result = start(program, host, event=Event(id="1", source="s", type="t", data={"n": 1}), variables={"v": 2})
    assert (result.variables["v"], result.variables["u"], result.variables["T"]) == (2, "1 2", "outer")


def test_an_event_cannot_replace_what_the_surroundings_define():
    world = World()
    program = world.program(state("a", "set", values={"seen": "{API_URL}"}))
    host = replace(world.host, outer={"API_URL": "https://good"})
    event = Event(id="1", source="s", type="t", data={"body": {"API_URL": "https://evil"}, "API_URL": "https://evil"})
    assert start(program, host, event=event).variables["seen"] == "https://good"


@pytest.mark.parametrize(("block", "seen"), [({}, "{OPENAI_BASE_URL}"), ({"OPENAI_BASE_URL": "own"}, "sent")])
def test_an_event_chooses_a_setting_only_where_the_flow_names_it(block, seen):
    world = World()
    program = world.program(state("a", "set", values={"seen": "{OPENAI_BASE_URL}"}), variables=block)
    event = Event(id="1", source="s", type="t", data={"OPENAI_BASE_URL": "sent"})
    result = start(program, world.host, event=event)
    assert (result.variables["seen"], result.variables["event"]["OPENAI_BASE_URL"]) == (seen, "sent")


def test_the_variables_block_is_the_same_after_a_wait():
    world = World()
    program = world.program(
        state("a", "wait", "b", duration="1d"),
        state("b", "set", values={"end": "{began}"}),
        variables={"began": "{timestamp}"},
    )
    first = start(program, world.host, run_id="r")
    world.clock.pass_by(100_000)
    result = resume(program, world.host, "r")
    assert result.variables["end"] == first.variables["began"]


def test_the_block_is_not_journalled():
    world = World()
    program = world.program(state("a", "do", "end"), variables={"token": "{T}"})
    start(program, replace(world.host, outer={"T": "s3cret"}), run_id="r")
    assert "s3cret" not in repr(world.journal.history("r"))


def test_a_run_whose_variables_cannot_be_made_fails_before_its_first_state():
    world = World()
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    program = world.program(state("a", "do", "end"))
    result = start(program, world.host, event=Event(id="1", source="s", type="t", data={"deep": deep}))
    assert result.status is RunStatus.FAILED
    assert "variables of the run cannot be made" in str(result.error)
    assert world.effects.done == []


def test_found_runs_log_nothing_twice():
    world = World()
    program = world.program(state("a", "do", "end", text="{nobody}"))
    start(program, world.host, event=EVENT)
    assert len(log_of(start(program, world.host, event=EVENT))) == 1
