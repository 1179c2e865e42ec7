"""What a Knative Broker says of an event that it gave up, and what is to become of it here. Pure.

It says it in three attributes: `knativeerrordest`, `knativeerrorcode`, `knativeerrordata` (Base64 of what the flow
answered). It leaves them out where the flow did not answer in time, where the answer was no event, and where the
delivery was to a Trigger that no longer exists.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from intellyhub_engine.serving.problems import PREFIX
from intellyhub_knative.platform.flow_answer import OTHER_VERSION, PASSING, parse_problem

__all__ = ["SAID", "Fate", "GivenUp", "read_given_up"]

CODE, DATA = "knativeerrorcode", "knativeerrordata"
SAID = ("knativeerrordest", CODE, DATA, "knativebrokerttl", "knativearrivaltime")
"""What Brokers add: no part of the event."""
MAX_ERROR = 768
MAX_CODED = 2048


class Fate(Enum):
    """What becomes of it."""

    DEAD = auto()  # the flow said so
    AGAIN = auto()  # whatever stands before the flow said so: it is delivered straight, as often as its settings say
    SILENT = auto()  # nobody said why: as AGAIN, where it can be for this flow at all


class GivenUp(NamedTuple):
    """A dead letter's reason."""

    fate: Fate
    code: int | None
    error: str


def read_given_up(headers: Mapping[str, str]) -> GivenUp:
    """What the headers of a dead letter say. Whatever they hold, there is a reason that a person can read."""
    code = read_code(headers.get(f"ce-{CODE}", ""))
    told = decode(headers.get(f"ce-{DATA}", ""))
    problem = parse_problem(told)
    kind = str(problem.get("type", ""))
    if kind.startswith(PREFIX):
        fate = Fate.AGAIN if kind in PASSING or kind == OTHER_VERSION else Fate.DEAD
        detail = problem.get("detail")
        words = detail if isinstance(detail, str) else kind
        return GivenUp(fate, code, f"the flow answered {code}: {words}"[:MAX_ERROR])
    if code is None:
        error = "the Broker gave no reason: no answer came in time, or one that is no event"
        return GivenUp(Fate.SILENT, None, error)
    words = told.decode("utf-8", "replace").strip()
    return GivenUp(Fate.AGAIN, code, f"the Broker was answered {code}{': ' if words else ''}{words}"[:MAX_ERROR])


def read_code(written: str) -> int | None:
    """An HTTP status; None for what is none."""
    return int(written) if written.isascii() and written.isdigit() and len(written) == 3 else None


def decode(written: str) -> bytes:
    """What the flow answered; as it is written where that is not Base64."""
    try:
        return base64.b64decode(written[:MAX_CODED], validate=True)
    except (binascii.Error, ValueError):
        return written[:MAX_CODED].encode("latin-1", "replace")
