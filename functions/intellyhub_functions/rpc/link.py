"""How a client's messages reach a server, and what is made of a server that does not answer as it should."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response
from intellyhub_functions.network.server_sent import read_events
from intellyhub_functions.network.streams import Streamed, stream

__all__ = ["Declined", "HttpLink", "Link", "Rejected", "Unanswered", "find_result", "left_until", "make_request"]

PASSING = frozenset((408, 425, 429, 502, 503, 504))
MAX_MESSAGES = 100_000
"""Of one answer; a server that tells of its progress for ever is left."""
MAX_DETAIL = 300
DEFAULT_TIMEOUT_SECONDS = 60.0
DEFAULT_MAX_BYTES = 16 << 20


class Rejected(PermanentError):
    """The server answered with an HTTP status that is none of the protocol's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Declined(PermanentError):
    """The server answered that it will not do it: JSON-RPC's `error`."""

    def __init__(self, name: str, error: Any) -> None:
        said = error if isinstance(error, Mapping) else {}
        self.code = said.get("code")
        self.data = said.get("data")
        super().__init__(f"{name}: {text_of(said.get('message') or 'an error')[:500]} ({self.code})")


class Unanswered(RetryableError):
    """The server ended its answer without having answered."""


def make_request(url: str, parameters: Mapping[str, Any], step: Step) -> Request:
    """What every message to a server has in common: `headers`, `auth_token`, `timeout`, `verify_tls` and
    `max_body_bytes` of a state."""
    headers = {str(name).lower(): text_of(value) for name, value in (parameters.get("headers") or {}).items()}
    if parameters.get("auth_token"):
        headers["authorization"] = f"Bearer {text_of(parameters['auth_token'])}"
    return Request(
        method="POST",
        url=url,
        headers=headers,
        timeout_seconds=float(parameters.get("timeout", DEFAULT_TIMEOUT_SECONDS)),
        max_redirects=0,
        verify_tls=parameters.get("verify_tls", True),
        max_body_bytes=parameters.get("max_body_bytes", DEFAULT_MAX_BYTES),
        cancelled=step.cancelled,
    )


class Link(Protocol):
    """A way to a server."""

    def ask(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Send a message; what comes back, message by message. Raises StepFailed's kinds."""
        ...

    def close(self) -> None:
        """Let the server go."""
        ...


@dataclass(kw_only=True, slots=True)
class HttpLink:
    """JSON-RPC over HTTP: each message is a request, its answer JSON or a stream of events."""

    request: Request
    """Address, headers and limits of each request."""
    ends: float | None = None
    """On the monotonic clock: when all of it has to be over."""
    session: dict[str, str] = field(default_factory=dict)
    """Headers that the server wants to see again."""
    kept: tuple[str, ...] = ()
    """Names of headers of answers that go into `session`."""

    def ask(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        request = self.make_request("POST", headers, json.dumps(message).encode())
        with stream(request) as answer:
            self.session |= {name: answer.headers[name] for name in self.kept if name in answer.headers}
            if answer.is_events and answer.status < 300:
                for _, data in read_events(answer.pieces):
                    yield read_message(data, request.name)
                return
            body = answer.read()
            document = as_message(body)
            if document is not None and is_message(document):
                yield document
            elif answer.status >= 300:
                raise refuse(request, answer, body)
            elif body.strip() and answer.status != 202:
                raise PermanentError(f"{request.name} gave no message of JSON-RPC")

    def make_request(self, method: str, headers: Mapping[str, str], body: bytes | None) -> Request:
        """One request, within what is left of the time."""
        told = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **self.request.headers,
            **self.session,
            **headers,
        }
        return replace(self.request, method=method, headers=told, body=body, deadline_seconds=left_until(self.ends))

    def close(self) -> None:
        """Nothing is held open."""


def left_until(ends: float | None) -> float | None:
    """Seconds to a moment of the monotonic clock, never none at all."""
    return None if ends is None else max(0.001, ends - time.monotonic())


def refuse(request: Request, answer: Streamed, body: bytes) -> Rejected | RetryableError:
    """What a status means that is no answer."""
    detail = body[:MAX_DETAIL].decode("utf-8", "replace").strip()
    message = f"{request.name} answered {answer.status}" + (f": {detail}" if detail else "")
    if answer.status in PASSING:
        response = Response(status=answer.status, headers=answer.headers, body=b"", url=request.url)
        return RetryableError(message, retry_after_seconds=retry_after(response))
    if answer.status in (401, 403):
        message = f"{request.name} lets nobody in without a valid token ({answer.status})"
    return Rejected(answer.status, message)


def find_result(
    messages: Iterator[Mapping[str, Any]],
    call_id: Any,
    *,
    heard: Callable[[Mapping[str, Any]], None],
    name: str,
) -> Mapping[str, Any]:
    """The result of a call; `heard` is told of all other messages. Raises Declined, and Unanswered where no answer
    comes."""
    answer = find_answer(messages, call_id, heard, name)
    if "error" in answer:
        raise Declined(name, answer["error"])
    result = answer.get("result")
    if not isinstance(result, dict):
        raise PermanentError(f"{name} gave no result")
    return result


def find_answer(
    messages: Iterator[Mapping[str, Any]], call_id: Any, heard: Callable[[Mapping[str, Any]], None], name: str
) -> Mapping[str, Any]:
    """The message that answers a call."""
    try:
        for number, message in enumerate(messages):
            if message.get("id") == call_id and "method" not in message:
                return message
            if number > MAX_MESSAGES:
                raise PermanentError(f"{name} goes on and on and does not answer")
            heard(message)
    finally:
        close = getattr(messages, "close", None)
        if close is not None:
            close()
    raise Unanswered(f"{name} ended its answer too early")


def read_message(data: bytes | str, name: str) -> Mapping[str, Any]:
    """A message of a stream. Raises PermanentError for what is none."""
    message = as_message(data)
    if message is None:
        raise PermanentError(f"{name} sent an event that is no message of JSON-RPC")
    return message


def as_message(data: bytes | str) -> dict[str, Any] | None:
    """A JSON object; None for what is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def is_message(document: Mapping[str, Any]) -> bool:
    """Whether it is JSON-RPC's."""
    return document.get("jsonrpc") == "2.0" and ("result" in document or "error" in document or "method" in document)
