"""Requests to one registry: signed in, tried again when that may help, followed to where content really lies."""

from __future__ import annotations

import io
import json
import random
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.errors import RegistryError, RegistryRefused, RegistryUnreachable
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.registry.access import Access
from intellyhub_knative.images.registry.tokens import TokenKeeper

__all__ = ["Answer", "Body", "Session"]

ATTEMPTS = 5
TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
MOST_DOCUMENT_BYTES = 4 << 20
"""What the distribution specification lets a registry refuse in a manifest."""
MOST_DROPPED = 64 << 10
MOST_SAID = 300
REDIRECTS = frozenset((301, 302, 303, 307, 308))
MOST_REDIRECTS = 5
AGENT = "intellyhub-images"


@dataclass(frozen=True, kw_only=True)
class Body:
    """What is sent. It may have to be sent again, so it can be opened again."""

    open: Callable[[], BinaryIO]
    size: int
    kind: str = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, with a body of a document's size."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    """What was asked: its `Location` is relative to that."""


class Watched(io.RawIOBase):
    """A body that is read only as long as it is wanted."""

    def __init__(self, file: BinaryIO, watch: Watch) -> None:
        super().__init__()
        self._file = file
        self._watch = watch

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        self._watch.check()
        return self._file.read(size)


class Session:
    """A context: one registry, with its connections. For one thread."""

    def __init__(self, registry: str, access: Access, watch: Watch = ALONE) -> None:
        """Raises `CredentialsUnusable`; OSError for a file of authorities that cannot be read."""
        self.registry = registry
        self.address = access.address(registry)
        self._watch = watch
        self._trust = ssl.create_default_context(cafile=access.ca_file or None)
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._keeper = TokenKeeper(self.address, access.who(registry), self._fetch)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        for pool in self._pools.values():
            pool.clear()

    def ask(
        self,
        method: str,
        target: str,
        *,
        scopes: frozenset[str],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        attempts: int = ATTEMPTS,
    ) -> Answer:
        """One request; its answer whatever the status. `target` is a path below the registry, or an address that the
        registry gave. Raises `RegistryUnreachable`, `RegistryRefused` (by the token service), `BuildCancelled`."""
        with self.stream(method, target, scopes=scopes, headers=headers, body=body, attempts=attempts) as response:
            return make_answer(response, urljoin(self.address + "/", target))

    @contextmanager
    def stream(
        self,
        method: str,
        target: str,
        *,
        scopes: frozenset[str],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        attempts: int = ATTEMPTS,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The same, with a body that is yet to be read."""
        url = urljoin(self.address + "/", target)
        response = self._try(method, url, scopes, headers or {}, body, attempts)
        try:
            yield response
        finally:
            response.close()

    def refused(self, answer: Answer, what: str) -> RegistryError:
        """The fault that an answer tells of; `what` was to be done, as a verb and its object."""
        detail = said_by(answer.body)
        hint = "; are the credentials right (docker login)?" if answer.status in (401, 403) else ""
        text = f"{self.registry} does not {what}: {answer.status}{f' {detail}' if detail else ''}{hint}"
        if answer.status in TRANSIENT:
            return RegistryUnreachable(text)
        return RegistryRefused(text, status=answer.status)

    def _try(
        self,
        method: str,
        url: str,
        scopes: frozenset[str],
        headers: Mapping[str, str],
        body: Body | None,
        attempts: int,
    ) -> urllib3.BaseHTTPResponse:
        """As often as it may help."""
        for attempt in range(attempts):
            last = attempt + 1 == attempts
            try:
                response = self._signed_in(method, url, scopes, headers, body)
            except urllib3.exceptions.HTTPError as fault:
                if last or is_hopeless(fault):
                    raise RegistryUnreachable(f"{self._named()} cannot be reached: {reason_of(fault)}") from fault
                self._watch.wait(pause(attempt, None))
                continue
            if last or response.status not in TRANSIENT:
                return response
            drop(response)
            self._watch.progress(f"{self.registry} answers {response.status}; it is tried again")
            self._watch.wait(pause(attempt, response.headers.get("Retry-After")))
        raise AssertionError("unreachable")

    def _signed_in(
        self, method: str, url: str, scopes: frozenset[str], headers: Mapping[str, str], body: Body | None
    ) -> urllib3.BaseHTTPResponse:
        """Once; and once more when the registry first wants to know who asks."""
        response = self._followed(method, url, scopes, headers, body)
        if response.status != 401 or not self._is_ours(url):
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        try:
            worth = self._keeper.learn(challenge, scopes)
        except RegistryRefused as fault:
            response.close()
            raise RegistryRefused(f"{self.registry}: {fault}", status=fault.status) from fault
        if not worth:
            return response
        drop(response)
        return self._followed(method, url, scopes, headers, body)

    def _followed(
        self, method: str, url: str, scopes: frozenset[str], headers: Mapping[str, str], body: Body | None
    ) -> urllib3.BaseHTTPResponse:
        """To where the content lies, which may be another host: that one gets no credentials."""
        for _ in range(MOST_REDIRECTS):
            sent = {"User-Agent": AGENT, **headers}
            if self._is_ours(url) and (shown := self._keeper.header(scopes)):
                sent["Authorization"] = shown
            response = self._once(method, url, sent, body)
            place = response.headers.get("Location")
            if method not in ("GET", "HEAD") or response.status not in REDIRECTS or not place:
                return response
            drop(response)
            url = self._next(url, place)
        raise RegistryUnreachable(f"{self.registry} sends us from one place to the next, {MOST_REDIRECTS} times")

    def _next(self, url: str, place: str) -> str:
        following = urljoin(url, place)
        scheme = urlsplit(following).scheme
        if scheme not in ("http", "https") or (self.address.startswith("https:") and scheme != "https"):
            raise RegistryUnreachable(f"{self.registry} sends us to {following[:200]!r}, which is not encrypted")
        return following

    def _named(self) -> str:
        """Its name, and where it is reached where that is not the same."""
        place = urlsplit(self.address).netloc
        return self.registry if place.endswith(self.registry) else f"{self.registry} (at {place})"

    def _is_ours(self, url: str) -> bool:
        """Whether an address is of the registry itself."""
        return urlsplit(url)[:2] == urlsplit(self.address)[:2]

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> urllib3.BaseHTTPResponse:
        self._watch.check()
        pool = self._pool(url)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENT_SECONDS)
        options = {"timeout": timeout, "retries": False, "redirect": False, "preload_content": False}
        if body is None:
            return pool.request(method, url, headers=dict(headers), decode_content=False, **options)  # type: ignore[arg-type]
        with body.open() as file:
            kind = {"Content-Type": body.kind, "Content-Length": str(body.size)}
            return pool.request(
                method,
                url,
                headers={**kind, **headers},
                body=Watched(file, self._watch),
                decode_content=False,
                **options,  # type: ignore[arg-type]
            )

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        """For tokens: redirects are not followed, as credentials go with it."""
        options = {"timeout": urllib3.Timeout(CONNECT_SECONDS, SILENT_SECONDS), "retries": False, "redirect": False}
        sent = {"User-Agent": AGENT, **headers}
        response = self._pool(url).request(method, url, headers=sent, body=body, preload_content=False, **options)  # type: ignore[arg-type]
        try:
            return response.status, response.read(MOST_DOCUMENT_BYTES)
        finally:
            response.close()

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections for an address, through a proxy where the environment names one."""
        place = urlsplit(url)
        host = place.hostname or ""
        proxy = None if proxy_bypass(host) else getproxies().get(place.scheme)
        if proxy is None:
            return self._pools.setdefault("", urllib3.PoolManager(ssl_context=self._trust))
        return self._pools.setdefault(proxy, urllib3.ProxyManager(proxy, ssl_context=self._trust))


def make_answer(response: urllib3.BaseHTTPResponse, url: str) -> Answer:
    """Read a document. Raises `RegistryUnreachable` for one without end, or a connection that breaks."""
    try:
        body = response.read(MOST_DOCUMENT_BYTES + 1)
    except urllib3.exceptions.HTTPError as fault:
        raise RegistryUnreachable(f"the registry's answer broke off: {reason_of(fault)}") from fault
    if len(body) > MOST_DOCUMENT_BYTES:
        raise RegistryUnreachable(f"the registry answers with more than {MOST_DOCUMENT_BYTES} bytes")
    return Answer(status=response.status, headers=response.headers, body=body, url=url)


def drop(response: urllib3.BaseHTTPResponse) -> None:
    """Nobody needs its body; the connection is good for the next request where that is short."""
    with suppress(urllib3.exceptions.HTTPError):
        response.read(MOST_DROPPED)
    response.close()


def pause(attempt: int, asked: str | None) -> float:
    """Seconds before the next attempt: as the registry asks, else twice as long each time, with jitter."""
    if asked is not None and asked.strip().isdigit():
        return min(float(asked), LONGEST_WAIT_SECONDS)
    longest: float = min(FIRST_WAIT_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS)
    return longest * random.uniform(0.5, 1.0)


def is_hopeless(fault: BaseException) -> bool:
    """Whether it will be the same next time: a certificate that is not trusted, a host that is no name."""
    return isinstance(fault, urllib3.exceptions.SSLError | urllib3.exceptions.LocationParseError)


def reason_of(fault: BaseException) -> str:
    """Why, in one line."""
    text = str(getattr(fault, "reason", None) or fault)
    return " ".join(text.split())[:MOST_SAID]


def said_by(body: bytes) -> str:
    """What a registry says of its refusal: `errors` of the specification, else the beginning of its text."""
    try:
        rows = json.loads(body)["errors"]
        text = "; ".join(f"{row.get('code', '')} {row.get('message', '')}".strip() for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError):
        text = body[:MOST_SAID].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))[:MOST_SAID]
