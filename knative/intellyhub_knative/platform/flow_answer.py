"""What a flow's worker answered, and what its problems mean to whoever brings it events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from intellyhub_engine.serving.problems import CONTENT_TYPE, PREFIX, Fault

__all__ = ["Answer", "is_passing", "other_version", "read_problem"]

VERSION = "x-intellyhub-version"
PASSING = frozenset(
    PREFIX + fault.value.code
    for fault in (Fault.BUSY, Fault.IN_FLIGHT, Fault.STOPPING, Fault.NOT_READY, Fault.JOURNAL_UNAVAILABLE)
)
OTHER_VERSION = PREFIX + Fault.OTHER_VERSION.value.code


class Answer(NamedTuple):
    """What a worker said."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


def is_passing(answer: Answer) -> bool:
    """Whether the worker could not even try: no fault of the flow. Another one, or the same a moment later, can."""
    return answer.status == 503 and read_problem(answer).get("type") in PASSING


def other_version(answer: Answer) -> str | None:
    """The digest of the version that the event's run belongs to, where the worker says that it is not its own."""
    if answer.status != 409 or read_problem(answer).get("type") != OTHER_VERSION:
        return None
    return answer.headers.get(VERSION)


def read_problem(answer: Answer) -> Mapping[str, object]:
    """The problem document of an answer; empty where it has none."""
    if not answer.headers.get("content-type", "").startswith(CONTENT_TYPE):
        return {}
    try:
        problem = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}
