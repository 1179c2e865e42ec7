"""Serving and Eventing over the kubelet: a Service's pod is started by its first request, Triggers deliver as they are
applied, a ContainerSource is a process, a PingSource ticks when the test says so."""

from __future__ import annotations

import asyncio
import random
import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web
from croniter import croniter

from tests.integration import knative_broker
from tests.integration.pretended_cluster.kubelet import Kubelet, Pod
from tests.unit.knative.cluster import knative as controllers
from tests.unit.knative.cluster.api_server import ApiServer, Key, Object

__all__ = ["Serving"]

SERVING, EVENTING, SOURCES = controllers.SERVING, controllers.EVENTING, controllers.SOURCES
REVISIONS = "revisions"
LEASE_SECONDS = "3"
"""Of runs whose pod was killed: a test does not wait for half a minute."""


class Serving(knative_broker.Knative):
    """The data plane of Knative, over the objects of an API server."""

    def __init__(self, api: ApiServer, kubelet: Kubelet) -> None:
        super().__init__()
        self.api, self.kubelet = api, kubelet
        self.controllers = controllers.Knative(api)
        self.controllers.outcome = self.outcome
        self.fate: dict[tuple[str, str], tuple[bool | None, str, str]] = {}
        """How revisions fare, by namespace and name."""
        self.revision_pods: dict[tuple[str, str], Pod] = {}
        self.listeners: dict[Key, tuple[Object, Pod]] = {}
        self.cold_starts = 0
        self.before: Callable[[str], Any] | None = None
        """Called with the host before a request is passed on."""
        self._starting: dict[tuple[str, str], asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        api.controllers.append(self.control)

    # What is applied

    def control(self, event: str, key: Key, item: Object) -> None:
        if key.plural in ("triggers", "brokers"):
            self.look_at_brokers()
        elif key.plural == "secrets" and event != "DELETED":
            self.kubelet.renew(key.namespace or "", key.name)
        elif key.plural == REVISIONS and event == "ADDED":
            self.work(self.bring_up(key))
        elif key.plural == REVISIONS and event == "DELETED":
            self.take_down((key.namespace or "", key.name))
        elif key.plural == "containersources":
            self.bring_listener(event, key, item)

    def work(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def look_at_brokers(self) -> None:
        ready = [each for each in self.api.of("triggers") if controllers.is_ready(each)]
        self.triggers = [knative_broker.Trigger(each) for each in ready]
        self.brokers = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in self.api.of("brokers")}

    def outcome(self, revision: Object) -> tuple[bool | None, str, str]:
        about = revision["metadata"]
        return self.fate.get((about["namespace"], about["name"]), (None, "Deploying", ""))

    async def bring_up(self, key: Key) -> None:
        """Every new revision is started once (`initial-scale: 1`): that is what its readiness says."""
        place = (key.namespace or "", key.name)
        try:
            await self.pod_of(place)
            self.fate[place] = (True, "", "")
        except (ChildProcessError, LookupError, AssertionError) as fault:
            self.fate[place] = (False, "ExitCode1", f"Container failed with: {fault}")
        if key in self.api.objects:
            self.controllers.settle(key)
            service = self.api.objects[key]["metadata"]["labels"]["serving.knative.dev/service"]
            owner = Key(SERVING, "services", key.namespace, service)
            self.controllers.deploy(owner, self.api.objects[owner])
            self.controllers.go_on()

    async def pod_of(self, place: tuple[str, str]) -> Pod:
        """The pod of a revision, started where there is none."""
        async with self._starting.setdefault(place, asyncio.Lock()):
            pod = self.revision_pods.get(place)
            if pod is not None and pod.lives:
                return pod
            if pod is not None:
                self.kubelet.remove(pod)
            namespace, name = place
            revision = self.api.objects[Key(SERVING, REVISIONS, namespace, name)]
            labels = revision["metadata"]["labels"]
            service = labels["serving.knative.dev/service"]
            more = {"PORT": "8080", "K_SERVICE": service, "K_CONFIGURATION": service, "K_REVISION": name}
            more["INTELLYHUB_LEASE_SECONDS"] = LEASE_SECONDS
            pod = self.kubelet.make_pod(namespace, name, labels, revision["spec"], more)
            self.revision_pods[place] = pod
            self.cold_starts += 1
            self.kubelet.start(pod)
            await self.kubelet.until_ready(pod, self._session)
            return pod

    def take_down(self, place: tuple[str, str]) -> None:
        self.fate.pop(place, None)
        pod = self.revision_pods.pop(place, None)
        if pod is not None:
            self.kubelet.remove(pod)

    async def to_zero(self) -> None:
        """The autoscaler finds that nobody has asked anything for a while."""
        for place, pod in list(self.revision_pods.items()):
            if not pod.in_flight:
                await self.end(pod)
                del self.revision_pods[place]

    async def end(self, pod: Pod) -> None:
        if pod.lives:
            await asyncio.to_thread(pod.kill, signal.SIGTERM)
        self.kubelet.remove(pod)

    def bring_listener(self, event: str, key: Key, item: Object) -> None:
        known = self.listeners.get(key)
        if known is not None and (event == "DELETED" or known[0] != item["spec"]):
            self.kubelet.remove(known[1])
            del self.listeners[key]
        if event != "DELETED" and key not in self.listeners:
            template = item["spec"]["template"]
            pod = self.kubelet.make_pod(key.namespace or "", key.name, template["metadata"]["labels"], template["spec"])
            self.listeners[key] = (item["spec"], pod)
            self.kubelet.start(pod)

    async def tick(self, namespace: str, name: str) -> int:
        """The PingSource's last moment, told now; what its sink answered."""
        source = self.api.objects[Key(SOURCES, "pingsources", namespace, name)]
        spec = source["spec"]
        assert "timezone" not in spec
        moments = croniter(spec["schedule"], datetime.now(UTC), second_at_beginning=True)
        due = moments.get_prev(datetime)
        while due.second:  # half a minute later comes a second one, for what was missed
            due = moments.get_prev(datetime)
        headers = {
            "Ce-Specversion": "1.0",
            "Ce-Type": "dev.knative.sources.ping",
            "Ce-Source": f"/apis/v1/namespaces/{namespace}/pingsources/{name}",
            "Ce-Id": str(uuid.uuid4()),
            "Ce-Time": due.isoformat().replace("+00:00", "Z"),
            "Content-Type": spec["contentType"],
            "Kn-Namespace": namespace,
        }
        headers |= {f"Ce-{key.capitalize()}": value for key, value in spec["ceOverrides"]["extensions"].items()}
        code, told, _ = await self.attempt(spec["sink"]["uri"], headers, spec["data"].encode(), 60)
        assert told == b"", told
        assert code is not None
        return code

    # What is asked

    async def pass_on(self, request: web.Request, host: str) -> web.Response:
        if self.before is not None:
            self.before(host)
        try:
            pod = await self.find(host)
        except ChildProcessError:
            return web.Response(status=504, text="activator request timeout")
        if pod is None:
            return web.Response(status=404)
        pod.in_flight += 1
        try:
            return await self.forward(request, pod)
        finally:
            pod.in_flight -= 1

    async def find(self, host: str) -> Pod | None:
        """Who answers to a name."""
        name, _, rest = host.partition(".")
        namespace = rest.partition(".")[0]
        if Key("", "services", namespace, name) in self.api.objects:
            address = self.kubelet.endpoint(namespace, name)
            return next(pod for pod in self.kubelet.pods if address and address.startswith(f"{pod.address}:"))
        for key, service in list(self.api.objects.items()):
            if (key.group, key.plural, key.namespace) != (SERVING, "services", namespace):
                continue
            targets = (service.get("status") or {}).get("traffic") or []
            if name == key.name:
                weights = [each.get("percent") or 0 for each in targets]
                if sum(weights) == 100:
                    return await self.pod_of((namespace, random.choices(targets, weights)[0]["revisionName"]))
            for each in targets:
                if each.get("tag") and name == f"{each['tag']}-{key.name}":
                    return await self.pod_of((namespace, each["revisionName"]))
        return None

    async def forward(self, request: web.Request, pod: Pod) -> web.Response:
        headers = {**request.headers, "K-Proxy-Request": "activator", "X-Forwarded-For": "10.0.0.1, 10.0.0.2"}
        url = f"http://{pod.address}:{pod.port()}{request.raw_path}"
        body = await request.read()
        try:
            async with self._session.request(request.method, url, headers=headers, data=body) as answer:
                own = ("Transfer-Encoding", "Content-Length")
                kept = {name: value for name, value in answer.headers.items() if name not in own}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientConnectorError:
            return web.Response(status=503, text="upstream connect error")
        except aiohttp.ClientError:
            return web.Response(status=502, text="EOF")
