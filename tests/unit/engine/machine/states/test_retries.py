"""Retries: which failures, how often, after which pause."""

import pytest

from intellyhub_engine.errors import EngineError, PermanentError, RetryableError, StepTimedOut
from intellyhub_engine.journal.records import RunStatus, StepStatus
from intellyhub_engine.language.model import Retry
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.states.retries import pause_before
from intellyhub_engine.machine.step import Outcome
from tests.unit.engine.machine.small import Clock, make_catalogue, make_host, make_program, state, steps_of


def run(errors, retry, targets=None):
    """A run of one state whose function fails with each error in turn and then succeeds."""
    left, keys, clock = list(errors), [], Clock()

    def perform(parameters, step):
        keys.append((step.idempotency_key, step.attempt))
        if left:
            error = left.pop(0)
            if isinstance(error, Outcome):
                return error
            raise error
        return "done"

    catalogue = make_catalogue(do=perform)
    program = make_program(
        state("work", "do", "end", output="o", retry=retry, targets=targets or {}), catalogue=catalogue
    )
    return start(program, make_host(clock, catalogue=catalogue)), clock, keys


BUSY = RetryableError("busy")


def test_a_retryable_failure_is_tried_again_with_the_same_idempotency_key():
    result, clock, keys = run([BUSY, BUSY], Retry(attempts=3, backoff_seconds=2))
    assert result.variables["o"] == "done"
    assert clock.slept == [2, 4]
    assert len({key for key, _ in keys}) == 1
    assert [attempt for _, attempt in keys] == [1, 2, 3]


def test_every_attempt_is_recorded_under_one_sequence():
    result, _, _ = run([BUSY], Retry(attempts=3))
    steps = [(step.seq, step.attempt, step.status, step.next) for step in steps_of(result)]
    assert steps[:2] == [(1, 1, StepStatus.RETRYING, "work"), (1, 2, StepStatus.SUCCEEDED, "end")]


def test_attempts_end():
    result, clock, keys = run([BUSY] * 9, Retry(attempts=3, backoff_seconds=1))
    assert (result.status, result.error, len(keys)) == (RunStatus.FAILED, "busy", 3)
    assert clock.slept == [1, 2]


def test_a_permanent_failure_is_not_tried_again():
    result, _, keys = run([PermanentError("no")], Retry(attempts=3))
    assert (result.error, len(keys)) == ("no", 1)


def test_the_error_edge_is_taken_after_the_last_attempt():
    result, _, keys = run([BUSY] * 9, Retry(attempts=2), targets={"error": "end"})
    assert (result.status, len(keys)) == (RunStatus.SUCCEEDED, 2)
    assert result.variables["error_message"] == "busy"


def test_a_soft_fault_is_tried_again_and_then_goes_on():
    fault = Outcome(value=1, fault="exit code 1")
    result, _, keys = run([fault, fault, fault], Retry(attempts=2))
    assert (result.status, result.variables["o"], len(keys)) == (RunStatus.SUCCEEDED, 1, 2)


@pytest.mark.parametrize(
    ("failure", "on", "again"),
    [
        (BUSY, (), True),
        (StepTimedOut("late"), (), True),
        (PermanentError("no"), (), False),
        (PermanentError("no"), ("permanent",), True),
        (BUSY, ("permanent",), False),
        (BUSY, ("timeout",), False),
        (StepTimedOut("late"), ("timeout",), True),
        (PermanentError("HTTP 409 Conflict"), ("conflict",), True),
        (PermanentError("HTTP 404"), ("conflict",), False),
        (EngineError("odd"), (), False),
    ],
)
def test_which_failures_are_tried_again(failure, on, again):
    assert (pause_before(2, failure, Retry(on=on)) is not None) is again


@pytest.mark.parametrize(
    ("attempt", "asked", "pause"),
    [(2, None, 1), (3, None, 2), (5, None, 8), (20, None, 60), (2, 5.0, 5), (2, 600.0, 60)],
)
def test_the_pause_doubles_up_to_its_maximum_and_heeds_what_was_asked(attempt, asked, pause):
    failure = RetryableError("busy", retry_after_seconds=asked)
    assert pause_before(attempt, failure, Retry(attempts=99)) == pause
