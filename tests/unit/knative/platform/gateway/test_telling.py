"""What watchers are told of each entry."""

import orjson
import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import (
    Logged,
    RunFinished,
    RunStatus,
    RunSuspended,
    RunWoken,
    StepFinished,
    StepStarted,
    StepStatus,
)
from intellyhub_knative.platform.gateway.telling import is_last, tell
from intellyhub_knative.platform.journal.frames import Frame

SECOND = 1_000_000_000


def told(entry, status=RunStatus.RUNNING, secrets=()):
    text = tell(Frame("r1", "t/f", 77, entry, status), secrets)
    assert text.endswith(b"\n\n")
    number, kind, data = text.rstrip().split(b"\n")
    assert number == b"id: 77"
    return kind.decode().removeprefix("event: "), orjson.loads(data.removeprefix(b"data: "))


def test_a_beginning_is_a_status():
    assert told(None) == ("status", {"run_id": "r1", "status": "running"})


def test_a_step_is_told_when_it_begins_and_when_it_ends():
    kind, began = told(StepStarted(1, "fetch", "http", 1, SECOND))
    assert (kind, began["status"], began["started_at"]) == ("step", "running", "1970-01-01T00:00:01.000Z")
    event = Event(id="e", source="/s", type="t", data={"a": 1})
    step = StepFinished(
        1, "fetch", "http", 1, StepStatus.SUCCEEDED, "end", SECOND, 3 * SECOND, {"a": 1}, None, None, (event,), ("b",)
    )
    kind, ended = told(step)
    assert (kind, ended["status"], ended["duration_ms"], ended["changes"]) == ("step", "succeeded", 2000.0, {"a": 1})
    assert (ended["next"], ended["removed"], ended["emitted"]) == (
        "end",
        ["b"],
        [{"id": "e", "source": "/s", "type": "t"}],
    )
    assert set(began) == set(ended)


def test_a_run_that_was_woken_goes_on():
    assert told(RunWoken(2, "ask", "/s", "e")) == ("status", {"run_id": "r1", "status": "running"})


def test_a_line_is_a_log():
    kind, line = told(Logged(1, "info", "two\nlines", SECOND))
    assert (kind, line["message"], line["level"]) == ("log", "two\nlines", "info")


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (RunSuspended(1, "ask", None, None, "Go on?"), "approval"),
        (RunSuspended(1, "ask", 5 * SECOND, {"type": "t"}, None), "event"),
        (RunSuspended(1, "ask", 5 * SECOND, None, None), "time"),
        (RunSuspended(1, "ask", None, None, None), "children"),
    ],
)
def test_a_waiting_run_says_for_what(entry, kind):
    name, status = told(entry, RunStatus.WAITING)
    assert (name, status["status"], status["waiting_for"]["kind"]) == ("status", "waiting", kind)
    assert status["wake_at"] == (None if entry.until_ns is None else "1970-01-01T00:00:05.000Z")


def test_an_end_is_the_last():
    entry = RunFinished(RunStatus.SUCCEEDED, "end", None, {"x": 1}, SECOND)
    assert told(entry)[0] == "end"
    assert told(entry)[1]["output"] == {"x": 1}
    assert is_last(Frame("r", "t/f", 1, entry, RunStatus.SUCCEEDED))
    assert not is_last(Frame("r", "t/f", 1, None, RunStatus.RUNNING))


def test_secrets_are_masked_wherever_they_stand():
    secrets = {"hunter22"}
    assert "hunter22" not in str(told(Logged(1, "info", "it is hunter22", SECOND), secrets=secrets))
    finished = RunFinished(RunStatus.FAILED, "end", "hunter22 was refused", {"x": ["hunter22"]}, SECOND)
    assert "hunter22" not in str(told(finished, secrets=secrets))
