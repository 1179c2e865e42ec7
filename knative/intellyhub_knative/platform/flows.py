"""Where flows answer: behind unix sockets on one machine, behind Knative Services on a cluster. Nothing else knows."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from intellyhub_knative.manifests.names import flow_url, version_url
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.flow_answer import Answer, is_of_a_worker
from intellyhub_knative.platform.flow_socket import (
    MAX_ANSWER_BYTES,
    NoAnswer,
    NobodyThere,
    ask,
    make_request,
    open_flow_socket,
)
from intellyhub_knative.platform.knative import Knative
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.outgoing import Outgoing, fetch, make_connector, open_session

__all__ = ["ClusterFlows", "Flows", "LocalFlows", "find_address", "open_flows"]

MAX_TOLD = 200
MAX_REMEMBERED = 10_000


class Flows(Protocol):
    """Reaches flows."""

    @property
    def holds(self) -> bool:
        """Whether a run needs a request that waits for its end: what no request waits for, a cluster takes for idle."""

    async def ask(
        self,
        deployment: Deployment,
        version: Version | None,
        request: Outgoing,
        *,
        timeout_seconds: float | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """What a worker of this version answers; None is whichever takes new events. Raises `NobodyThere` or
        `NoAnswer`, also for what was answered on a worker's behalf; `ValueError` for what no header can carry."""

    async def close(self) -> None:
        """Close what is kept open."""


class LocalFlows:
    """By the sockets that the activator holds."""

    holds = False

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._paths: dict[tuple[str, int], str] = {}

    async def ask(
        self,
        deployment: Deployment,
        version: Version | None,
        request: Outgoing,
        *,
        timeout_seconds: float | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """As `Flows.ask`. The socket of an older version may have to be opened: the next request then finds it."""
        wanted = version or deployment.current
        path = self._path(deployment.flow_id, wanted.number)
        packed = make_request(request.method, request.target, request.headers, request.body)
        try:
            return await ask(path, packed, timeout_seconds=timeout_seconds, max_bytes=max_bytes)
        except NobodyThere:
            if wanted != deployment.current:
                await open_flow_socket(self._layout, deployment.flow_id, wanted.number)
            raise

    async def close(self) -> None:
        """Nothing is kept open."""

    def _path(self, flow_id: str, number: int) -> str:
        """Kept for a bounded number of flows: joining paths takes longer than connecting."""
        found = self._paths.get((flow_id, number))
        if found is None:
            if len(self._paths) >= MAX_REMEMBERED:
                self._paths.clear()
            found = self._paths[flow_id, number] = str(self._layout.flow_socket(flow_id, number))
        return found


class ClusterFlows:
    """By the addresses of their Services. Connections are kept and shared: a request through the cluster's gateway
    costs a name's resolution and a handshake less."""

    holds = True

    def __init__(self, gateway: tuple[str, int] | None = None) -> None:
        self._session = open_session(make_connector(resolver=None if gateway is None else ByGateway(*gateway)))

    async def ask(
        self,
        deployment: Deployment,
        version: Version | None,
        request: Outgoing,
        *,
        timeout_seconds: float | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """As `Flows.ask`. What the gateway, the activator and queue-proxy answer for a worker is no answer: 404 until
        the Service is ready, 503 when no pod can take it, 502 when one died, 504 after the Service's own time."""
        url = find_address(deployment, version) + request.target
        answer = await fetch(self._session, url, request, timeout_seconds=timeout_seconds, max_bytes=max_bytes)
        if answer.status in (404, 502, 503, 504) and not is_of_a_worker(answer):
            told = answer.body[:MAX_TOLD].decode("utf-8", "replace").strip()
            kind = NobodyThere if answer.status in (404, 503) else NoAnswer
            raise kind(f"the cluster answered {answer.status} for it{': ' if told else ''}{told}")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class ByGateway(AbstractResolver):
    """Finds every name at one place."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The place."""
        found = await asyncio.get_running_loop().getaddrinfo(*self._place, type=socket.SOCK_STREAM)
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=proto, flags=0)
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


def open_flows(layout: Layout, knative: Knative | None) -> Flows:
    """The way to flows on this target. Within an event loop."""
    return LocalFlows(layout) if knative is None else ClusterFlows(knative.gateway)


def find_address(deployment: Deployment, version: Version | None) -> str:
    """Where a version of a flow answers inside the cluster. While a rollout is on, the flow's own name leads to either
    of two versions: one that is wanted by itself is asked by its tag."""
    if version is None or (version == deployment.current and deployment.rollout is None):
        return flow_url(deployment)
    return version_url(deployment, version.number)
