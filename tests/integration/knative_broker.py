"""Knative as it was seen to behave: a Broker with the in-memory channel, Triggers, and the gateway before Services.

Its rules are observations of Knative Eventing 1.22 and Serving 1.23: the Broker answers when every Trigger has
finished; which answers are repeated; what is dropped from a request and added to it; an error body above 768 bytes ends
the dispatcher of all tenants; a restart loses what is under way. One event loop, one port, loopback.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from intellyhub_engine.events import Event
from intellyhub_knative.filters import matches

PASSED = ("traceparent", "x-request-id")
REPEATED = frozenset((404, 408, 409, 429))
MOST_ERROR_BYTES = 768
BROKERS = "brokers.test"


@dataclass
class Trigger:
    """As `manifests.triggers` writes one; what the cluster would do with it."""

    manifest: Any
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> Any:
        return self.manifest["metadata"]["namespace"]

    @property
    def subscriber(self) -> Any:
        spec = self.manifest["spec"]["subscriber"]
        return spec.get("uri") or f"http://{spec['ref']['name']}.{self.namespace}.svc.cluster.local"

    @property
    def delivery(self) -> Any:
        return self.manifest["spec"].get("delivery", {})

    @property
    def sink(self) -> Any:
        return self.delivery.get("deadLetterSink", {}).get("uri")

    def takes(self, event: Event) -> bool:
        return all(passes(event, one) for one in self.manifest["spec"]["filters"])


def passes(event: Event, one: Mapping[str, Any]) -> bool:
    [(dialect, inner)] = one.items()
    if dialect == "any":
        return any(passes(event, each) for each in inner)
    if dialect == "all":
        return all(passes(event, each) for each in inner)
    if dialect == "not":
        return not passes(event, inner)
    if dialect == "cesql":
        written = re.fullmatch(r"(NOT )?EXISTS ([a-z0-9]+)", inner)
        assert written is not None
        negated, name = written.groups()
        return (name in event.extensions or getattr(event, name, None) is not None) != bool(negated)
    return matches(event, [one])


class Knative:
    """`async with Knative() as knative`; then Services, Brokers and Triggers are put into it."""

    def __init__(self) -> None:
        self.services: dict[str, int | None] = {}
        """Host name -> port of its pod; None: a pod that never becomes ready."""
        self.brokers: set[tuple[str, str]] = set()
        self.triggers: list[Trigger] = []
        self.crashes: list[str] = []
        """Answers that ended the dispatcher."""
        self.posts: list[tuple[str, int]] = []
        """Events that were posted to a Broker, with its answers."""
        self.delivered: list[tuple[str, str, int | None, dict[str, str]]] = []
        """What subscribers got: event, subscriber, answer, headers."""
        self.dead: list[dict[str, str]] = []
        self.speed = 20.0
        """How much shorter waits are than on a cluster."""
        self.most_at_once = 0
        self._at_once = 0
        self._down_until = 0.0
        self._under_way: set[asyncio.Task[int]] = set()

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self.serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening).start()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True), auto_decompress=False
        )
        return self

    async def __aexit__(self, *fault: object) -> None:
        for task in self._under_way:
            task.cancel()
        await self._runner.cleanup()
        await self._session.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the platform is told."""
        return {
            "INTELLYHUB_TARGET": "knative",
            "INTELLYHUB_BROKER_URL": f"http://127.0.0.1:{self.port}/{{namespace}}/{{broker}}",
            "INTELLYHUB_CLUSTER_GATEWAY": f"127.0.0.1:{self.port}",
        }

    async def restart(self, seconds: float = 0.3) -> None:
        """The dispatcher goes and comes back: what is under way is answered 500 and lost."""
        self._down_until = time.monotonic() + seconds
        for task in tuple(self._under_way):
            task.cancel()

    async def serve(self, request: web.Request) -> web.Response:
        host = request.headers.get("Host", "").partition(":")[0]
        if host == "127.0.0.1":
            return await self.take(request)
        return await self.pass_on(request, host)

    # The gateway before Services

    async def pass_on(self, request: web.Request, host: str) -> web.Response:
        if host not in self.services:
            return web.Response(status=404)
        port = self.services[host]
        if port is None:
            return web.Response(status=503, text="no healthy upstream")
        headers = {**request.headers, "K-Proxy-Request": "activator", "X-Forwarded-For": "10.0.0.1, 10.0.0.2"}
        body = await request.read()
        try:
            url = f"http://127.0.0.1:{port}{request.raw_path}"
            async with self._session.request(request.method, url, headers=headers, data=body) as answer:
                own = ("Transfer-Encoding", "Content-Length")
                kept = {name: value for name, value in answer.headers.items() if name not in own}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientConnectorError:
            return web.Response(status=503, text="upstream connect error")
        except aiohttp.ClientError:
            return web.Response(status=502, text="EOF")

    # The Broker

    async def take(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        if len(parts) != 2 or tuple(parts) not in self.brokers:
            return web.Response(status=404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        event_headers = read_event(headers)
        if event_headers is None:
            return self.note("?", 400)
        event_id = event_headers["ce-id"]
        if time.monotonic() < self._down_until:
            return self.note(event_id, 500)
        event_headers["ce-knativearrivaltime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        passed = {name: value for name, value in headers.items() if name in PASSED or name.startswith("knative-")}
        body = await request.read()
        dispatching = asyncio.ensure_future(self.dispatch(parts[0], event_headers | passed, body))
        self._under_way.add(dispatching)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.note(event_id, await dispatching)
        except asyncio.CancelledError:
            if dispatching.cancelled() and time.monotonic() < self._down_until:
                return self.note(event_id, 500)
            dispatching.cancel()
            raise
        finally:
            self._at_once -= 1
            self._under_way.discard(dispatching)

    def note(self, event_id: str, status: int) -> web.Response:
        self.posts.append((event_id, status))
        return web.Response(status=status)

    async def dispatch(self, namespace: str, headers: dict[str, str], body: bytes) -> int:
        event = as_event(headers)
        wanted = [each for each in self.triggers if each.namespace == namespace and each.takes(event)]
        found = await asyncio.gather(*(self.deliver(each, headers, body) for each in wanted))
        return 202 if all(found) else 500

    async def deliver(self, trigger: Trigger, headers: dict[str, str], body: bytes) -> bool:
        sent = {name: value for name, value in headers.items() if name != "ce-knativebrokerttl"}
        sent |= {"Kn-Namespace": trigger.namespace, "Prefer": "reply", "Accept-Encoding": "gzip"}
        sent["User-Agent"] = "Go-http-client/1.1"
        code, told, is_known = await self.attempts(trigger, trigger.subscriber, sent, body)
        if code is not None and 200 <= code < 300:
            return True
        if trigger.sink is None:
            return False
        if len(told) > MOST_ERROR_BYTES:
            self.crashes.append(f"{trigger.subscriber} answered {code} with {len(told)} bytes")
            await self.restart()
            return False
        letter = {**headers, "ce-knativebrokerttl": "255"}
        if is_known:
            letter |= {
                "ce-knativeerrordest": trigger.subscriber,
                "ce-knativeerrorcode": str(code),
                "ce-knativeerrordata": base64.b64encode(told).decode(),
            }
        self.dead.append(letter)
        code, _, _ = await self.attempts(trigger, trigger.sink, letter, body)
        return code is not None and 200 <= code < 300

    async def attempts(
        self, trigger: Trigger, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[int | None, bytes, bool]:
        """The last answer: status, body, and whether the Broker tells of it."""
        policy = trigger.delivery
        retry = int(policy.get("retry", 3))
        delay = duration(policy.get("backoffDelay", "PT0.5S")) / self.speed
        seconds = duration(policy["timeout"]) if "timeout" in policy else None
        code: int | None = None
        told, is_known = b"", False
        for attempt in range(retry + 1):
            code, told, is_known = await self.attempt(url, headers, body, seconds)
            self.delivered.append((headers["ce-id"], url, code, headers))
            if code is not None and code < 500 and code not in REPEATED:
                break
            if attempt < retry:
                await asyncio.sleep(delay * 2**attempt)
        return code, told, is_known

    async def attempt(
        self, url: str, headers: dict[str, str], body: bytes, seconds: float | None
    ) -> tuple[int | None, bytes, bool]:
        parts = urlsplit(url)
        local = f"http://127.0.0.1:{self.port}{parts.path or '/'}"
        sent = {**headers, "Host": parts.netloc}
        try:
            async with asyncio.timeout(seconds):
                async with self._session.post(local, headers=sent, data=body) as answer:
                    told = await answer.read()
        except TimeoutError:
            return None, b"", False
        except aiohttp.ClientError as fault:
            return 500, f'dispatch error: Post "{url}": {fault}'.encode(), True
        if 200 <= answer.status < 300 and told and "ce-specversion" not in answer.headers:
            return 502, b"", False  # the filter's own answer
        return answer.status, told, True


def read_event(headers: Mapping[str, str]) -> dict[str, str] | None:
    """The event's headers as the SDK for Go writes them again; None for what it does not read."""
    found = {name: value for name, value in headers.items() if name.startswith("ce-")}
    if found.get("ce-specversion") != "1.0" or not found.get("ce-id", "").strip() or not found.get("ce-type"):
        return None
    if not all(re.fullmatch("ce-[a-z0-9]+", name) for name in found):
        return None
    source = found.get("ce-source", "")
    scheme = re.match("[A-Za-z][A-Za-z0-9+.-]*:", source)
    found["ce-source"] = (scheme[0].lower() + source[scheme.end() :] if scheme else source).removesuffix("#")
    if "ce-time" in found:
        time_written = re.fullmatch(r"(.{19})(\.\d+)?(Z|[+-]\d\d:\d\d)", found["ce-time"])
        if time_written is None or found["ce-time"][10] != "T":
            return None
        moment = datetime.fromisoformat(time_written[1] + time_written[3].replace("Z", "+00:00")).astimezone(UTC)
        fraction = (time_written[2] or "").rstrip("0").rstrip(".")
        found["ce-time"] = moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    if "content-type" in headers:
        found["content-type"] = headers["content-type"]
    return found


def as_event(headers: Mapping[str, str]) -> Event:
    """What filters see: values as they stand in the headers."""
    own = ("id", "source", "type", "subject", "time", "dataschema")
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    attributes.pop("specversion")
    core: dict[str, Any] = {name: attributes.pop(name, None) for name in own}
    return Event(**core, datacontenttype=headers.get("content-type"), data=None, extensions=attributes)


def duration(written: str) -> float:
    """Seconds of an ISO 8601 duration of minutes and seconds."""
    found = re.fullmatch(r"PT(?:(\d+)M)?(?:([\d.]+)S)?", written)
    assert found is not None
    minutes, seconds = found.groups(default="0")
    return 60 * float(minutes) + float(seconds)
