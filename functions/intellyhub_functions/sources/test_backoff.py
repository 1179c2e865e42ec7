"""How long sources wait after failures."""

# mypy: allow-untyped-defs, allow-untyped-calls

from dataclasses import replace

from intellyhub_engine.errors import RetryableError
from intellyhub_engine.machine.source import Health
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.testing.surroundings import Log, make_context


def test_waits_double_up_to_a_limit_and_begin_anew_after_a_contact(tmp_path):
    told: list[Health] = []
    log = Log()
    context = make_context(tmp_path, log=log, report=told.append)
    context.stopping.set()  # so that nothing is waited for
    backoff = Backoff(context, first_seconds=1.0, most_seconds=4.0)
    for _ in range(4):
        assert backoff.fail(RetryableError("away"), "the listener")
    for state, longest in zip(told, (1, 2, 4, 4), strict=True):
        assert state.next_attempt_seconds is not None
        assert longest * 0.75 <= state.next_attempt_seconds <= longest
    backoff.succeed()
    assert told[-1] == Health(connected=True)
    assert "in contact again after 4 failures" in log.text()
    backoff.fail(RetryableError("away"), "the listener")
    assert (told[-1].next_attempt_seconds or 9) <= 1


def test_it_waits_as_long_as_the_other_side_asks(tmp_path):
    told: list[Health] = []
    context = replace(make_context(tmp_path), report=told.append)
    context.stopping.set()
    Backoff(context).fail(RetryableError("flood", retry_after_seconds=77), "the listener")
    assert told[0].next_attempt_seconds == 77


def test_a_server_that_is_away_for_weeks_is_still_waited_for(tmp_path):
    told: list[Health] = []
    context = make_context(tmp_path, report=told.append)
    context.stopping.set()
    backoff = Backoff(context)
    for _ in range(1100):
        assert backoff.fail(RetryableError("away"), "the listener")
    assert 225 <= (told[-1].next_attempt_seconds or 0) <= 300
