"""One question to a model, and its answer: sent over the guarded client, streamed, tried again where that may help."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepFailed
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.models.endpoint import Endpoint
from intellyhub_functions.models.question import Question, Reply
from intellyhub_functions.models.refusals import Refused, make_refusal
from intellyhub_functions.models.shapes import part
from intellyhub_functions.network.exchange import Request
from intellyhub_functions.network.server_sent import read_events
from intellyhub_functions.network.streams import Streamed, stream

__all__ = ["Manners", "ask"]

MAX_ANSWER_BYTES = 64 * 1024 * 1024
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
LONGEST_ASKED_SECONDS = 60.0
"""A server that asks for a longer pause is left to the flow's own `retry`."""
MOST_CHANGES = 6
"""How many of a question's parts a server may refuse, one after the other."""


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How to ask."""

    cancelled: threading.Event
    timeout_seconds: float = 120.0
    """For the connection, the answer's begin, and between two pieces of it."""
    ends_at: float | None = None
    """`time.monotonic()` when everything has to be over."""
    attempts: int = 3
    """Of one question."""
    streams: bool = True
    verify_tls: bool = True


def ask(
    endpoint: Endpoint,
    question: Question,
    manners: Manners,
    *,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Reply:
    """The answer. `say` is told every piece of its text as it comes, `warn` why it is asked again.

    Raises RetryableError, with what `Retry-After` says, when the attempts are used up; PermanentError for what the
    server will not answer.
    """
    body = endpoint.wire.make_body(question, streams=manners.streams)
    attempt, changes = 1, 0
    while True:
        try:
            return exchange(endpoint, body, manners, say)
        except Refused as refusal:
            changed = without_refused(body, refusal) if changes < MOST_CHANGES else None
            if changed is None:
                raise PermanentError(str(refusal)) from refusal
            body, changes = changed, changes + 1
        except RetryableError as fault:
            pause = pause_before(attempt, fault, manners)
            if pause is None:
                raise
            warn(f"{fault}; it is asked again in {pause:.1f} s")
            if manners.cancelled.wait(pause):
                raise StepCancelled("the run was cancelled") from fault
            attempt += 1


def exchange(endpoint: Endpoint, body: Mapping[str, Any], manners: Manners, say: Callable[[str], None]) -> Reply:
    request = Request(
        method="POST",
        url=endpoint.url,
        headers={
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
            **endpoint.wire.make_headers(endpoint.key),
        },
        body=json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace"),
        timeout_seconds=manners.timeout_seconds,
        deadline_seconds=None if manners.ends_at is None else max(manners.ends_at - time.monotonic(), 0.001),
        verify_tls=manners.verify_tls,
        max_body_bytes=MAX_ANSWER_BYTES,
        cancelled=manners.cancelled,
    )
    with stream(request) as answer:
        if answer.status >= 300:
            raise make_refusal(endpoint, answer.status, answer.headers, answer.read())
        return read_stream(endpoint, answer, say) if answer.is_events else read_whole(endpoint, answer, say)


def read_whole(endpoint: Endpoint, answer: Streamed, say: Callable[[str], None]) -> Reply:
    try:
        document = json.loads(answer.read())
    except (ValueError, RecursionError) as fault:
        raise PermanentError(f"{endpoint.provider} answers what is no JSON: is {endpoint.url} its address?") from fault
    reply: Reply = endpoint.wire.read(document)
    say(reply.text)
    return reply


def read_stream(endpoint: Endpoint, answer: Streamed, say: Callable[[str], None]) -> Reply:
    """The answer out of its events. Raises RetryableError where they end too soon."""
    reading = endpoint.wire.Reading()
    for name, written in read_events(answer.pieces):
        if written.strip() == "[DONE]":
            reading.is_over = True
            break
        try:
            event = json.loads(written)
        except (ValueError, RecursionError) as fault:
            raise RetryableError(f"{endpoint.provider} sent an event that is no JSON") from fault
        if part(event, "error") and not part(event, "type"):
            raise fault_in(endpoint, part(event, "error"))
        said = reading.take(name, event)
        if said:
            say(said)
    if not reading.is_over:
        raise RetryableError(f"{endpoint.provider} broke the answer off")
    reply: Reply = reading.reply()
    return reply


def fault_in(endpoint: Endpoint, error: Any) -> StepFailed:
    """What an error in the middle of a stream means: it came too late for a status."""
    told = part(error, "message")
    return RetryableError(f"{endpoint.provider} failed while it answered: {str(told or error)[:500]}")


def pause_before(attempt: int, fault: RetryableError, manners: Manners) -> float | None:
    """Seconds to wait; None where it is not asked again."""
    if attempt >= manners.attempts:
        return None
    asked = fault.retry_after_seconds
    if asked is None:
        asked = min(FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1), LONGEST_PAUSE_SECONDS) * random.uniform(0.75, 1.25)
    late = manners.ends_at is not None and time.monotonic() + asked >= manners.ends_at
    return None if late or asked > LONGEST_ASKED_SECONDS else asked


def without_refused(body: Mapping[str, Any], refusal: Refused) -> dict[str, Any] | None:
    """The question without what this server or this model does not know, said otherwise where that is possible; None
    where it does not name such a part."""
    for name in OPTIONAL:
        if name in body and refusal.names(name):
            changed = {key: value for key, value in body.items() if key != name}
            if name == "max_tokens":
                changed["max_completion_tokens"] = body[name]
            return changed
    return None


OPTIONAL = (
    "stream_options",
    "temperature",
    "include",
    "store",
    "max_tokens",
    "response_format",
    "text",
    "output_config",
)
"""Parts that a server may refuse. An answer's shape is checked here anyhow, and asked for in words."""
