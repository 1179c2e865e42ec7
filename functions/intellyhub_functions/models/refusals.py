"""What a provider's refusal means: whether it passes, and whose fault it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_functions.models.endpoint import Endpoint
from intellyhub_functions.models.shapes import part, text
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Response

__all__ = ["Refused", "make_refusal"]

PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""529 is Anthropic's «overloaded»."""
NO_MONEY = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "credit balance is too low",
    "exceeded your current quota",
)
"""A 429 or 400 that no pause mends."""
SHOWN_CHARACTERS = 500


class Refused(PermanentError):
    """The server does not answer this question: status 400 or 422."""

    def __init__(self, message: str, *, parameter: str, told: str) -> None:
        self.parameter = parameter
        self._told = told
        super().__init__(message)

    def names(self, part: str) -> bool:
        """Whether it says that it is because of this part of the question."""
        if self.parameter:
            return self.parameter.partition(".")[0].partition("[")[0] == part
        return f"'{part}'" in self._told or f"`{part}`" in self._told or f'"{part}"' in self._told


def make_refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> StepFailed:
    """The error for a status from 300 on."""
    error, told = read_error(body)
    if endpoint.key:
        told = told.replace(endpoint.key, "***")
    message = f"{endpoint.provider} answers {status}{': ' if told else ''}{told[:SHOWN_CHARACTERS]}"
    code = text(error, "code") or text(error, "type")
    if any(sign in code or sign in told for sign in NO_MONEY):
        return PermanentError(message)
    if status in PASSING and headers.get("x-should-retry") != "false":
        return RetryableError(message, retry_after_seconds=pause_asked(status, headers))
    if status in (400, 422):
        return Refused(message, parameter=text(error, "param"), told=told)
    if status in (401, 403):
        return PermanentError(f"{message} (is the key the right one?)")
    return PermanentError(message)


def read_error(body: bytes) -> tuple[Any, str]:
    """The error's object, and its message: OpenAI, Anthropic, Ollama and FastAPI servers each have a form of their
    own."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None, body[: 2 * SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
    error = part(document, "error")
    told = error if isinstance(error, str) else text(error, "message") or text(document, "message")
    detail = part(document, "detail")
    return error, told or ("" if detail is None else json.dumps(detail))


def pause_asked(status: int, headers: Mapping[str, str]) -> float | None:
    """What the server asks for, to the millisecond where it says so."""
    try:
        milliseconds = float(headers.get("retry-after-ms", ""))
    except ValueError:
        return retry_after(Response(status=status, headers=headers, body=b"", url=""))
    return max(milliseconds, 0.0) / 1000 if milliseconds < 1e9 else None
