"""What can go wrong between us and a cluster's API.

ClusterError
├── Unreachable         no answer, or none that the API itself gave: asked again later
└── Refused             the API said no
    ├── NotThere        404
    ├── Expired         410: what was being followed is too old
    ├── Conflict        409: somebody else changed it, or owns a field
    ├── Forbidden       401, 403: our role does not allow it
    ├── Overloaded      429, 503, 504 and 500 without a reason: asked again later
    ├── Immutable       the object has to be made anew
    └── Invalid         400, 422, and 500 for a field that the schema does not have: asking again is no use
"""

from __future__ import annotations

import re

__all__ = [
    "ClusterError",
    "Conflict",
    "Expired",
    "Forbidden",
    "Immutable",
    "Invalid",
    "NotThere",
    "Overloaded",
    "Refused",
    "Unreachable",
    "make_refusal",
]

LONGEST_MESSAGE = 2000
IMMUTABLE = re.compile(r"immutable fields? changed|field is immutable", re.IGNORECASE)
NO_SUCH_FIELD = re.compile(r"failed to create typed patch object|field not declared in schema")
"""Server-side apply answers 500 for a misspelt field; no later attempt would do better."""


class ClusterError(Exception):
    """Something between us and the cluster failed."""

    passing = False
    """Whether the same request may succeed later, unchanged."""


class Unreachable(ClusterError):
    """The API did not answer: no connection, no answer in time, or half of one."""

    passing = True


class Refused(ClusterError):
    """The API's answer was no."""

    def __init__(self, status: int, reason: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message or reason or f"it answered {status}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class NotThere(Refused):
    """There is no such object, or the cluster does not know its kind."""


class Expired(Refused):
    """The place from which to go on is too old: list again."""


class Conflict(Refused):
    """Somebody else changed the object, or owns one of the fields."""


class Forbidden(Refused):
    """Our role does not allow it, or an admission rule does not."""


class Overloaded(Refused):
    """The API cannot at the moment."""

    passing = True


class Immutable(Refused):
    """A field cannot be changed: the object has to be deleted and made anew."""


class Invalid(Refused):
    """The object is not acceptable as it is."""


KINDS = {401: Forbidden, 403: Forbidden, 404: NotThere, 409: Conflict, 410: Expired}
PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))


def make_refusal(status: int, reason: str, message: str, retry_after_seconds: float | None = None) -> Refused:
    """The error for an answer (Kubernetes' `Status` document)."""
    message = message[:LONGEST_MESSAGE]
    if IMMUTABLE.search(message):
        kind: type[Refused] = Immutable
    elif status in KINDS:
        kind = KINDS[status]
    elif status in PASSING and not NO_SUCH_FIELD.search(message):
        kind = Overloaded
    else:
        kind = Invalid
    return kind(status, reason, message, retry_after_seconds)
