"""The REST API of a platform, as the commands need it. Faults come as `CommandFailed` that say what to type."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlencode

from intellyhub_engine.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    import urllib3

__all__ = ["Client", "FlowFaults", "Frame", "part"]

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 90.0
"""Above the 60 s that the platform itself waits for a run."""
PATIENT_SECONDS = 320.0
"""While a plugin's packages are resolved and installed; the gateway itself waits a little longer."""
CONVERSATION_SECONDS = 620.0
"""Above the longest that a hook's caller waits for a run."""
SILENCE_SECONDS = 60.0
"""A live stream says something every 15 s; one that does not is dead."""
PAGE = 200
MOST_PAGES = 500
HTTP_PROBLEMS = {401: Exit.NOT_ALLOWED, 403: Exit.NOT_ALLOWED, 404: Exit.NOT_FOUND, 409: Exit.BUSY, 503: Exit.BUSY}
INVALID = (400, 413, 415, 422)


class FlowFaults(CommandFailed):
    """The platform refused a flow's text; `problems` are as the API gives them."""

    def __init__(self, message: str, problems: list[dict[str, Any]]) -> None:
        self.problems = problems
        super().__init__(message, Exit.INVALID)


class Frame(NamedTuple):
    """One server-sent event."""

    id: str
    event: str
    data: Any


class Client:
    """Talks to one platform as one person. Redirects are not followed: a token is for this address."""

    def __init__(self, url: str, token: str | None, *, shown_by: str | None = None) -> None:
        """`shown_by` names the flag or variable that a token came from; None: a login."""
        self.url = url
        self._remedy = (
            f"The token comes from {shown_by}: correct it, or leave it out and log in with: intellyhub login {url}"
            if shown_by
            else f"Log in with: intellyhub login {url}"
        )
        self._headers = {"Accept": "application/json", "User-Agent": "intellyhub"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = make_pool(ANSWER_SECONDS)

    def patient(self) -> Self:
        """The same, and from now on it waits minutes for an answer."""
        self._pool = make_pool(PATIENT_SECONDS)
        return self

    def get(self, path: str, **query: object) -> Any:
        """The document at a path."""
        return self.send("GET", path, query=query)

    def send(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One request; the answer's document, None for an empty one."""
        return self.exchange(method, path, document, query=query, headers=headers)[0]

    def exchange(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Any, Mapping[str, str]]:
        """One request; the answer's document and its headers."""
        sent = {**self._headers, **(headers or {})}
        body = None
        if document is not None:
            body = json.dumps(document).encode()
            sent["Content-Type"] = "application/json"
        response = self._request(method, self._address(path, query), body=body, headers=sent)
        if response.status >= 300:
            raise self._explain(response.status, response.data)
        return self._read(response.data), response.headers

    def pages(self, path: str, **query: object) -> list[dict[str, Any]]:
        """All items of a list."""
        items: list[dict[str, Any]] = []
        cursor = None
        for _ in range(MOST_PAGES):
            page = self.get(path, limit=PAGE, cursor=cursor, **query)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        return items

    def stream(
        self, path: str, *, last_id: str = "", opened: Callable[[], None] = lambda: None, **query: object
    ) -> Iterator[Frame]:
        """Server-sent events until the platform ends the stream; `opened` is called when they begin to be heard.
        Raises `ConnectionError` when it breaks off."""
        import urllib3

        headers = {**self._headers, "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        response = self._request(
            "GET", self._address(path, query), headers=headers, preload_content=False, timeout=timeout
        )
        try:
            if response.status >= 300:
                raise self._explain(response.status, response.read())
            opened()
            yield from read_frames(response.stream(1024, decode_content=True))
        except urllib3.exceptions.HTTPError as fault:
            raise ConnectionError("the live stream broke off") from fault
        finally:
            response.close()

    def converse(self, path: str, message: bytes, headers: Mapping[str, str]) -> Iterator[bytes]:
        """Send a JSON-RPC message; the messages that answer it, as they come. Raises `ConnectionError` when the answer
        breaks off."""
        import urllib3

        sent = {**self._headers, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=CONVERSATION_SECONDS)
        response = self._request(
            "POST",
            self._address(path, None),
            body=message,
            headers={**sent, **headers},
            preload_content=False,
            timeout=timeout,
        )
        try:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                for frame in read_frames(response.stream(1024, decode_content=True)):
                    yield json.dumps(frame.data).encode()
                return
            content = response.read()
            if b'"jsonrpc"' in content:
                yield content
            elif response.status >= 300:
                raise self._explain(response.status, content)
        except urllib3.exceptions.HTTPError as fault:
            raise ConnectionError("the platform's answer broke off") from fault
        finally:
            response.close()

    def _address(self, path: str, query: Mapping[str, object] | None) -> str:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return f"{self.url}{path}{f'?{urlencode(given)}' if given else ''}"

    def _request(self, method: str, address: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Vendor faults are translated here, and nowhere else."""
        import urllib3

        try:
            return self._pool.request(method, address, redirect=False, **options)
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as fault:
            raise CommandFailed(
                f"no platform answers at {self.url}\n"
                "Start one with: intellyhub up\nOr name another one with --url, or INTELLYHUB_URL.",
                Exit.BUSY,
            ) from fault
        except urllib3.exceptions.HTTPError as fault:
            raise CommandFailed(f"the platform at {self.url} did not answer: {fault}", Exit.BUSY) from fault

    def _read(self, content: bytes) -> Any:
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError:
            raise CommandFailed(f"what answers at {self.url} is no IntellyHub platform", Exit.BUSY) from None

    def _explain(self, status: int, content: bytes) -> CommandFailed:
        """A problem document as a message and an exit code."""
        try:
            problem = json.loads(content)
        except ValueError:
            problem = None
        detail = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else None
        if not isinstance(problem, dict) or not detail:
            return CommandFailed(
                f"what answers at {self.url} is no IntellyHub platform, or something before it refuses: HTTP {status}",
                Exit.BUSY,
            )
        if status == 401:
            return CommandFailed(f"not logged in at {self.url}: {detail}\n{self._remedy}", Exit.NOT_ALLOWED)
        if problem.get("problems"):
            return FlowFaults(detail, problem["problems"])
        for fault in problem.get("errors") or []:
            detail += f"\n{fault.get('location', '')}: {fault.get('message', '')}"
        return CommandFailed(detail, HTTP_PROBLEMS.get(status, Exit.INVALID if status in INVALID else Exit.FAILED))


def make_pool(seconds: float) -> urllib3.PoolManager:
    """Connections that wait so long for an answer."""
    import urllib3

    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds)
    return urllib3.PoolManager(timeout=timeout, retries=False)


def read_frames(chunks: Iterator[bytes]) -> Iterator[Frame]:
    """Frames of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html); comments are left out."""
    rest = b""
    fields: dict[str, list[str]] = {}
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if text:
                name, _, value = text.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
                continue
            if "data" in fields:
                yield make_frame(fields)
            fields = {}


def make_frame(fields: Mapping[str, list[str]]) -> Frame:
    """A frame from its fields."""
    data = "\n".join(fields["data"])
    try:
        document = json.loads(data)
    except ValueError:
        document = data
    return Frame(fields.get("id", [""])[-1], fields.get("event", ["message"])[-1], document)


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
