"""What is asked under `/runs`, where the platform starts, resumes and repeats runs on a caller's behalf."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from intellyhub_engine.serving.bodies import read_body
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.problems import Fault, RequestRefused

__all__ = [
    "ALLOW_POST",
    "ALLOW_READ",
    "CancelRun",
    "DecideRun",
    "ForkRun",
    "ReplayRun",
    "ResumeRun",
    "RunRequest",
    "ShowRun",
    "check_method",
    "decide_run",
    "make_options",
    "preferences",
    "read_object",
    "read_variables",
    "wants_no_wait",
]

ALLOW_READ = (("Allow", "GET, HEAD, OPTIONS"),)
ALLOW_PUT = (("Allow", "OPTIONS, PUT"),)
RUN_ID = re.compile("[0-9a-f]{32}")
ALLOW_POST = (("Allow", "OPTIONS, POST"),)


class ShowRun(NamedTuple):
    """Tell how a run stands."""

    run_id: str


class DecideRun(NamedTuple):
    """A person's answer to what a waiting run asked."""

    run_id: str
    decision: Any
    later: bool = False
    """The caller does not wait for the end; so in the others."""


class CancelRun(NamedTuple):
    """Stop a run."""

    run_id: str


class ResumeRun(NamedTuple):
    """Go on with a run whose time has come, or whose worker died."""

    run_id: str
    later: bool = False


class ReplayRun(NamedTuple):
    """Run again with the event and the variables of another run."""

    run_id: str
    variables: Mapping[str, Any]
    later: bool = False
    copy_id: str | None = None
    """What the new run is called, if the caller has chosen that; so in forks."""


class ForkRun(NamedTuple):
    """Run again from one step of another run on."""

    run_id: str
    seq: int
    variables: Mapping[str, Any]
    later: bool = False
    copy_id: str | None = None


RunRequest = ShowRun | DecideRun | CancelRun | ResumeRun | ReplayRun | ForkRun


def decide_run(request: Request) -> RunRequest:
    """`/runs/{id}` and what is below it. Raises `RequestRefused`."""
    run_id, _, part = request.path.removeprefix("/runs/").partition("/")
    if not run_id or (part and part not in PARTS):
        raise RequestRefused(Fault.NOT_FOUND, f"a run has {', '.join(PARTS)}, nothing else")
    if not part:
        check_method(request, ("GET", "HEAD"), ALLOW_READ)
        return ShowRun(run_id)
    method, read = PARTS[part]
    check_method(request, (method,), ALLOW_PUT if method == "PUT" else ALLOW_POST)
    return read(request, run_id)


def make_options(path: str) -> Response:
    """What is offered at a path under `/runs`."""
    if path == "/runs":
        return Response(204, headers=ALLOW_POST)
    method = PARTS.get(path.removeprefix("/runs/").partition("/")[2], ("GET", None))[0]
    return Response(204, headers={"PUT": ALLOW_PUT, "POST": ALLOW_POST}.get(method, ALLOW_READ))


def read_decision(request: Request, run_id: str) -> DecideRun:
    """`{"decision": ...}`."""
    body = read_body(request.headers.get("content-type"), request.body)
    if not isinstance(body, dict) or "decision" not in body:
        raise RequestRefused(Fault.BAD_BODY, 'the body is not an object with the key "decision"')
    return DecideRun(run_id, body["decision"], wants_no_wait(request.headers))


def read_cancellation(_request: Request, run_id: str) -> CancelRun:
    """No body is needed."""
    return CancelRun(run_id)


def read_resumption(request: Request, run_id: str) -> ResumeRun:
    """No body is needed."""
    return ResumeRun(run_id, wants_no_wait(request.headers))


def read_replay(request: Request, run_id: str) -> ReplayRun:
    """`{"variables"?}`."""
    body = read_object(request, ("variables",))
    return ReplayRun(run_id, read_variables(body), wants_no_wait(request.headers), read_copy_id(request.headers))


def read_fork(request: Request, run_id: str) -> ForkRun:
    """`{"seq", "variables"?}`."""
    body = read_object(request, ("seq", "variables"))
    seq = body.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise RequestRefused(Fault.BAD_BODY, '"seq" is not the number of a step, from 1')
    return ForkRun(run_id, seq, read_variables(body), wants_no_wait(request.headers), read_copy_id(request.headers))


def read_copy_id(headers: Mapping[str, str]) -> str | None:
    """The `Idempotency-Key` of a copy, which becomes its id: whoever chose it can look for the run before the answer
    comes."""
    key = headers.get("idempotency-key")
    if key is not None and not RUN_ID.fullmatch(key):
        raise RequestRefused(Fault.BAD_REQUEST, "the Idempotency-Key of a copy is its run id: 32 hexadecimal digits")
    return key


def read_object(request: Request, keys: tuple[str, ...]) -> Mapping[str, Any]:
    """The body as an object with none but these keys; an empty body is an empty object."""
    body = read_body(request.headers.get("content-type"), request.body)
    if body is None:
        return {}
    refusal = f"the body is not an object with the keys {', '.join(keys)}"
    if not isinstance(body, dict):
        raise RequestRefused(Fault.BAD_BODY, refusal)
    if unknown := sorted(body.keys() - set(keys)):
        raise RequestRefused(Fault.BAD_BODY, f"{refusal}; {unknown[0][:40]!r} is unknown")
    return body


def read_variables(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The caller's variables."""
    variables = body.get("variables")
    if variables is None:
        return {}
    if not isinstance(variables, dict):
        raise RequestRefused(Fault.BAD_BODY, '"variables" is not an object')
    return variables


def wants_no_wait(headers: Mapping[str, str]) -> bool:
    """Whether the caller is content with knowing that the run is durable."""
    return "respond-async" in preferences(headers)


def preferences(headers: Mapping[str, str]) -> list[str]:
    """What the caller would like (`Prefer`, RFC 7240)."""
    return headers["prefer"].lower().replace(",", " ").split() if "prefer" in headers else []


def check_method(request: Request, methods: tuple[str, ...], allowed: tuple[tuple[str, str], ...]) -> None:
    """Refuse any other method with 405."""
    if request.method not in methods:
        raise RequestRefused(Fault.METHOD_NOT_ALLOWED, f"{request.method} is not offered here", headers=allowed)


PARTS: Mapping[str, tuple[str, Callable[[Request, str], RunRequest]]] = {
    "decision": ("PUT", read_decision),
    "cancellation": ("PUT", read_cancellation),
    "resumption": ("PUT", read_resumption),
    "replays": ("POST", read_replay),
    "forks": ("POST", read_fork),
}
"""What stands below a run: its method, and what reads the request."""
