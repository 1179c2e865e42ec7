"""The JSON object of a run."""

import json

from intellyhub_engine.cli.answer import iso_time, make_answer, make_json
from intellyhub_engine.journal.records import Logged, RunFinished, RunStatus, StepFinished, StepStarted, StepStatus
from intellyhub_engine.machine.result import RunResult

SECOND = 1_000_000_000
NOON = 1_764_072_000 * SECOND


def finished(seq, state, status=StepStatus.SUCCEEDED, attempt=1, next_state="end"):
    start = NOON + seq * SECOND
    return StepFinished(seq, state, "set", attempt, status, next_state, start, start + 1_234_567, {}, None, None, ())


def test_the_object_has_exactly_the_documented_keys():
    entries = [
        StepStarted(1, "a", "set", 1, NOON),
        finished(1, "a", StepStatus.RETRYING),
        Logged(1, "info", "again", NOON),
        finished(1, "a", attempt=2),
        RunFinished(RunStatus.SUCCEEDED, "end", None, None, NOON),
    ]
    result = RunResult(
        run_id="r", status=RunStatus.SUCCEEDED, end_state="end", error=None, variables={"x": 1}, entries=entries
    )
    answer = make_answer(result)
    assert list(answer) == ["run_id", "status", "end_state", "error", "steps", "variables", "log"]
    assert [(step["attempt"], step["status"]) for step in answer["steps"]] == [(1, "retrying"), (2, "succeeded")]
    assert answer["steps"][1] == {
        "seq": 1,
        "state": "a",
        "type": "set",
        "attempt": 2,
        "status": "succeeded",
        "next": "end",
        "started_at": "2025-11-25T12:00:01.000000Z",
        "duration_ms": 1.235,
    }
    assert answer["log"] == [{"at": "2025-11-25T12:00:00.000000Z", "level": "info", "seq": 1, "message": "again"}]


def test_an_attempt_that_never_finished_is_running():
    result = RunResult(
        run_id="r",
        status=RunStatus.RUNNING,
        end_state=None,
        error=None,
        variables={},
        entries=[finished(1, "a"), StepStarted(2, "b", "http", 1, NOON)],
    )
    assert [(step["state"], step["status"]) for step in make_answer(result)["steps"]] == [
        ("a", "succeeded"),
        ("b", "running"),
    ]


def test_times_are_utc_to_the_microsecond():
    assert iso_time(NOON + 1_999) == "2025-11-25T12:00:00.000001Z"


def test_whatever_a_flow_holds_becomes_json():
    text = make_json({"n": float("nan"), "big": 2**70, "set": {1}, "bytes": b"\xff", 1: "key"}, pretty=False)
    assert json.loads(text) == {"n": None, "big": 2**70, "set": [1], "bytes": "\ufffd", "1": "key"}
