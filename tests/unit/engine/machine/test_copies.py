"""Replays, forks, and runs repeated because their event came again."""

import pytest

from intellyhub_engine.errors import InputInvalid, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.model import CONTINUE, Retry
from intellyhub_engine.machine.run import fork, replay, resume, start
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


def fan_world(perform, *more, **settings):
    """A parallel step with the branches a (two effects) and b (one)."""
    world = World(perform)
    program = world.program(
        state("fan", "parallel", "end", targets={"branch:a": "a0", "branch:b": "b0"}, concurrency=1, **settings),
        state("a0", "do", "a1"),
        *(more or (state("a1", "do", output="x"),)),
        state("b0", "do", output="y"),
    )
    return world, program


def test_branches_that_were_done_are_not_done_again_when_the_event_comes_again():
    done, failures = [], [RetryableError("busy"), RetryableError("still busy")]

    def perform(parameters, step):
        done.append(step.state)
        if step.state == "b0" and failures:
            raise failures.pop(0)
        return len(done)

    world, program = fan_world(perform)
    assert [start(program, world.host, event=EVENT).error for _ in range(2)] == ["busy", "still busy"]
    last = start(program, world.host, event=EVENT)
    assert (last.status, last.variables["x"], last.variables["y"]) == (RunStatus.SUCCEEDED, 2, 5)
    assert done == ["a0", "a1", "b0", "b0", "b0"]


def test_a_branch_goes_on_from_its_failed_step_when_the_event_comes_again():
    done, failures = [], [RetryableError("busy")]

    def perform(parameters, step):
        done.append(step.state)
        if step.state == "a1" and failures:
            raise failures.pop(0)

    world, program = fan_world(perform)
    start(program, world.host, event=EVENT)
    assert start(program, world.host, event=EVENT).status is RunStatus.SUCCEEDED
    assert done == ["a0", "a1", "a1", "b0"]


def test_branches_within_branches_go_on_too():
    done, failures = [], [RetryableError("busy")]

    def perform(parameters, step):
        done.append(step.state)
        if step.state == "a3" and failures:
            raise failures.pop(0)

    inner = state("a1", "parallel", targets={"branch:c": "a2", "branch:d": "a3"}, concurrency=1)
    world, program = fan_world(perform, inner, state("a2", "do"), state("a3", "do"))
    start(program, world.host, event=EVENT)
    assert start(program, world.host, event=EVENT).status is RunStatus.SUCCEEDED
    assert done == ["a0", "a2", "a3", "a3", "b0"]


def test_a_branch_that_waited_when_another_failed_waits_again_without_repeating_its_steps():
    done, failures = [], [RetryableError("busy")]

    def perform(parameters, step):
        done.append(step.state)
        if step.state == "b0" and failures:
            raise failures.pop(0)

    world, program = fan_world(perform, state("a1", "wait", approval="go?"))
    assert start(program, world.host, event=EVENT).status is RunStatus.FAILED
    again = start(program, world.host, event=EVENT)
    assert (again.status, done) == (RunStatus.WAITING, ["a0", "b0", "b0"])
    assert resume(program, world.host, again.run_id, decision={"approved": True}).status is RunStatus.SUCCEEDED
    assert done == ["a0", "b0", "b0"]


def test_a_branch_that_waited_when_another_failed_is_made_again_by_a_retry():
    failures = [RetryableError("busy")]

    def perform(parameters, step):
        if step.state == "b0" and failures:
            raise failures.pop(0)

    wait = state("a1", "wait", approval="go?")
    world, program = fan_world(perform, wait, retry=Retry(attempts=2, backoff_seconds=0))
    assert start(program, world.host).status is RunStatus.WAITING


def test_a_fork_does_the_branches_of_its_step_anew():
    world, program = fan_world(None)
    first = start(program, world.host, event=EVENT)
    assert fork(program, world.host, first.run_id, 1).status is RunStatus.SUCCEEDED
    assert len(world.effects.done) == 6


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


def test_the_clock_of_a_forks_first_step_begins_with_the_fork():
    world = World()
    program = world.program(state("a", "do", "b"), state("b", "set", "end", values={"x": 1}))
    first = start(program, world.host)
    world.clock.pass_by(3600)
    again = steps_of(fork(program, world.host, first.run_id, 2))[1]
    assert again.finished_ns - again.started_ns < 1_000_000_000


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


class Dying(MemoryJournal):
    """A journal whose process dies when it has written `lives` times."""

    lives = 10**9

    def survive(self):
        if self.lives == 0:
            raise SystemExit("died")
        self.lives -= 1

    def begin(self, *arguments, **settings):
        self.survive()
        return super().begin(*arguments, **settings)

    def record(self, *arguments, **settings):
        self.survive()
        super().record(*arguments, **settings)


@pytest.mark.parametrize("lives", [1, 2])
def test_a_fork_whose_process_died_begins_at_its_step_whoever_resumes_it(lives):
    done = []
    journal = Dying()
    world = World(lambda parameters, step: done.append(step.state), journal=journal, lease_seconds=0)
    program = world.program(state("a", "do", "b"), state("b", "do", "c"), state("c", "do", "end"))
    first = start(program, world.host)
    del done[:]
    journal.lives = lives
    with pytest.raises(SystemExit):
        fork(program, world.host, first.run_id, 3, variables={"x": 1})
    journal.lives = 10**9
    copied = next(run.run_id for run in journal.runs() if run.copied_from)
    result = resume(program, world.host, copied)
    assert (result.status, result.variables["x"], set(done)) == (RunStatus.SUCCEEDED, 1, {"c"})
