"""Problem documents."""

import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.serving.problems import MAX_PROBLEM_BYTES, PREFIX, Fault, make_problem

PAGE = Path(__file__).parents[4] / "docs" / "worker.md"


@given(st.sampled_from(Fault), st.text(), st.none() | st.text(), st.none() | st.text(), st.integers(1, 60))
def test_a_problem_is_whole_json_within_the_limit(fault, detail, run_id, state, times):
    problem = make_problem(fault, detail * times, run_id=run_id, state=state)
    assert len(problem.body) <= MAX_PROBLEM_BYTES
    document = orjson.loads(problem.body)
    assert (document["type"], document["status"]) == (PREFIX + fault.value.code, fault.value.status)


def test_a_short_problem_is_not_cut():
    detail = "d" * 500
    assert orjson.loads(make_problem(Fault.INTERNAL, detail, run_id="r" * 36).body)["detail"] == detail


def test_a_long_problem_keeps_as_much_as_fits():
    body = make_problem(Fault.RUN_FAILED, "x" * 5000, run_id="r" * 36, state="s").body
    assert MAX_PROBLEM_BYTES - 40 <= len(body) <= MAX_PROBLEM_BYTES


@pytest.mark.parametrize(("seconds", "header"), [(0, "1"), (0.2, "1"), (1, "1"), (1.2, "2"), (60, "60")])
def test_retry_after_is_rounded_up_to_whole_seconds(seconds, header):
    assert make_problem(Fault.BUSY, "", retry_after_seconds=seconds).headers == (("Retry-After", header),)


def test_every_problem_stands_in_the_manual():
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(fault.value.code, str(fault.value.status), fault.value.title) for fault in Fault]
