"""Waits that do not say what for."""

import pytest

from intellyhub_engine.language.problems import Position
from tests.unit.engine.language.small import codes_of, only


def wait(written):
    return f"states:\n  w: {{state_type: wait{written and ', ' + written}}}\n"


@pytest.mark.parametrize(
    "written",
    [
        "seconds: 90",
        "duration: 5m",
        "duration: PT5M",
        "duration: '{pause}'",
        "until: '2026-01-31T09:00:00Z'",
        "until: 2026-01-31T09:00:00Z",
        "until: '{moment}'",
        "event: paid",
        "event: {type: paid}",
        "approval: 'Go on?'",
        "approval: 'Go on?', timeout_seconds: 60",
    ],
)
def test_a_wait_that_says_what_for_is_fine(written):
    assert codes_of(wait(written)) == []


def test_a_wait_for_nothing_is_an_error():
    problem = only(wait(""), "missing-parameter")
    assert (problem.message, problem.position) == ("'w' does not say what it waits for", Position(2, 3))
    assert problem.expected == "one of seconds, duration, until, event, approval"


def test_a_wait_for_two_things_is_an_error_where_the_second_stands():
    problem = only(wait("event: paid, duration: 5m"), "several-actions")
    assert problem.message == "'w' waits for several things: duration, event"
    assert problem.state == "w"


@pytest.mark.parametrize("written", ["duration: forever", "duration: 5 moons", "until: tomorrow", "seconds: soon"])
def test_a_time_that_is_none_is_an_error_before_any_run(written):
    assert only(wait(written), "wrong-value").state == "w"
