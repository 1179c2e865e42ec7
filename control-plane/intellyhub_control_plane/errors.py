"""Everything that the control plane refuses, as one tree. Each becomes a problem document (RFC 9457).

ControlPlaneError
├── SettingsInvalid             environment variables that cannot be used, all of them
└── Refusal                     what a client is told
    ├── RequestInvalid          422: the request's shape is wrong; names every fault
    ├── FlowRefused             422: the flow's text has errors; names every one
    ├── KeyReused               422: an idempotency key came back with another request
    ├── FlowUnwilling           422: the flow's worker says why it does not do it
    ├── Unauthenticated         401: nobody known
    ├── RoleTooLow              403: known, but not allowed
    ├── RegistrationClosed      403: accounts are made by the administrator
    ├── NotFound                404: nothing with that name in this tenant
    ├── NoAddress               404: the API has no such address
    ├── Taken                   409: the name is in use
    ├── NotNow                  409: it cannot be done as things stand
    ├── Stale                   412: it was changed meanwhile
    ├── QuotaExceeded           402: the plan does not include more
    ├── TooManyRequests         429: with the time to wait
    ├── NotOffered              501: this installation does not do it
    ├── Unreachable             503: another part of the platform does not answer
    └── DiskFull                507: nothing can be kept
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from intellyhub_control_plane.shapes.flows import FlowProblem
from intellyhub_control_plane.shapes.problems import FieldFault

__all__ = [
    "ControlPlaneError",
    "DiskFull",
    "FlowRefused",
    "FlowUnwilling",
    "KeyReused",
    "NoAddress",
    "NotFound",
    "NotNow",
    "NotOffered",
    "QuotaExceeded",
    "Refusal",
    "RegistrationClosed",
    "RequestInvalid",
    "RoleTooLow",
    "SettingsInvalid",
    "Stale",
    "Taken",
    "TooManyRequests",
    "Unauthenticated",
    "Unreachable",
    "found",
]

Row = TypeVar("Row")


class ControlPlaneError(Exception):
    """A fault the control plane can name."""


class SettingsInvalid(ControlPlaneError):
    """Environment variables that cannot be used; the message names every one."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


class Refusal(ControlPlaneError):
    """The request is answered with a problem document. Classes say which, fields say what."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "The request cannot be understood"

    @property
    def detail(self) -> str:
        """What a person should know."""
        return str(self)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {}


class RequestInvalid(Refusal):
    """The request's shape is wrong."""

    status, code, title = 422, "invalid-request", "The request is at fault"

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.location}: {fault.message}" for fault in faults))


class FlowRefused(Refusal):
    """The flow's text has errors."""

    status, code, title = 422, "invalid-flow", "The flow has errors"

    def __init__(self, problems: Sequence[FlowProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(problems)} problem{'s' * (len(problems) != 1)} in the flow's text")


class KeyReused(Refusal):
    """An idempotency key came back with another request."""

    status, code, title = 422, "idempotency-key-reused", "The idempotency key belongs to another request"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key!r} was used for a request with another content; use a new key for a new request")


class FlowUnwilling(Refusal):
    """The flow's worker says why it does not do it."""

    status, code, title = 422, "unwilling", "The flow cannot do that"


class Unauthenticated(Refusal):
    """Nobody is signed in, or what was shown is not good."""

    status, code, title = 401, "unauthenticated", "Not signed in"

    @property
    def headers(self) -> dict[str, str]:
        """What would have to be shown."""
        return {"WWW-Authenticate": 'Bearer realm="intellyhub"'}


class RoleTooLow(Refusal):
    """The caller is known and may not."""

    status, code, title = 403, "forbidden", "The role does not suffice"

    def __init__(self, needed: str, held: str) -> None:
        self.needed, self.held = str(needed), str(held)
        super().__init__(f"this asks for the role {self.needed!r}; yours is {self.held!r}")


class RegistrationClosed(Refusal):
    """Accounts are made by the administrator here."""

    status, code, title = 403, "registration-closed", "Registration is closed"


class NotFound(Refusal):
    """There is nothing with that name in this tenant."""

    status, code, title = 404, "not-found", "There is nothing with that name"

    def __init__(self, noun: str, name: object) -> None:
        self.noun, self.name = noun, name
        super().__init__(f"there is no {noun} {str(name)[:120]!r}")


def found(row: Row | None, noun: str, name: object) -> Row:
    """The row that was looked for. Raises `NotFound` where there is none."""
    if row is None:
        raise NotFound(noun, name)
    return row


class NoAddress(Refusal):
    """The API has no such address."""

    status, code, title = 404, "not-found", "There is nothing here"


class Taken(Refusal):
    """The name is in use."""

    status, code, title = 409, "taken", "The name is in use"

    def __init__(self, noun: str, name: str) -> None:
        self.noun, self.name = noun, name
        super().__init__(f"the {noun} {name!r} is in use")


class NotNow(Refusal):
    """It cannot be done as things stand."""

    status, code, title = 409, "conflict", "It cannot be done as things stand"


class Stale(Refusal):
    """It was changed since the client read it."""

    status, code, title = 412, "stale", "It was changed meanwhile"

    def __init__(self, current: str) -> None:
        self.current = current
        super().__init__(f"its ETag is {current} now; read it again before changing it")


class QuotaExceeded(Refusal):
    """The plan does not include more."""

    status, code, title = 402, "quota-exceeded", "The plan does not include more"

    def __init__(self, noun: str, limit: int) -> None:
        self.noun, self.limit = noun, limit
        super().__init__(f"the plan includes {limit} {noun}; all are in use")


class TooManyRequests(Refusal):
    """Come again later."""

    status, code, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, reason: str, retry_after_seconds: int) -> None:
        self.retry_after_seconds = max(1, retry_after_seconds)
        super().__init__(f"{reason}; try again in {self.retry_after_seconds} seconds")

    @property
    def headers(self) -> dict[str, str]:
        """When to come again."""
        return {"Retry-After": str(self.retry_after_seconds)}


class NotOffered(Refusal):
    """This installation does not do it."""

    status, code, title = 501, "not-offered", "This installation does not do that"


class Unreachable(Refusal):
    """Another part of the platform does not answer."""

    status, code, title = 503, "unreachable", "A part of the platform is not to be reached"

    def __init__(self, part: str, reason: str) -> None:
        self.part, self.reason = part, reason
        super().__init__(f"the {part} does not answer: {reason}")

    @property
    def headers(self) -> dict[str, str]:
        """Processes are started again within seconds."""
        return {"Retry-After": "2"}


class DiskFull(Refusal):
    """There is no room to keep anything."""

    status, code, title = 507, "full", "The disk is full"
