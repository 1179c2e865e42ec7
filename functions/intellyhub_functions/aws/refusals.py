"""What AWS's refusals mean for a step or a source: botocore's errors are translated here and nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.network.answers import seconds_asked

__all__ = ["Refused", "translated"]

MAX_MESSAGE_CHARACTERS = 500
PASSING = frozenset(
    (
        "InternalError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
WORDS = {
    "AccessDenied": "access is refused",
    "ExpiredToken": "the session token has expired",
    "InvalidAccessKeyId": "the access key is not known",
    "InvalidClientTokenId": "the access key is not known",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "404": "there is no such object",
    "403": "access is refused",
}
MALFORMED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an answer that is not AWS's makes of botocore's readers."""


class Refused(PermanentError):
    """The server refused for good; `code` is AWS's word for it."""

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise what the calls inside raise as StepFailed's kinds; `name` is what messages call the thing."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as fault:
        raise read_refusal(name, fault.response) from fault
    except ResponseParserError as fault:
        raise RetryableError(f"{name}: the answer cannot be read") from fault
    except BotoCoreError as fault:
        raise PermanentError(f"{name}: {one_line(fault)}") from fault
    except MALFORMED as fault:
        raise PermanentError(f"{name}: an answer that makes no sense ({type(fault).__name__})") from fault


def read_refusal(name: str, answer: Mapping[str, Any]) -> RetryableError | PermanentError:
    """The failure that an error answer is."""
    error, facts = answer.get("Error") or {}, answer.get("ResponseMetadata") or {}
    code, status = text_of(error.get("Code")) or "unknown", int(facts.get("HTTPStatusCode") or 0)
    said = one_line(error.get("Message"))
    message = f"{name}: {WORDS.get(code) or said or 'refused'} ({code[:100]})"
    if status >= 500 or status == 429 or code in PASSING:
        asked = (facts.get("HTTPHeaders") or {}).get("retry-after", "")
        return RetryableError(message, retry_after_seconds=seconds_asked(asked))
    return Refused(message, code)


def one_line(said: Any) -> str:
    """What was said, without line ends and not too long."""
    return " ".join(text_of(said).split())[:MAX_MESSAGE_CHARACTERS]
