"""A platform as its users have it: the REST API, hooks, events, live streams. One object is one person's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import urllib3

__all__ = ["Answer", "Hub", "Message", "NotInTime", "log_in"]

LOOK_SECONDS = 0.05
LOOK_SECONDS_FAR = 1.0
SEVERAL = 4
BROKEN = "failed"
"""What a deployment, or a build, does not come back from."""
ENDED = frozenset(("succeeded", "failed", "cancelled"))
Value = TypeVar("Value")


class NotInTime(AssertionError):
    """What was to come did not come."""


class Answer(NamedTuple):
    """What was answered; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Message(NamedTuple):
    """A server-sent event."""

    kind: str
    data: Any


class Hub:
    """A platform, asked as somebody. `seconds`: how long what takes a moment may take."""

    def __init__(self, url: str, token: str, *, seconds: float, is_cluster: bool = False) -> None:
        self.url, self.token, self.seconds, self.is_cluster = url, token, seconds, is_cluster
        self._pool = urllib3.PoolManager(retries=False, timeout=120, maxsize=20)
        self._mark = uuid4().hex[:12]
        self.me = self.api("GET", "/api/auth/me")

    @property
    def tenant(self) -> str:
        """The slug of the organisation."""
        return str(self.me["tenant"]["slug"])

    def ask(self, method: str, path: str, document: Any = None, *, token: str | None = None, **headers: str) -> Answer:
        """One request to any address. Underscores of header names are hyphens; bytes go as they are."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = document if isinstance(document, bytes) or document is None else json.dumps(document).encode()
        if body is not None:
            named = {"Content-Type": "application/json", **named}
        if token != "":
            named["Authorization"] = f"Bearer {token or self.token}"
        answer = self._pool.request(method, self.url + path, body=body, headers=named)
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.data)

    def api(self, method: str, path: str, document: Any = None, **headers: str) -> Any:
        """One request to the API that has to succeed; its document."""
        answer = self.ask(method, path, document, **headers)
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.body.decode(errors='replace')[:1000]}"
        return answer.json

    def publish(self, slug: str, text: str) -> Any:
        """A new flow, or a new version of it; the flow. Ready it is a moment later: `await_ready`."""
        made = self.ask("POST", "/api/flows", {"name": slug, "slug": slug, "yaml_content": text})
        if made.status == 409:
            return self.api("PUT", f"/api/flows/{slug}", {"yaml_content": text})
        assert made.status == 201, made.body.decode()
        return made.json

    def publish_all(self, texts: Mapping[str, str]) -> None:
        """Several flows, without waiting for one to be ready before the next."""
        with ThreadPoolExecutor(SEVERAL) as pool:
            list(pool.map(lambda each: self.publish(*each), texts.items()))

    def flow(self, slug: str) -> Any:
        return self.api("GET", f"/api/flows/{slug}")

    def await_ready(self, slug: str, version: int | None = None) -> Any:
        """The flow, once its current version answers requests. What will not come is told at once."""
        told = ""

        def look() -> Any:
            nonlocal told
            flow = self.flow(slug)
            deployed = flow["deployment"]
            assert flow["failure"] is None or deployed is None, f"{slug}: {flow['failure']}"
            if deployed is not None:
                assert deployed["state"] != BROKEN, f"{slug}: {deployed['message']}"
                self.check_build(flow)
                told = f"{deployed['state']}: {deployed['message']}"
            there = not self.is_cluster or (deployed is not None and deployed["state"] == "ready")
            return flow if there and version in (None, flow["version"]) else None

        try:
            return self.until(look, f"{slug} to be ready")
        except NotInTime as late:
            raise NotInTime(f"{late} ({told or 'nothing is known of it'})") from None

    def check_build(self, flow: Mapping[str, Any]) -> None:
        """A build that failed is told with its reason."""
        builds = self.api("GET", f"/api/flows/{flow['id']}/builds?limit=1")["items"]
        for build in builds:
            assert build["status"] != BROKEN, f"{flow['slug']}, version {build['version']}: {build['message']}"

    def delete(self, slug: str) -> int:
        """The answer's status."""
        return self.ask("DELETE", f"/api/flows/{slug}").status

    def hook(self, slug: str, body: Any = None, **headers: str) -> Answer:
        """One request to a flow's webhook, from anyone."""
        return self.ask("POST", f"/hooks/{self.tenant}/{slug}", {} if body is None else body, token="", **headers)

    def named(self, name: str) -> str:
        """The name of an event, or of a delivery, that no earlier run of the suite has used: platforms remember."""
        return f"{name}-{self._mark}"

    def send(self, kind: str, data: Any = None, *, tenant: str | None = None, **attributes: str) -> Answer:
        """One event to an organisation's ingress, one's own by default. Its id is what `named` makes of a given one."""
        attributes["id"] = self.named(attributes.get("id") or uuid4().hex)
        event = {"specversion": "1.0", "source": "/contract", "type": kind, "data": data}
        path = f"/events/{tenant or self.tenant}"
        return self.ask("POST", path, event | attributes, Content_Type="application/cloudevents+json")

    def execute(self, slug: str, wait_seconds: float = 30, **document: Any) -> Any:
        """A run by hand."""
        return self.api("POST", f"/api/flows/{slug}/execute", {"wait_seconds": wait_seconds, **document})

    def runs(self, slug: str, **named: str) -> list[Any]:
        """The newest runs of a flow, newest first, with their values."""
        query = "".join(f"&{name}={value}" for name, value in named.items())
        items = self.api("GET", f"/api/runs?flow={slug}&limit=200{query}")["items"]
        return [self.run(each["id"]) for each in items]

    def run(self, run_id: str) -> Any:
        return self.api("GET", f"/api/runs/{run_id}")

    def await_run(self, run_id: str, status: str) -> Any:
        """A run, once it has that status."""

        def look() -> Any:
            run = self.run(run_id)
            if run["status"] == status:
                return run
            assert run["status"] not in ENDED, f"{run_id} {run['status']}: {run['error']}"
            return None

        return self.until(look, f"run {run_id} to be {status}")

    def await_run_of(self, slug: str, **output: Any) -> Any:
        """The flow's newest run that succeeded with that for its output, once there is one."""

        def look() -> Any:
            return next((run for run in self.runs(slug, status="succeeded") if run["output"] == output), None)

        return self.until(look, f"a run of {slug} that ends with {output}")

    def letter(self, event_id: str) -> Any:
        """The dead letter of an event, or None."""
        letters = self.api("GET", "/api/dead-letters?limit=200")["items"]
        return next((each for each in letters if each["event"]["id"] == self.named(event_id)), None)

    def until(self, look: Callable[[], Value], what: str, seconds: float | None = None) -> Value:
        """What `look` gives once it gives something."""
        ends = time.monotonic() + (seconds or self.seconds)
        while not (found := look()):
            if time.monotonic() > ends:
                raise NotInTime(f"waited {seconds or self.seconds:g} seconds for {what}")
            time.sleep(LOOK_SECONDS_FAR if self.is_cluster else LOOK_SECONDS)
        return found

    @contextmanager
    def watch(self, path: str) -> Iterator[Iterator[Message]]:
        """A stream of server-sent events, open when the context begins."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        answer = self._pool.request("GET", self.url + path, headers=headers, preload_content=False)
        assert answer.status == 200, answer.read()
        try:
            yield read_messages(answer.stream(amt=None))
        finally:
            answer.close()


def read_messages(pieces: Iterator[bytes]) -> Iterator[Message]:
    """Messages of a stream as they come."""
    rest = b""
    for piece in pieces:
        rest += piece
        while b"\n\n" in rest:
            text, rest = rest.split(b"\n\n", 1)
            fields = dict(line.split(": ", 1) for line in text.decode().splitlines() if ": " in line[1:])
            if "event" in fields:
                yield Message(fields["event"], json.loads(fields["data"]))


def log_in(url: str, email: str, password: str) -> str:
    """An access token. Raises `AssertionError` with what the platform says."""
    answer = urllib3.request("POST", f"{url}/api/auth/login", json={"email": email, "password": password}, timeout=30)
    assert answer.status == 200, f"{email}: {answer.data.decode()}"
    return str(answer.json()["access_token"])
