"""A flow's own tests."""

from dataclasses import replace

import pytest

from intellyhub_engine.language.model import FlowTest
from intellyhub_engine.machine.testing import run_test
from tests.unit.engine.machine.small import Effects, make_catalogue, make_host, make_program, state


def forbidden(parameters, step):
    raise AssertionError("a test must not touch the world")


def run(*states, **settings):
    catalogue = make_catalogue(do=forbidden)
    program = make_program(*states, catalogue=catalogue, variables=settings.pop("block", {}))
    host = make_host(catalogue=catalogue, journal=object(), emit=forbidden)
    return run_test(program, host, FlowTest(name="t", **settings))


STATES = (
    state("ask", "do", "check", output="answer"),
    state("check", "if", condition="answer.ok", targets={"true": "tell", "false": "end"}),
    state("tell", "do", "end"),
)


def test_mocks_stand_in_for_the_world():
    report = run(
        *STATES,
        mocks={"ask": {"ok": True}, "tell": None},
        expected_path=("ask", "check", "tell", "end"),
        expected_variables={"answer": {"ok": True}},
    )
    assert report.passed
    assert report.differences == ()


def test_a_mock_can_fail_the_state():
    states = (state("ask", "do", "end", targets={"error": "sorry"}), state("sorry", "end"))
    report = run(*states, mocks={"ask": {"error": "down"}}, expected_variables={"error_message": "down"})
    assert (report.passed, report.path) == (True, ("ask", "sorry"))


def test_the_states_own_fixture_is_its_mock():
    assert run(state("ask", "do", "end", output="x", mock=5), expected_variables={"x": 5}).passed


def test_a_state_without_mock_fails_and_says_what_to_write():
    report = run(*STATES)
    (difference,) = report.differences
    assert "the run failed at 'ask', expected 'succeeded'" in difference
    assert "mocks: {ask: <its result>}" in difference


def test_a_mock_takes_the_place_of_the_errors_edge_only_where_it_fails():
    states = (state("ask", "do", "end", targets={"error": "sorry"}), state("sorry", "end"))
    assert run(*states).passed is False


def test_another_path_is_told_at_the_step_where_it_differs():
    report = run(*STATES, mocks={"ask": {"ok": False}}, expected_path=("ask", "check", "tell", "end"))
    assert report.differences == (
        "the path differs at step 3: expected 'tell', but it went to 'end' (ask -> check -> end)",
    )


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (("ask", "check"), "expected the run to have ended, but it went to 'end'"),
        (("ask", "check", "end", "more"), "expected 'more', but the run had ended"),
    ],
)
def test_a_path_of_another_length_is_told(expected, told):
    assert told in run(*STATES, mocks={"ask": {"ok": False}}, expected_path=expected).differences[0]


def test_variables_that_differ_are_told():
    report = run(*STATES, mocks={"ask": {"ok": False}}, expected_variables={"answer": 1, "never": 2})
    assert report.differences == (
        "the variable 'answer' is {'ok': False}, expected 1",
        "the variable 'never' was not set, expected 2",
    )


def test_an_expected_failure_passes():
    assert run(state("a", "assert", condition="1 > 2"), expected_status="failed").passed


def test_the_event_and_the_variables_are_those_of_the_test():
    states = (state("a", "set", "end", values={"x": "{event.n} {v}"}),)
    assert run(*states, event={"n": 1}, variables={"v": 2}, expected_variables={"x": "1 2"}).passed
    assert run(
        *states, event={"data": {"n": 3}, "type": "t"}, variables={"v": 2}, expected_variables={"x": "3 2"}
    ).passed


def test_a_wait_for_a_time_passes_at_once_and_others_need_a_mock():
    assert run(state("w", "wait", "end", duration="1h")).passed
    report = run(state("w", "wait", "end", approval="go?"))
    assert "needs a mock for 'w'" in report.differences[0]
    assert run(
        state("w", "wait", "end", approval="go?", output="x"), mocks={"w": True}, expected_variables={"x": True}
    ).passed


def test_branches_use_the_mocks_too():
    states = (
        state("fan", "parallel", "end", targets={"branch:a": "fan/a"}),
        state("fan/a", "do", output="x"),
    )
    assert run(*states, mocks={"fan/a": 3}, expected_variables={"x": 3}).passed


def test_a_called_flow_touches_nothing_either():
    effects = Effects()
    catalogue = make_catalogue(do=effects.perform)
    callee = make_program(state("inner", "do", "end"), catalogue=catalogue)
    caller = make_program(state("ask", "call", "end", flow="callee"), catalogue=catalogue)
    host = replace(make_host(catalogue=catalogue), find_flow=lambda name: callee)
    report = run_test(caller, host, FlowTest(name="t"))
    assert "give the test a mock for the state that calls it" in report.differences[0]
    assert effects.done == []
    mocked = run_test(caller, host, FlowTest(name="t", mocks={"ask": 1}))
    assert mocked.passed
    unknown = run_test(caller, replace(host, find_flow=None), FlowTest(name="t"))
    assert "mocks: {ask: <its answer>}" in unknown.differences[0]


def test_an_emitted_event_goes_nowhere():
    assert run(state("e", "emit", "end", type="t"), expected_path=("e", "end")).passed
