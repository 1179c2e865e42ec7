"""States of the catalogue: the call, its result, its failures, its deadline."""

import logging
import threading

import pytest

from intellyhub_engine.catalogue.manifest import Catalogue, StateType
from intellyhub_engine.errors import PermanentError, RetryableError, StepTimedOut
from intellyhub_engine.journal.records import RunStatus, StepStatus
from intellyhub_engine.language.model import Durability, LogLine
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.step import Outcome
from tests.unit.engine.machine.small import (
    Effects,
    log_of,
    make_catalogue,
    make_host,
    make_program,
    path_of,
    state,
    steps_of,
)


def run(*states, do=None, catalogue=None, **variables):
    catalogue = catalogue or make_catalogue(do=do)
    return start(make_program(*states, catalogue=catalogue), make_host(catalogue=catalogue), variables=variables)


def failing(error):
    def perform(parameters, step):
        raise error

    return perform


def test_the_result_of_a_function_is_its_output():
    result = run(state("work", "do", "end", output="done", x="{a}"), do=lambda given, step: {"was": given["x"]}, a=4)
    assert result.variables["done"].was == 4


def test_an_output_mapping_takes_fields_of_the_result_or_variables():
    outputs = {"id": "data.id", "same": "a", "none": "nowhere"}
    result = run(state("work", "do", "end", output=outputs), do=lambda given, step: {"data": {"id": 9}}, a=4)
    assert (result.variables["id"], result.variables["same"], result.variables["none"]) == (9, 4, None)


def test_an_outcome_changes_and_removes_variables():
    def perform(given, step):
        return Outcome(value=1, changes={"b": 2}, removed=("a", "never"))

    result = run(state("work", "do", "end", output="o"), do=perform, a=1)
    assert result.variables == {"o": 1, "b": 2}
    assert steps_of(result)[0].removed == ("a",)


def test_a_function_sees_its_visit():
    effects = Effects()
    run(state("work", "do", "end", timeout_seconds=5), do=effects.perform, a=1)
    (step,) = effects.steps
    assert (step.state, step.seq, step.attempt, step.flow, step.timeout_seconds) == ("work", 1, 1, "small", 5)
    assert step.scope["a"] == 1
    assert step.idempotency_key == f"{step.run_id}/1"


def test_success_transition_wins_over_transition():
    states = (state("work", "do", "a", targets={"success": "b"}), state("a", "end"), state("b", "end"))
    assert run(*states, do=lambda given, step: None).end_state == "b"


def test_a_failure_takes_the_error_edge_and_tells_what_happened():
    states = (
        state("work", "do", "end", targets={"error": "sorry"}),
        state("sorry", "set", values={"m": "{error_message}"}),
    )
    result = run(*states, do=failing(PermanentError("no such chat")))
    assert result.variables["m"] == "no such chat"
    assert result.variables["error_state"] == "work"
    assert steps_of(result)[0].status is StepStatus.FAILED


def test_error_message_is_empty_before_anything_failed():
    assert run(state("a", "set", values={"m": "<{error_message}>"}), do=None).variables["m"] == "<>"


def test_a_failure_without_error_edge_fails_the_run():
    result = run(state("work", "do", "end"), do=failing(PermanentError("no such chat")))
    assert (result.status, result.error, result.end_state) == (RunStatus.FAILED, "no such chat", "work")
    assert result.retry_after_seconds is None


@pytest.mark.parametrize(("asked", "told"), [(7.0, 7.0), (None, 1.0)])
def test_a_run_that_failed_for_now_says_when_to_try_again(asked, told):
    result = run(state("work", "do", "end"), do=failing(RetryableError("busy", retry_after_seconds=asked)))
    assert (result.status, result.retry_after_seconds) == (RunStatus.FAILED, told)


def test_an_error_target_that_no_state_has_fails_the_run_with_the_steps_error():
    result = run(state("work", "do", "end", targets={"error": "error"}), do=failing(PermanentError("no such chat")))
    assert (result.status, result.error, result.end_state) == (RunStatus.FAILED, "no such chat", "work")


def test_the_types_default_catches_errors_where_the_flow_has_that_state():
    kind = StateType(type="do", load=lambda: failing(PermanentError("no")), error_default="error")
    catalogue = Catalogue(states={**make_catalogue().states, "do": kind})
    assert run(state("work", "do"), catalogue=catalogue).status is RunStatus.FAILED
    assert run(state("work", "do"), state("error", "end"), catalogue=catalogue).end_state == "error"


def test_an_unknown_target_fails_the_run_and_names_both_states():
    result = run(state("a", "set", "nowhere", values={}))
    assert result.status is RunStatus.FAILED
    assert result.error == "the state 'a' goes to 'nowhere', which the flow does not have"
    assert path_of(result) == ["a"]


def test_the_result_of_a_failure_is_the_output():
    states = (state("work", "do", "end", output="o", targets={"error": "end"}),)
    result = run(*states, do=failing(PermanentError("no", result={"success": False})))
    assert result.variables["o"].success is False


def test_a_bug_in_a_function_is_told_without_traceback_and_logged_with_it(caplog):
    with caplog.at_level(logging.ERROR, logger="intellyhub.machine"):
        result = run(state("work", "do", "end"), do=lambda given, step: given["x"])
    assert result.error == "the state 'work' broke: KeyError: 'x'"
    assert caplog.records[0].exc_info is not None


def test_a_foreign_value_fails_the_step():
    result = run(state("work", "do", "end", output="o"), do=lambda given, step: object())
    assert result.status is RunStatus.FAILED
    assert "object" in result.error


def test_a_type_that_is_not_installed_fails_with_the_remedy():
    result = run(state("work", "linkedin", "end"), do=None)
    assert result.error == "the state type 'linkedin' is not known here: install the package that brings it"


def test_a_function_that_cannot_be_imported_fails_its_state_only():
    def load():
        raise ImportError("no module named boto3")

    catalogue = Catalogue(states={**make_catalogue().states, "do": StateType(type="do", load=load)})
    result = run(state("work", "do", "end", targets={"error": "sorry"}), state("sorry", "end"), catalogue=catalogue)
    assert result.end_state == "sorry"
    assert "boto3" in result.variables["error_message"]


def test_a_function_is_loaded_at_the_first_visit():
    loaded = []

    def load():
        loaded.append(1)
        return Effects().perform

    catalogue = Catalogue(states={**make_catalogue().states, "do": StateType(type="do", load=load)})
    run(state("a", "end"), state("work", "do", "end"), catalogue=catalogue)
    assert loaded == []
    run(state("work", "do", "again"), state("again", "do"), catalogue=catalogue)
    assert loaded == [1, 1]


def test_a_soft_fault_takes_the_error_edge():
    def perform(given, step):
        return Outcome(value={"returncode": 1}, fault="exit code 1", changes={"x": 1})

    states = (state("work", "do", "end", output="o", targets={"error": "sorry"}), state("sorry", "end"))
    result = run(*states, do=perform)
    assert result.end_state == "sorry"
    assert (result.variables["o"].returncode, result.variables["x"]) == (1, 1)
    assert result.variables["error_message"] == "exit code 1"


def test_a_soft_fault_without_error_edge_goes_on_with_a_warning():
    def perform(given, step):
        return Outcome(value={"returncode": 1}, fault="exit code 1")

    result = run(state("work", "do", "end", output="o"), do=perform)
    assert (result.status, result.variables["o"].returncode) == (RunStatus.SUCCEEDED, 1)
    assert ("warning", "work: exit code 1") in log_of(result)


def test_a_log_speaks_of_the_states_own_result():
    states = (state("work", "do", "end", output="rows", log=LogLine(message="found {len(rows)}")),)
    assert log_of(run(*states, do=lambda given, step: [1, 2])) == [("info", "found 2")]


def test_a_log_of_the_error_is_for_failures_only():
    line = LogLine(message="oh: {error_message}", level="error")
    states = (state("work", "do", "end", log=line, targets={"error": "end"}),)
    assert log_of(run(*states, do=lambda given, step: 1)) == []
    assert ("error", "oh: no") in log_of(run(*states, do=failing(PermanentError("no"))))


def test_lines_below_the_flows_level_are_dropped():
    def perform(given, step):
        step.log("debug", "detail")
        step.log("info", "news")

    assert log_of(run(state("work", "do", "end"), do=perform)) == [("info", "news")]


def test_an_unresolved_name_is_told_once():
    states = (
        state("a", "do", "b", text="{nobody} and"),
        state("b", "do", "end", text="{nobody} again"),
    )
    result = run(*states, do=lambda given, step: None)
    assert len([line for line in log_of(result) if line[0] == "warning" and "nobody" in line[1]]) == 1


def test_a_step_that_ends_in_time_gives_its_result():
    assert run(state("work", "do", "end", output="o", timeout_seconds=5), do=lambda given, step: 3).variables["o"] == 3


def test_a_step_that_does_not_end_is_left_behind():
    ended = threading.Event()

    def perform(given, step):
        step.cancelled.wait(30)
        ended.set()

    result = run(state("work", "do", "end", timeout_seconds=0.01), do=perform)
    assert result.error == "the step took longer than 0.01 s"
    assert ended.wait(5)


def test_a_functions_own_timeout_is_told_in_its_words():
    result = run(state("work", "do", "end", timeout_seconds=5), do=failing(TimeoutError("no answer in 5 s")))
    assert result.error == "no answer in 5 s"
    assert run(state("work", "do", "end"), do=failing(StepTimedOut("late"))).error == "late"


def test_cancelling_ends_a_long_effect_and_the_run():
    catalogue = make_catalogue(do=lambda given, step: step.cancelled.wait(30))
    host = make_host(catalogue=catalogue)
    timer = threading.Timer(0.05, host.cancelled.set)
    timer.start()
    result = start(make_program(state("work", "do", "after"), state("after", "do"), catalogue=catalogue), host)
    timer.join()
    assert result.status is RunStatus.CANCELLED
    assert path_of(result) == ["work", "after"]


def test_a_cancelled_run_without_effects_ends_too():
    host = make_host()
    host.cancelled.set()
    result = start(make_program(state("a", "set", "a", values={}), max_steps=1000), host)
    assert result.status is RunStatus.CANCELLED


def test_the_observer_sees_every_entry_as_it_happens():
    seen = []
    catalogue = make_catalogue(do=Effects().perform)
    host = make_host(catalogue=catalogue, observe=lambda run_id, entry: seen.append(entry))
    result = start(make_program(state("work", "do", "end"), catalogue=catalogue), host)
    assert seen == list(result.entries)
    assert [type(entry).__name__ for entry in seen] == ["StepStarted", "StepFinished", "StepFinished", "RunFinished"]


def test_secrets_are_masked_wherever_a_run_shows_itself():
    def perform(given, step):
        step.log("info", f"using {given['token']}")
        raise PermanentError(f"GET https://x/bot{given['token']}/send failed")

    seen = []
    catalogue = make_catalogue(do=perform)
    host = make_host(
        catalogue=catalogue,
        secrets=["123:abc"],
        outer={"T": "123:abc"},
        observe=lambda run_id, entry: seen.append(entry),
    )
    program = make_program(state("work", "do", "end", token="{T}"), catalogue=catalogue, variables={"token": "{T}"})
    result = start(program, host)
    assert result.variables["token"] == "***"
    assert "123:abc" not in repr((result, seen))


def test_a_flow_without_durability_uses_no_journal():
    program = make_program(state("a", "end"), durability=Durability.NONE)
    host = make_host(journal=object())
    assert start(program, host).status is RunStatus.SUCCEEDED
