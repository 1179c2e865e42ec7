"""Replays, forks, and runs repeated because their event came again."""

import pytest

from intellyhub_engine.errors import InputInvalid, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.model import CONTINUE
from intellyhub_engine.machine.run import fork, replay, start
from tests.unit.engine.machine.small import World, path_of, state, steps_of

EVENT = Event(id="e1", source="/s", type="t", data={"n": 1})


def test_a_run_that_failed_for_now_goes_on_from_the_failed_step_when_its_event_comes_again():
    failures = [RetryableError("busy"), RetryableError("still busy")]
    keys = []

    def perform(parameters, step):
        keys.append(step.state)
        if step.state == "b" and failures:
            raise failures.pop(0)
        return len(keys)

    world = World(perform)
    program = world.program(state("a", "do", "b", output="x"), state("b", "do", "end"))
    first = start(program, world.host, event=EVENT)
    assert (first.status, first.error, first.retry_after_seconds) == (RunStatus.FAILED, "busy", 1.0)
    second = start(program, world.host, event=EVENT)
    assert (second.status, second.error) == (RunStatus.FAILED, "still busy")
    third = start(program, world.host, event=EVENT)
    assert (third.status, path_of(third), third.variables["x"]) == (RunStatus.SUCCEEDED, ["a", "b", "end"], 1)
    assert keys == ["a", "b", "b", "b"]
    fourth = start(program, world.host, event=EVENT)
    assert (fourth.run_id, fourth.status) == (third.run_id, RunStatus.SUCCEEDED)
    assert len(keys) == 4


def test_a_replay_is_a_new_run_of_the_same_event():
    world = World()
    program = world.program(state("a", "do", "end", give="{event.n}", output="o"))
    first = start(program, world.host, event=EVENT, variables={"v": 1})
    again = replay(program, world.host, first.run_id, variables={"v": 2})
    assert again.run_id != first.run_id
    assert (again.variables["o"], again.variables["v"]) == (1, 2)
    assert world.journal.history(again.run_id).start.copied_from == (first.run_id, 0)
    assert len(world.effects.done) == 2


def steps(world, **settings):
    return world.program(
        state("a", "set", "b", values={"x": 1}),
        state("b", "do", "c", give="{x}", output="y"),
        state("c", "do", "end", give="{x + y}", output="z"),
        **settings,
    )


def test_a_fork_begins_at_its_step_with_the_variables_of_then():
    world = World()
    first = start(steps(world), world.host)
    forked = fork(steps(world), world.host, first.run_id, 3, variables={"x": 10})
    assert (forked.variables["y"], forked.variables["z"]) == (1, 11)
    assert [step.seq for step in steps_of(forked)] == [1, 2, 3, 4]
    assert world.effects.done == [f"{first.run_id}/2", f"{first.run_id}/3", f"{forked.run_id}/3"]
    assert world.journal.history(forked.run_id).start.copied_from == (first.run_id, 3)


def test_a_fork_of_the_first_step_is_a_run_from_the_start():
    world = World()
    first = start(steps(world), world.host, variables={"w": 1})
    forked = fork(steps(world), world.host, first.run_id, 1, variables={"w": 2})
    assert (path_of(forked), forked.variables["w"]) == (["a", "b", "c", "end"], 2)


def test_a_fork_may_run_another_version():
    world = World()
    first = start(steps(world, digest="old"), world.host)
    program = world.program(state("a", "end"), state("c", "set", values={"new": "{y}"}), digest="new")
    forked = fork(program, world.host, first.run_id, 3)
    assert (forked.end_state, forked.variables["new"]) == ("c", 1)
    assert world.journal.history(forked.run_id).start.version == "new"


def test_a_fork_where_the_version_lacks_the_state_is_refused():
    world = World()
    first = start(steps(world), world.host)
    with pytest.raises(InputInvalid, match="no state 'c'"):
        fork(world.program(state("a", "end")), world.host, first.run_id, 3)


@pytest.mark.parametrize("seq", [0, 6, 99])
def test_a_fork_at_a_step_that_never_was_is_refused(seq):
    world = World()
    first = start(steps(world), world.host)
    with pytest.raises(InputInvalid, match="has 4 steps"):
        fork(steps(world), world.host, first.run_id, seq)


def test_a_fork_within_a_loop_goes_on_with_that_pass():
    world = World()
    program = world.program(
        state("each", "loop", items=["a", "b", "c"], targets={"body": "body", "done": "end"}),
        state("body", "do", CONTINUE, give="{item}"),
    )
    first = start(program, world.host)
    forked = fork(program, world.host, first.run_id, 4)
    assert path_of(forked) == ["each", "body", "each", "body", "each", "body", "each", "end"]
    assert [step.scope["item"] for step in world.effects.steps[3:4]] == ["c"]
    assert len(world.effects.done) == 5
