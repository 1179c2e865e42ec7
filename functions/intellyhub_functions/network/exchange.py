"""Sends one HTTP request and gives back its answer, whatever its status: redirects, limits and errors live here."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = [
    "AnswerTooLarge",
    "Request",
    "Response",
    "headers_of",
    "name_of",
    "open_response",
    "pieces_of",
    "send",
    "translated",
    "without_secrets",
]

CHUNK_BYTES = 65536
OPEN_HEADERS = frozenset(
    (
        "accept",
        "accept-encoding",
        "accept-language",
        "content-language",
        "content-type",
        "idempotency-key",
        "user-agent",
    )
)
"""All that is carried along when a redirect leads to another origin: `X-Api-Key` is as secret as `Authorization`."""
FRAMING_HEADERS = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
"""What says where a request ends is not a flow's to say: one with two lengths would be read as two requests."""
USER_AGENT = "IntellyHub/0.1 (+https://github.com/intellyhub)"


class AnswerTooLarge(PermanentError):
    """The answer's body has more bytes than the request accepts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to send, and what to put up with."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_seconds: float = 30.0
    """For the connection, for the answer's head and between two pieces of its body, each."""
    deadline_seconds: float | None = None
    """For everything together."""
    max_redirects: int = 5
    verify_tls: bool = True
    max_body_bytes: int = 16 * 1024 * 1024
    decode: bool = True
    """False: the body is given as it was sent, also where it is compressed."""
    cancelled: threading.Event | None = None
    called: str | None = None
    """What messages call the address; needed where its path holds a secret."""

    @property
    def name(self) -> str:
        """The address as messages may show it."""
        return self.called or name_of(self.url)


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What came back; `headers` have lower-case names, several of one name are joined with a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    """The address that answered, after redirects."""


def send(request: Request) -> Response:
    """Send, following redirects. Raises StepFailed's kinds; a status is never an error here."""
    ends = None if request.deadline_seconds is None else time.monotonic() + request.deadline_seconds
    for _ in range(request.max_redirects + 1):
        response = exchange(request, ends)
        location = response.headers.get("location")
        if response.status not in (301, 302, 303, 307, 308) or not location or request.max_redirects == 0:
            return response
        request = redirect(request, response.status, location)
    raise PermanentError(f"{request.name} redirects more than {request.max_redirects} times")


def redirect(request: Request, status: int, location: str) -> Request:
    """The request that follows a redirect (RFC 9110, section 15.4). Raises PermanentError where it leads nowhere."""
    try:
        url = urljoin(request.url, location)
        stays = origin(url) == origin(request.url)
    except ValueError as fault:
        raise PermanentError(f"{request.name} redirects to what is not an address") from fault
    becomes_get = (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST")
    kept = dict(request.headers)
    if not stays:
        kept = {name: value for name, value in kept.items() if name.lower() in OPEN_HEADERS}
    if becomes_get:
        kept = {name: value for name, value in kept.items() if name.lower() != "content-type"}
        return replace(request, url=url, method="GET", body=None, headers=kept)
    return replace(request, url=url, headers=kept)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def name_of(url: str) -> str:
    """An address as messages may show it: without user, query and fragment, where secrets stand."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def exchange(request: Request, ends: float | None) -> Response:
    """One request, one answer."""
    with translated(request, ends):
        return exchange_untranslated(request, ends)


@contextmanager
def translated(request: Request, ends: float | None) -> Iterator[None]:
    """Inside, urllib3 may be used; its errors are translated here and nowhere else. Refuses what is no address."""
    import urllib3.exceptions as faults

    from intellyhub_functions.network.connections import AddressRefused

    check_address(request)
    name = request.name
    try:
        yield
    except AddressRefused as fault:
        raise PermanentError(str(fault)) from fault
    except faults.NameResolutionError as fault:
        raise RetryableError(f"{name}: the host name cannot be resolved") from fault
    except faults.NewConnectionError as fault:  # before TimeoutError: urllib3 makes it one
        raise RetryableError(f"{name} cannot be reached: {fault.__cause__ or 'no connection'}") from fault
    except faults.TimeoutError as fault:
        if ends is not None and time.monotonic() >= ends:
            raise StepTimedOut(f"{name} did not answer in time") from fault
        raise RetryableError(f"{name} did not answer within {request.timeout_seconds:g} s") from fault
    except faults.SSLError as fault:
        raise PermanentError(f"{name}: the secure connection failed: {fault}") from fault
    except (faults.LocationParseError, faults.LocationValueError, UnicodeError) as fault:
        raise PermanentError(f"{name} is not an address that can be asked") from fault
    except faults.DecodeError as fault:
        raise PermanentError(f"{name}: the answer is not encoded as it says") from fault
    except (faults.HTTPError, OSError) as fault:
        raise RetryableError(f"{name}: the connection broke: {reason_of(fault)}") from fault
    except ValueError as fault:  # http.client on header names and values
        raise PermanentError(f"{name}: the request cannot be sent: {without_value(fault)}") from None


def reason_of(fault: BaseException) -> str:
    """What happened, without urllib3's wrapping: `ProtocolError('Connection aborted.', RemoteDisconnected('…'))`."""
    inner = next((part for part in reversed(fault.args) if isinstance(part, BaseException)), None)
    return reason_of(inner) if inner is not None else str(fault) or type(fault).__name__


def without_value(fault: ValueError) -> str:
    """What is wrong, but not the value, which may be a token with a line end behind it."""
    return str(fault).partition(" b'")[0].partition(' b"')[0]


def check_address(request: Request) -> None:
    """Raise PermanentError unless it is an http or https address that can be taken apart."""
    try:
        parts = urlsplit(request.url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:  # a malformed port or IPv6 address
        usable = False
    if not usable:
        raise PermanentError(f"{request.called or without_secrets(request.url)!r} is not an http or https address")


def without_secrets(url: str) -> str:
    """The same of what cannot be taken apart."""
    return re.sub(r"//[^/@]*@", "//", re.split(r"[?#]", url)[0])


def exchange_untranslated(request: Request, ends: float | None) -> Response:
    response = open_response(request, ends)
    try:
        body = b"".join(pieces_of(response, request, ends))
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return Response(status=response.status, headers=headers_of(response), body=body, url=request.url)


def open_response(request: Request, ends: float | None) -> BaseHTTPResponse:
    """The answer's head; its body has not been read."""
    from urllib3 import Timeout

    from intellyhub_functions.network.connections import pool

    seconds = request.timeout_seconds if ends is None else min(request.timeout_seconds, ends - time.monotonic())
    return pool(verify_tls=request.verify_tls).urlopen(
        request.method,
        request.url,
        body=request.body,
        headers={"user-agent": USER_AGENT, "accept-encoding": "gzip, deflate"} | lower(request.headers),
        timeout=Timeout(connect=max(seconds, 0.001), read=max(seconds, 0.001)),
        preload_content=False,
        redirect=False,
    )


def headers_of(response: BaseHTTPResponse) -> dict[str, str]:
    """Lower-case names; several headers of one name are joined with a comma."""
    return {name.lower(): value for name, value in response.headers.items()}


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names, without what the request itself decides."""
    return {name.lower(): value for name, value in headers.items() if name.strip().lower() not in FRAMING_HEADERS}


def pieces_of(response: BaseHTTPResponse, request: Request, ends: float | None) -> Iterator[bytes]:
    """The body piece by piece, so that size, deadline and cancellation count while it arrives."""
    size = 0
    while piece := response.read1(CHUNK_BYTES, decode_content=request.decode):
        size += len(piece)
        if size > request.max_body_bytes:
            raise AnswerTooLarge(f"{request.name}: the answer is larger than {request.max_body_bytes} bytes")
        if ends is not None and time.monotonic() > ends:
            raise StepTimedOut(f"{request.name}: the answer did not arrive in time")
        if request.cancelled is not None and request.cancelled.is_set():
            raise StepCancelled("the run was cancelled")
        yield piece
