"""A function that chooses the next state: by an edge, by a neighbour's name, out of a body, to the end."""

import pytest

from intellyhub_engine.journal.records import RunStatus, StepStatus
from intellyhub_engine.language.model import CONTINUE
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.step import Outcome
from tests.unit.engine.machine.small import (
    log_of,
    make_catalogue,
    make_host,
    make_program,
    path_of,
    state,
    steps_of,
)


def run(*states, choose):
    catalogue = make_catalogue(do=lambda given, step: choose)
    program = make_program(*states, state("far", "set"), state("end", "end"), catalogue=catalogue)
    return start(program, make_host(catalogue=catalogue))


@pytest.mark.parametrize(
    ("chosen", "path"), [("far", ["work", "far"]), ("end", ["work", "end"]), (None, ["work", "end"])]
)
def test_a_function_chooses_where_the_run_goes_on(chosen, path):
    result = run(state("work", "do", "end"), choose=Outcome(goes_to=chosen))
    assert (result.status, list(path_of(result))) == (RunStatus.SUCCEEDED, path)


def test_a_name_that_no_state_has_fails_the_run():
    result = run(state("work", "do", "end"), choose=Outcome(goes_to="nowhere"))
    assert (result.status, result.error) == (
        RunStatus.FAILED,
        "the state 'work' goes to 'nowhere', which the flow does not have",
    )


def test_a_neighbour_comes_before_a_state_further_out():
    states = [
        state("start", "set", "box/work"),
        state("box/work", "do", "box/near"),
        state("box/near", "set"),
        state("near", "set"),
    ]
    assert list(path_of(run(*states, choose=Outcome(goes_to="near")))) == ["start", "box/work", "box/near"]
    assert list(path_of(run(*states, choose=Outcome(goes_to="far")))) == ["start", "box/work", "far"]


@pytest.mark.parametrize("chosen", ["end", "far", "continue", CONTINUE])
def test_in_a_loop_s_body_the_end_and_what_is_outside_end_the_pass(chosen):
    loop = state("each", "loop", items=[1, 2], targets={"body": "each/work", "done": "end"})
    result = run(loop, state("each/work", "do", "each"), choose=Outcome(goes_to=chosen))
    assert (result.status, [name for name in path_of(result) if name == "each/work"]) == (
        RunStatus.SUCCEEDED,
        ["each/work"] * 2,
    )


def test_a_soft_failure_goes_where_the_function_says_unless_there_is_an_error_edge():
    outcome = Outcome(fault="not today", goes_to="far", changes={"told": True})
    result = run(state("work", "do", "end"), choose=outcome)
    assert (result.status, list(path_of(result)), result.variables["told"]) == (
        RunStatus.SUCCEEDED,
        ["work", "far"],
        True,
    )
    assert ("warning", "work: not today") in log_of(result)
    result = run(state("work", "do", "end", targets={"next": "end", "error": "end"}), choose=outcome)
    assert (steps_of(result)[0].status, list(path_of(result))) == (StepStatus.FAILED, ["work", "end"])
