"""An HTTP answer as a flow sees it: a record whose text is the body."""

from __future__ import annotations

import codecs
import email.message
import email.utils
import json
import math
import time
from typing import Any

from intellyhub_engine.language.values.values import Record, TextRecord
from intellyhub_functions.network.exchange import Response

__all__ = ["charset_of", "make_result", "retry_after", "seconds_asked"]

NO_CHARSETS = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"))
"""Codecs of Python that no document is written in; some take for ever."""
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


def make_result(response: Response) -> TextRecord:
    """`status`, `ok`, `headers`, `body` (text, or bytes where it is none), `json` (None where it is none), `url`."""
    body = read_text(response)
    entries = {
        "status": response.status,
        "status_code": response.status,
        "ok": response.status < 400,
        "headers": Record(response.headers),
        "body": body,
        "json": read_json(response, body),
        "url": response.url,
    }
    return TextRecord(entries, "body")


def read_text(response: Response) -> str | bytes:
    """The body as text, if it is text in the encoding it names (else UTF-8)."""
    try:
        charset = codecs.lookup(charset_of(response)).name
        return response.body if charset in NO_CHARSETS else response.body.decode(charset)
    except (ValueError, LookupError):
        return response.body


def charset_of(response: Response) -> str:
    """The encoding the content type names; UTF-8 where it names none."""
    header = email.message.Message()
    header["content-type"] = response.headers.get("content-type", "")
    return header.get_content_charset("utf-8")


def read_json(response: Response, body: str | bytes) -> Any:
    """The body as JSON, if it says that it is; None where it is not."""
    if "json" not in response.headers.get("content-type", "").lower():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def retry_after(response: Response) -> float | None:
    """The seconds that the answer's `Retry-After` asks for; None where it asks for none."""
    return seconds_asked(response.headers.get("retry-after", ""))


def seconds_asked(written: str) -> float | None:
    """What `Retry-After` says, as a number or as a date; at most a day."""
    try:
        seconds = float(written)
    except ValueError:
        seconds = seconds_until(written)
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def seconds_until(date: str) -> float:
    """The seconds from now to an HTTP date; not a number where it is none."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return math.nan
