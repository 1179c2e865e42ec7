"""What a flow's worker answered, and what its problems mean to whoever brings it events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from intellyhub_engine.serving.problems import CONTENT_TYPE, PREFIX, Fault

__all__ = [
    "OTHER_VERSION",
    "PASSING",
    "Answer",
    "is_end",
    "is_of_a_worker",
    "is_passing",
    "is_repeated",
    "other_version",
    "parse_problem",
    "read_problem",
]

VERSION = "x-intellyhub-version"
PASSING = frozenset(
    PREFIX + fault.value.code
    for fault in (Fault.BUSY, Fault.IN_FLIGHT, Fault.STOPPING, Fault.NOT_READY, Fault.JOURNAL_UNAVAILABLE)
)
REPEATED = frozenset((404, 408, 409, 429))
"""And 500 to 599. Every other status above 299 is final."""
ENDS = frozenset(PREFIX + fault.value.code for fault in (Fault.RUN_FAILED, Fault.RUN_RETRYABLE, Fault.RUN_CANCELLED))
OTHER_VERSION = PREFIX + Fault.OTHER_VERSION.value.code


class Answer(NamedTuple):
    """What a worker said."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


def is_of_a_worker(answer: Answer) -> bool:
    """Whether a worker's problem is what this is, and not one of whatever stands before it."""
    return str(read_problem(answer).get("type", "")).startswith(PREFIX)


def is_end(answer: Answer) -> bool:
    """Whether a run has come to its end, as a success or not."""
    return 200 <= answer.status < 300 or read_problem(answer).get("type") in ENDS


def is_passing(answer: Answer) -> bool:
    """Whether the worker could not even try: no fault of the flow. Another one, or the same a moment later, can."""
    return answer.status == 503 and read_problem(answer).get("type") in PASSING


def is_repeated(status: int) -> bool:
    """Whether a Knative Broker tries again after this status, and so do we."""
    return status in REPEATED or 500 <= status < 600


def other_version(answer: Answer) -> str | None:
    """The digest of the version that the event's run belongs to, where the worker says that it is not its own."""
    if answer.status != 409 or read_problem(answer).get("type") != OTHER_VERSION:
        return None
    return answer.headers.get(VERSION)


def read_problem(answer: Answer) -> Mapping[str, object]:
    """The problem document of an answer; empty where it has none."""
    return parse_problem(answer.body) if answer.headers.get("content-type", "").startswith(CONTENT_TYPE) else {}


def parse_problem(body: bytes) -> Mapping[str, object]:
    """A problem document; empty for anything else."""
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}
