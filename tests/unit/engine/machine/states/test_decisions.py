"""if, switch, set, assert, end."""

import pytest

from intellyhub_engine.journal.records import Logged, RunStatus, StepStatus
from intellyhub_engine.machine.run import start
from tests.unit.engine.machine.small import make_host, make_program, path_of, state, steps_of


def run(*states, **variables):
    return start(make_program(*states), make_host(), variables=variables)


@pytest.mark.parametrize(("count", "last"), [(11, "many"), (3, "few")])
def test_an_if_goes_where_its_condition_says(count, last):
    states = (
        state("check", "if", condition="count > 10", targets={"true": "many", "false": "few"}),
        state("many", "end"),
        state("few", "end"),
    )
    assert run(*states, count=count).end_state == last


def test_an_if_without_a_branch_for_the_outcome_goes_to_next():
    states = (state("check", "if", "after", condition="1 > 2", targets={"true": "end"}), state("after", "end"))
    assert path_of(run(*states)) == ["check", "after"]


def test_an_if_without_any_target_for_the_outcome_ends_the_run():
    result = run(state("check", "if", condition="1 > 2", targets={"true": "end"}))
    assert (result.status, result.end_state) == (RunStatus.SUCCEEDED, "check")


def test_a_condition_that_cannot_be_evaluated_counts_as_false_with_an_error_in_the_log():
    states = (state("check", "if", condition="1 / zero > 1", targets={"true": "yes", "false": "no"}),)
    result = run(*states, state("yes", "end"), state("no", "end"), zero=0)
    assert result.end_state == "no"
    (line,) = [entry for entry in result.entries if isinstance(entry, Logged)]
    assert line.level == "error"
    assert "'check'" in line.message


def test_a_condition_that_cannot_be_evaluated_takes_the_error_edge_where_there_is_one():
    targets = {"true": "yes", "false": "no", "error": "sorry"}
    states = (state("check", "if", condition="1 / zero > 1", targets=targets),)
    result = run(*states, state("yes", "end"), state("no", "end"), state("sorry", "end"), zero=0)
    assert result.end_state == "sorry"
    assert result.variables["error_state"] == "check"


@pytest.mark.parametrize(
    ("value", "last"),
    [
        ("/start", "welcome"),
        (3, "three"),
        (3.0, "three"),
        (True, "yes"),
        (False, "no"),
        (None, "nothing"),
        ("/other", "help"),
    ],
)
def test_a_switch_compares_its_cases_as_text(value, last):
    cases = {"/start": "welcome", "3": "three", "true": "yes", "False": "no", "null": "nothing"}
    targets = {**{f"case:{key}": name for key, name in cases.items()}, "default": "help"}
    ends = [state(name, "end") for name in targets.values()]
    assert run(state("route", "switch", value="{given}", targets=targets), *ends, given=value).end_state == last


def test_a_switch_without_default_ends_the_run():
    result = run(state("route", "switch", value="{given}", targets={"case:a": "end"}), given="b")
    assert (result.status, result.end_state) == (RunStatus.SUCCEEDED, "route")


def test_each_value_of_a_set_sees_those_before_it():
    result = run(state("count", "set", values={"n": "{n + 1}", "label": "no. {n}"}), n=1)
    assert result.variables == {"n": 2, "label": "no. 2"}


def test_a_set_keeps_the_type_of_a_whole_placeholder_and_gives_records():
    result = run(
        state("take", "set", values={"first": "{people[0]}", "all": {"them": "{people}"}}), people=[{"age": 7}]
    )
    assert result.variables["first"].age == 7
    assert result.variables["all"].them == [{"age": 7}]


def test_a_set_that_fails_has_set_nothing():
    states = (
        state("both", "set", values={"a": "new", "b": "{% for %}"}, targets={"error": "after"}),
        state("after", "end"),
    )
    result = run(*states, a="old")
    assert result.variables["a"] == "old"


def test_the_changes_of_a_set_are_in_its_record():
    result = run(state("count", "set", values={"n": 5}))
    (step,) = steps_of(result)
    assert step.changes == {"n": 5}
    assert step.started_ns <= step.finished_ns


def test_an_assert_that_holds_goes_on():
    assert run(state("sure", "assert", "end", condition="1 < 2")).end_state == "end"


def test_an_assert_that_does_not_hold_fails_with_its_message():
    result = run(state("sure", "assert", "end", condition="n > 2", message="only {n}"), n=1)
    assert (result.status, result.error, result.end_state) == (RunStatus.FAILED, "only 1", "sure")


def test_an_end_gives_the_answer_of_the_flow():
    assert run(state("done", "end", result={"sum": "{a + b}"}), a=1, b=2).output == {"sum": 3}


def test_an_end_can_count_as_failed():
    result = run(state("done", "end", status="failed", message="no {what} left"), what="milk")
    assert (result.status, result.error, result.end_state) == (RunStatus.FAILED, "no milk left", "done")


def test_end_is_there_without_being_written():
    result = run(state("only", "set", "end", values={}))
    assert path_of(result) == ["only", "end"]


def test_a_state_without_target_ends_the_run_there():
    result = run(state("only", "set", values={}))
    assert (path_of(result), result.status) == (["only"], RunStatus.SUCCEEDED)


def test_a_listener_in_the_graph_names_parts_of_the_event():
    states = (state("mail", "listener-state", "end", output={"text": "email_body"}),)
    assert run(*states, event={"email_body": "hello"}).variables["text"] == "hello"


def test_a_state_that_lacks_a_required_parameter_fails_by_name():
    result = run(state("check", "if", "end"))
    assert result.error == "the state 'check' needs the parameter 'condition'"


def test_steps_of_control_states_are_recorded_as_succeeded():
    result = run(state("a", "set", "end", values={"x": 1}))
    assert [entry.status for entry in steps_of(result)] == [StepStatus.SUCCEEDED] * 2
    assert [entry.seq for entry in steps_of(result)] == [1, 2]
