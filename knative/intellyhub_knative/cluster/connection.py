"""HTTP exchanges with the cluster's API, over Kubernetes' own client: where it is and who we are are that one's affair.

Only its REST core is used, with documents as they are: no models of objects. Its errors, and those of aiohttp below it,
are translated here.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import OpenApiException

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.cluster.errors import Unreachable, make_refusal

__all__ = ["Connection", "load_configuration"]

LOG = logging.getLogger(__name__)
CONNECT_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 << 20
MAX_LINE_BYTES = 8 << 20
"""One event of a watch. The API's storage takes objects of 1.5 MiB."""
MOST_WARNINGS = 200
"""Different ones that are remembered, so that each is logged once."""
KUBECONFIG = ("KUBE_CONFIG_PATH", "KUBECONFIG")
BEARER = ["BearerToken"]
NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError, OpenApiException)

Query = Sequence[tuple[str, str]]
Load = Callable[[], Awaitable[Configuration]]


async def load_configuration(environment: Mapping[str, str] = os.environ) -> Configuration:
    """Of the kubeconfig that `KUBE_CONFIG_PATH` or `KUBECONFIG` names, else of the pod we run in, else of
    `~/.kube/config`. Raises `InputInvalid`."""
    made = Configuration()
    named = next((environment[name] for name in KUBECONFIG if environment.get(name)), None)
    try:
        if named is None and environment.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(client_configuration=made)
        else:
            await config.load_kube_config(config_file=named, client_configuration=made, persist_config=False)
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as fault:
        raise InputInvalid(f"no cluster: {fault}; run in a pod, or name a kubeconfig with {KUBECONFIG[0]}") from fault
    return made


class Connection:
    """Requests to one API. Closed by whoever made it."""

    def __init__(self, load: Load = load_configuration) -> None:
        self._load = load
        self._client: ApiClient | None = None
        self._opening = asyncio.Lock()
        self._warned: set[str] = set()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float = 15.0,
    ) -> dict[str, Any]:
        """One request and the document of its answer. Raises `Unreachable`, `Refused`."""
        limit = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        async with self._open(method, path, query, body, content_type, limit) as response:
            return read_document(await read_bounded(response))

    async def follow(self, path: str, *, query: Query, silence_seconds: float) -> AsyncIterator[dict[str, Any]]:
        """The documents of an answer that goes on, line by line, until the API ends it. Raises `Unreachable` where it
        breaks or says nothing for so long; `Refused`."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds)
        async with self._open("GET", path, query, None, "application/json", limit) as response:
            rest = b""
            async for part in response.content.iter_any():
                *lines, rest = (rest + part).split(b"\n")
                if len(rest) > MAX_LINE_BYTES:
                    raise Unreachable(f"an event of more than {MAX_LINE_BYTES} bytes")
                for line in filter(None, lines):
                    yield read_document(line)

    async def close(self) -> None:
        """End it; a later request opens it again."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
        content_type: str,
        limit: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            response = await self._send(method, path, query, body, content_type, limit)
            if response.status == 401:  # a kubeconfig's plugin, or the pod's file, has a new token by now
                response.release()
                await self.close()
                response = await self._send(method, path, query, body, content_type, limit)
            async with response:
                self._tell_warnings(response)
                if response.status >= 300:
                    raise refusal_of(response, await read_bounded(response))
                yield response
        except NO_ANSWER as fault:
            raise Unreachable(f"the cluster's API does not answer: {fault or type(fault).__name__}") from fault

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
        content_type: str,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        async with self._opening:
            if self._client is None:
                self._client = ApiClient(await self._load())
        response = await self._client.call_api(
            path,
            method,
            query_params=list(query),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=BEARER,
            _preload_content=False,
            _request_timeout=limit,
        )
        assert isinstance(response, aiohttp.ClientResponse)
        return response

    def _tell_warnings(self, response: aiohttp.ClientResponse) -> None:
        """What the API warns of (RFC 7234, section 5.5), each once."""
        for warning in response.headers.getall("Warning", ()):
            if warning not in self._warned and len(self._warned) < MOST_WARNINGS:
                self._warned.add(warning)
                LOG.warning("the cluster's API warns: %s", warning[:1000])


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole body. Raises `Unreachable` where it is too long."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise Unreachable(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return b"".join(parts)


def read_document(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises `Unreachable` for anything else: something between us and the API answered."""
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(content)
        if isinstance(document, dict):
            return document
    raise Unreachable("something answered in place of the cluster's API")


def refusal_of(response: aiohttp.ClientResponse, content: bytes) -> Exception:
    """The error for an answer that is not a success."""
    try:
        status = read_document(content)
    except Unreachable:
        status = {}
    after = response.headers.get("Retry-After", "")
    return make_refusal(
        response.status,
        str(status.get("reason") or response.reason or ""),
        str(status.get("message") or content[:500].decode("utf-8", "replace")),
        float(after) if after.isdecimal() else None,
    )
