"""Answers into bytes."""

from __future__ import annotations

import time

from intellyhub_engine.serving.message import Response

__all__ = ["CONTINUE", "render"]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REASONS = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_dated: tuple[int, str] = (0, "")


def render(response: Response, *, keep_alive: bool, head_only: bool) -> bytes:
    """The whole answer, in one piece so that it leaves in one piece."""
    status, body, content_type, headers = response
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\nDate: {http_date(int(time.time()))}\r\n"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append("\r\n" if keep_alive else "Connection: close\r\n\r\n")
    head = "".join(lines).encode("latin-1", "replace")
    return head if head_only else head + body


def http_date(now: int) -> str:
    """The Date header's value (RFC 9110, section 5.6.7), made once per second."""
    global _dated
    made, text = _dated
    if made != now:
        year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(now)
        text = f"{DAYS[weekday]}, {day:02d} {MONTHS[month - 1]} {year} {hour:02d}:{minute:02d}:{second:02d} GMT"
        _dated = (now, text)
    return text
