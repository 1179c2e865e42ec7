"""Child runs: parallel branches, mapped loops, called flows."""

import threading
from dataclasses import replace

import pytest

from intellyhub_engine.errors import InputInvalid, PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, StepFinished
from intellyhub_engine.language.model import BREAK, CONTINUE, Retry
from intellyhub_engine.machine.run import fork, resume, start
from tests.unit.engine.machine.small import World, path_of, state, steps_of


def fan(*names, to="end", **settings):
    targets = {
        "next": to,
        **{f"branch:{name}": f"fan/branch/{name}/0" for name in names},
        **settings.pop("targets", {}),
    }
    return state("fan", "parallel", targets=targets, **settings)


def branch(name, kind="do", to=None, **settings):
    return state(f"fan/branch/{name}/0", kind, to, **settings)


def mapped(**settings):
    targets = {"body": "each/body", "done": settings.pop("done", "end"), **settings.pop("targets", {})}
    return state("each", "loop", targets=targets, concurrency=settings.pop("concurrency", 2), **settings)


def test_every_branch_is_a_child_run_with_its_own_record():
    world = World()
    program = world.program(fan("a", "b"), branch("a", give=1, output="x"), branch("b", give=2, output="y"))
    result = start(program, world.host, run_id="r")
    assert (result.variables["x"], result.variables["y"], path_of(result)) == (1, 2, ["fan", "end"])
    assert {run.run_id for run in world.journal.runs(parent_id="r")} == {"r.1.a", "r.1.b"}
    assert sorted(world.effects.done) == ["r.1.a/1", "r.1.b/1"]


def test_branches_work_at_the_same_time():
    meeting = threading.Barrier(2, timeout=20)
    world = World(lambda given, step: meeting.wait())
    result = start(world.program(fan("a", "b"), branch("a"), branch("b")), world.host)
    assert result.status is RunStatus.SUCCEEDED


def test_no_more_branches_work_at_once_than_the_state_allows():
    at_once, most, lock = [], [], threading.Lock()

    def perform(given, step):
        with lock:
            at_once.append(1)
            most.append(len(at_once))
        step.cancelled.wait(0.01)
        with lock:
            at_once.pop()

    world = World(perform)
    names = "abcdef"
    start(world.program(fan(*names, concurrency=2), *(branch(name) for name in names)), world.host)
    assert len(most) == 6
    assert max(most) <= 2


def test_the_output_of_parallel_is_what_each_branch_collects():
    world = World()
    states = (
        fan("a", "b", collect="{x * 10}", output="all"),
        branch("a", "set", values={"x": 1}),
        branch("b", "set", values={"x": "{base}"}),
    )
    result = start(world.program(*states), world.host, variables={"base": 5})
    assert result.variables["all"] == {"a": 10, "b": 50}


def test_what_branches_assign_comes_in_the_order_of_the_branches():
    world = World()
    states = (fan("a", "b"), branch("a", "set", values={"x": "a"}), branch("b", "set", values={"x": "b"}))
    assert start(world.program(*states), world.host).variables["x"] == "b"


def test_a_failed_branch_fails_the_step_and_names_why():
    def perform(given, step):
        if step.state.endswith("b/0"):
            raise PermanentError("b broke")

    world = World(perform)
    result = start(world.program(fan("a", "b"), branch("a"), branch("b")), world.host)
    assert (result.status, result.error, result.end_state) == (RunStatus.FAILED, "b broke", "fan")


def test_a_failed_branch_takes_the_steps_error_edge():
    def perform(given, step):
        raise PermanentError("broke")

    world = World(perform)
    states = (fan("a", targets={"error": "sorry"}), branch("a"), state("sorry", "end"))
    assert start(world.program(*states), world.host).end_state == "sorry"


def test_a_branch_that_may_succeed_later_makes_the_run_say_so():
    def perform(given, step):
        raise RetryableError("busy", retry_after_seconds=9)

    world = World(perform)
    result = start(world.program(fan("a"), branch("a")), world.host)
    assert result.retry_after_seconds == 9


def test_a_retry_repeats_only_the_branches_that_failed():
    calls = []

    def perform(given, step):
        calls.append(step.state[-3])
        if step.state.endswith("b/0") and calls.count("b") < 2:
            raise RetryableError("busy")

    world = World(perform)
    program = world.program(fan("a", "b", concurrency=1, retry=Retry(attempts=3)), branch("a"), branch("b"))
    assert start(program, world.host).status is RunStatus.SUCCEEDED
    assert calls == ["a", "b", "b"]


def test_mapped_items_keep_their_order():
    world = World()
    states = (
        mapped(items=[3, 1, 2], collect="{item * 10 + index}", output="all"),
        state("each/body", "do", CONTINUE),
    )
    result = start(world.program(*states), world.host, run_id="r")
    assert result.variables["all"] == [30, 11, 22]
    assert "item" not in result.variables
    assert {run.run_id for run in world.journal.runs(parent_id="r")} == {"r.1.0", "r.1.1", "r.1.2"}


def test_without_collect_a_mapped_loop_gives_the_answers_of_its_ends():
    world = World()
    states = (mapped(items=["a", "b"], output="all"), state("each/body", "end", result="<{item}>"))
    assert start(world.program(*states), world.host).variables["all"] == ["<a>", "<b>"]


@pytest.mark.parametrize("back", ["each", CONTINUE, BREAK])
def test_a_mapped_body_ends_where_a_pass_would_end(back):
    world = World()
    states = (mapped(items=[1, 2]), state("each/body", "do", back))
    result = start(world.program(*states), world.host)
    assert (result.status, len(world.effects.done)) == (RunStatus.SUCCEEDED, 2)


def test_a_mapped_loop_over_nothing_goes_on():
    world = World()
    states = (mapped(items=[], collect="{item}", output="all"), state("each/body", "do"))
    result = start(world.program(*states), world.host)
    assert (result.variables["all"], result.end_state) == ([], "end")


def test_a_mapped_body_may_hold_a_loop():
    world = World()
    states = (
        mapped(items=[[1, 2], [3]], item_var="row", collect="{total}", output="totals"),
        state("each/body", "set", "each/sum", values={"total": 0}),
        state("each/sum", "loop", items="{row}", targets={"body": "each/sum/add", "done": CONTINUE}),
        state("each/sum/add", "set", CONTINUE, values={"total": "{total + item}"}),
    )
    assert start(world.program(*states), world.host).variables["totals"] == [3, 3]


def call_world(callee_states, perform=None, **settings):
    world = World(perform)
    callee = world.program(*callee_states, name="callee", digest="c1")
    caller = world.program(state("ask", "call", "end", flow="callee", output="got", **settings), name="caller")
    programs = {"callee": callee, "caller": caller}
    world.host = replace(world.host, find_flow=programs.get)
    return world, caller


def test_a_called_flow_sees_its_input_and_answers():
    world, caller = call_world([state("a", "end", result="{n + 1} {mine}")], input={"n": "{mine}"})
    result = start(caller, world.host, variables={"mine": 1}, run_id="r")
    assert result.variables["got"] == "2 {mine}"
    assert world.journal.history("r.1.call").start.flow == "callee"


def test_a_called_flow_without_an_answer_gives_its_variables():
    world, caller = call_world([state("a", "set", values={"x": "{n}"})], input={"n": 4})
    assert start(caller, world.host).variables["got"] == {"x": 4}


def test_a_called_flow_that_fails_fails_the_step():
    world, caller = call_world([state("a", "end", status="failed", message="not today")])
    assert start(caller, world.host).error == "not today"


def test_an_unknown_flow_fails_the_step_by_name():
    world, caller = call_world([state("a", "end")])
    result = start(caller, replace(world.host, find_flow=lambda name: None))
    assert result.error == "'ask' calls the flow 'callee', which is not known here"


def test_flows_that_call_each_other_without_end_are_stopped():
    world, _ = call_world([state("a", "end")])
    program = world.program(state("again", "call", "end", flow="self"), name="self")
    result = start(program, replace(world.host, find_flow=lambda name: program))
    assert result.status is RunStatus.FAILED
    assert "more than 16 deep" in str(result.error)


def waiting_branches(world):
    return world.program(
        fan("a", "b", "c"),
        branch("a", "wait", "after_a", event="paid", output="paid"),
        state("after_a", "do"),
        branch("b", "do", "slow"),
        state("slow", "wait", duration="1h"),
        branch("c", "wait", approval="ship?", output="answer"),
    )


def test_a_run_waits_while_its_branches_wait_and_each_is_woken_by_its_own():
    world = World()
    program = waiting_branches(world)
    first = start(program, world.host, run_id="r")
    assert first.status is RunStatus.WAITING
    assert first.suspended is not None
    assert first.suspended.state == "fan"
    assert world.journal.due(world.clock.now) == []
    event = Event(id="1", source="s", type="paid")
    (child,) = world.journal.waiting_for(event)
    assert child == "r.1.a"
    assert resume(program, world.host, child, event=event).status is RunStatus.WAITING
    assert resume(program, world.host, "r").status is RunStatus.WAITING
    assert resume(program, world.host, "r", decision="yes").status is RunStatus.WAITING
    world.clock.pass_by(3601)
    assert world.journal.due(world.clock.now) == ["r"]
    last = resume(program, world.host, "r")
    assert (last.status, path_of(last), last.variables["answer"]) == (RunStatus.SUCCEEDED, ["fan", "end"], "yes")
    assert last.variables["paid"].type == "paid"
    assert sorted(world.effects.done) == ["r.1.a/2", "r.1.b/1"]


def test_of_several_questions_the_first_is_answered_first():
    world = World()
    ask = state("each/body", "wait", approval="{item}?", output="answer")
    program = world.program(mapped(items=["a", "b"], collect="{answer}", output="answers", concurrency=1), ask)
    start(program, world.host, run_id="r")
    resume(program, world.host, "r", decision="for a")
    assert resume(program, world.host, "r", decision="for b").variables["answers"] == ["for a", "for b"]


def test_an_answer_nobody_below_waits_for_is_refused():
    world = World()
    program = waiting_branches(world)
    start(program, world.host, run_id="r")
    with pytest.raises(InputInvalid, match="does not wait for this event"):
        resume(program, world.host, "r", event=Event(id="1", source="s", type="other"))


def test_branches_that_wait_are_cancelled_when_another_fails():
    def perform(given, step):
        raise PermanentError("broke")

    world = World(perform)
    program = world.program(fan("a", "b", concurrency=1), branch("a", "wait", duration="1h"), branch("b"))
    assert start(program, world.host, run_id="r").status is RunStatus.FAILED
    assert world.journal.history("r.1.a").status is RunStatus.CANCELLED


def test_a_called_flow_that_waits_is_woken_through_its_caller():
    world, caller = call_world([state("a", "wait", "b", approval="ok?", output="x"), state("b", "end", result="{x}")])
    assert start(caller, world.host, run_id="r").status is RunStatus.WAITING
    callee = world.host.find_flow("callee")
    assert resume(callee, world.host, "r.1.call", decision="sure").variables["got"] == "sure"


def test_a_crash_among_branches_repeats_only_the_effect_in_flight():
    keys = []

    def perform(given, step):
        keys.append(step.idempotency_key)
        if keys.count("r.1.b/1") == 1 and step.idempotency_key == "r.1.b/1":
            raise KeyboardInterrupt

    world = World(perform)
    program = world.program(
        fan("a", "b", concurrency=1), branch("a", to="a2"), state("a2", "do"), branch("b", to="b2"), state("b2", "do")
    )
    with pytest.raises(KeyboardInterrupt):
        start(program, world.host, run_id="r")
    result = resume(program, replace(world.host, owner="other"), "r")
    assert result.status is RunStatus.SUCCEEDED
    assert keys == ["r.1.a/1", "r.1.a/2", "r.1.b/1", "r.1.b/1", "r.1.b/2"]


def test_children_work_without_a_journal():
    world = World()
    states = (mapped(items=[1, 2], collect="{item}", output="all"), state("each/body", "do", CONTINUE))
    result = start(world.program(*states), replace(world.host, journal=None))
    assert result.variables["all"] == [1, 2]


def test_cancelling_a_run_cancels_its_children():
    world = World()

    def perform(given, step):
        world.journal.request_cancel("r")
        step.cancelled.wait(20)

    world = World(perform)
    program = world.program(fan("a", "b", concurrency=1), branch("a", to="a2"), state("a2", "do"), branch("b"))
    result = start(program, world.host, run_id="r")
    assert result.status is RunStatus.CANCELLED
    assert world.journal.history("r.1.a").status is RunStatus.CANCELLED


def test_a_child_run_is_not_forked_alone():
    world = World()
    start(world.program(fan("a"), branch("a")), world.host, run_id="r")
    with pytest.raises(InputInvalid, match="fork the run it belongs to, r"):
        fork(world.program(fan("a"), branch("a")), world.host, "r.1.a", 1)


def test_the_record_of_the_parents_step_holds_what_its_branches_changed():
    world = World()
    result = start(world.program(fan("a"), branch("a", "set", values={"x": 1})), world.host)
    assert isinstance(steps_of(result)[0], StepFinished)
    assert steps_of(result)[0].changes == {"x": 1}


def test_a_step_gives_up_on_children_that_wait_too_long():
    world = World()
    program = world.program(
        fan("a", timeout_seconds=60, targets={"error": "late"}),
        branch("a", "wait", approval="ship?"),
        state("late", "end"),
    )
    assert start(program, world.host, run_id="r").status is RunStatus.WAITING
    world.clock.pass_by(61)
    assert world.journal.due(world.clock.now) == ["r"]
    result = resume(program, world.host, "r")
    assert (result.end_state, world.journal.history("r.1.a").status) == ("late", RunStatus.CANCELLED)
    assert "still waited after 60 s" in result.variables["error_message"]
