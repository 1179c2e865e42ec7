"""Sequential loops: for, while, nested, left early, collected."""

import pytest

from intellyhub_engine.journal.records import RunStatus, StepStatus
from intellyhub_engine.language.model import BREAK, CONTINUE
from intellyhub_engine.machine.run import start
from tests.unit.engine.machine.small import make_host, make_program, path_of, state, steps_of


def run(*states, max_steps=100, **variables):
    return start(make_program(*states), make_host(), variables=variables, max_steps=max_steps)


def each(name="each", *, body="body", done="end", **settings):
    return state(name, "loop", targets={"body": body, "done": done}, **settings)


def append(target, what="{item}", into="seen", name="body"):
    return state(name, "set", target, values={into: "{" + into + " + [" + what.strip("{}") + "]}"})


def test_a_loop_visits_its_body_once_per_item():
    result = run(each(items="{rows}"), append(CONTINUE), rows=["a", "b"], seen=[])
    assert result.variables["seen"] == ["a", "b"]
    assert path_of(result) == ["each", "body", "each", "body", "each", "end"]


def test_a_loop_without_items_goes_on_at_once():
    assert path_of(run(each(items=[]), append(CONTINUE), seen=[])) == ["each", "end"]


def test_a_loop_shows_the_index():
    result = run(
        each(items=["a", "b", "c"], item_var="letter"), append(CONTINUE, "{(letter, index, loop_index)}"), seen=[]
    )
    assert [tuple(seen) for seen in result.variables["seen"]] == [("a", 0, 0), ("b", 1, 1), ("c", 2, 2)]


def test_the_loops_own_name_ends_a_pass_too():
    assert run(each(items=[1, 2]), append("each"), seen=[]).variables["seen"] == [1, 2]


@pytest.mark.parametrize(
    ("items", "seen"),
    [
        (3, [0, 1, 2]),
        ("[1, 2]", [1, 2]),
        ({"a": 1}, [{"key": "a", "value": 1}]),
        (-1, []),
    ],
)
def test_what_a_loop_goes_over(items, seen):
    assert run(each(items=items), append(CONTINUE), seen=[]).variables["seen"] == seen


@pytest.mark.parametrize("items", ["{unknown}", "a, b", None, True])
def test_a_loop_over_no_list_fails_by_name(items):
    result = run(each(items=items), append(CONTINUE), seen=[])
    assert result.status is RunStatus.FAILED
    assert "the items of 'each' must be a list" in result.error


def test_break_leaves_the_loop_and_goes_on_after_it():
    states = (
        each(items=[1, 2, 3], done="after"),
        state("body", "if", condition="item == 2", targets={"true": BREAK, "false": CONTINUE}),
        state("after", "end"),
    )
    result = run(*states)
    assert path_of(result) == ["each", "body", "each", "body", "after"]


def test_a_while_loop_asks_before_each_pass():
    states = (each(condition="n < 3"), state("body", "set", CONTINUE, values={"n": "{n + 1}"}))
    result = run(*states, n=1)
    assert result.variables["n"] == 3
    assert path_of(result) == ["each", "body", "each", "body", "each", "end"]


def test_items_with_a_condition_stop_when_it_is_false():
    states = (each(items=[1, 2, 3], condition="len(seen) < 2"), append(CONTINUE))
    assert run(*states, seen=[]).variables["seen"] == [1, 2]


def test_a_loop_gathers_what_collect_gives():
    states = (
        each(items=[1, 2, 3], collect="{item * 10}", output="tens"),
        state("body", "set", CONTINUE, values={}),
    )
    assert run(*states).variables["tens"] == [10, 20, 30]


def test_a_broken_loop_keeps_what_it_gathered():
    states = (
        each(items=[1, 2, 3], collect="{item * 10}", output="tens"),
        state("body", "if", condition="item == 3", targets={"true": BREAK, "false": CONTINUE}),
    )
    assert run(*states).variables["tens"] == [10, 20]


def test_nested_loops_advance_the_inner_one_first():
    states = (
        each("outer", items=["a", "b"], item_var="x", body="inner"),
        each("inner", items=[1, 2], item_var="y", body="body", done=CONTINUE),
        append(CONTINUE, "{x + str(y)}"),
    )
    assert run(*states, seen=[]).variables["seen"] == ["a1", "a2", "b1", "b2"]


def test_a_body_may_go_on_with_the_outer_loop():
    states = (
        each("outer", items=["a", "b"], item_var="x", body="inner"),
        each("inner", items=[1, 2], item_var="y", body="body", done=CONTINUE),
        append("outer", "{x + str(y)}"),
    )
    assert run(*states, seen=[]).variables["seen"] == ["a1", "b1"]


def test_break_of_an_inner_loop_whose_end_breaks_the_outer_leaves_both():
    states = (
        each("outer", items=["a", "b"], item_var="x", body="inner"),
        each("inner", items=[1, 2], item_var="y", body="body", done=BREAK),
        append(BREAK, "{x + str(y)}"),
    )
    result = run(*states, seen=[])
    assert result.variables["seen"] == ["a1"]
    assert result.end_state == "end"


def test_a_loop_entered_again_starts_over():
    states = (
        each(items=[1, 2], done="again"),
        append(CONTINUE),
        state("again", "if", condition="len(seen) < 4", targets={"true": "each", "false": "end"}),
    )
    assert run(*states, seen=[]).variables["seen"] == [1, 2, 1, 2]


def test_an_error_edge_may_go_on_with_the_next_pass():
    states = (
        each(items=[1, 2]),
        state("body", "assert", CONTINUE, condition="item == 2", targets={"error": CONTINUE}),
    )
    result = run(*states)
    assert (result.status, path_of(result)) == (RunStatus.SUCCEEDED, ["each", "body", "each", "body", "each", "end"])


def test_a_loop_that_fails_is_left():
    states = (
        state("each", "loop", condition="1 / n > 0", targets={"body": "body", "done": "end", "error": "fix"}),
        state("body", "set", CONTINUE, values={"n": 0}),
        state("fix", "end"),
    )
    result = run(*states, n=1)
    assert result.end_state == "fix"
    failed = steps_of(result)[-2]
    assert (failed.state, failed.status, failed.loops) == ("each", StepStatus.FAILED, {})


def test_a_loop_that_never_ends_is_stopped_with_the_last_states_named():
    result = run(each(condition="True"), state("body", "set", CONTINUE, values={}), max_steps=7)
    assert result.status is RunStatus.FAILED
    assert "after 7 steps" in result.error
    assert "each -> body -> each" in result.error
    assert "max_steps" in result.error


def test_a_jump_outside_every_loop_ends_the_run():
    result = run(state("body", "set", CONTINUE, values={}))
    assert (result.status, result.end_state) == (RunStatus.SUCCEEDED, "body")


def test_the_items_of_a_loop_are_recorded_once():
    result = run(each(items=["a", "b"]), append(CONTINUE), seen=[])
    tables = [entry.loops for entry in steps_of(result) if entry.loops is not None]
    assert tables == [{"each": {"items": ["a", "b"], "index": 0}}, {"each": {"index": 1}}, {}]
