"""`POST /events/{tenant}`: CloudEvents from outside, on the disk before they are acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import orjson
from aiohttp import web

from intellyhub_engine.errors import JournalError, JournalFull, ValueRefused
from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import SIGNATURE
from intellyhub_engine.serving.cloudevents import read_event
from intellyhub_engine.serving.message import Request, media_type
from intellyhub_engine.serving.problems import Fault as WorkerFault
from intellyhub_engine.serving.problems import RequestRefused
from intellyhub_knative.platform.attributes import HOPS, without_extensions
from intellyhub_knative.platform.gateway.arrivals import read_headers, read_whole
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.gateway.pace import Pace
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.senders import Pods, check_pod, check_sender, find_pod
from intellyhub_knative.platform.gateway.settings import Settings
from intellyhub_knative.platform.outbox import Accepted

__all__ = ["Ingress", "Store", "read_events", "store", "storing"]

BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"
OURS = (SIGNATURE, HOPS)
"""Extension attributes that the platform alone gives."""
BURST_SECONDS = 5
RETRY_AFTER_SECONDS = 5


class Store(Protocol):
    """Where events become durable: the journal service's client."""

    async def accept(self, tenant_id: str, events: Sequence[Event]) -> Sequence[Accepted]: ...


class Ingress:
    """Takes events of all tenants."""

    def __init__(
        self,
        *,
        present: Present,
        journal: Store,
        settings: Settings,
        session_key: bytes,
        room: Room,
        pods: Pods | None = None,
    ) -> None:
        self._present = present
        self._journal = journal
        self._settings = settings
        self._room = room
        self._session_key = session_key
        self._pods = pods
        """On a cluster: who knows pods by their tokens."""
        self._pace = Pace(settings.events_per_second, settings.events_per_second * BURST_SECONDS)

    async def answer(self, request: web.BaseRequest, slug: str) -> web.StreamResponse:
        """202 once the events are on the disk. Raises `Refusal`."""
        if request.method != "POST":
            raise Refusal(
                Fault.METHOD_NOT_ALLOWED, f"{request.method} is not offered: POST events", headers={"Allow": "POST"}
            )
        headers = read_headers(request)
        self._present.look()
        tenant = self._present.tenant(slug)
        pod = await find_pod(headers, self._pods, self._present.desired.deployments.values())
        tenant = check_sender(headers, tenant, self._session_key) if pod is None else check_pod(pod, tenant)
        self._room.own(request, tenant.tenant_id)
        is_batch = headers.get("content-type", "").lower().startswith(BATCH)
        limit = self._settings.max_batch_bytes if is_batch else self._settings.max_event_bytes
        body = await read_whole(request, limit, self._settings.body_seconds, self._room)
        events = read_events(headers, body, self._settings.max_event_bytes)
        wait_seconds = self._pace.take(tenant.tenant_id, len(events), time.monotonic())
        if wait_seconds:
            detail = f"at most {self._settings.events_per_second} events a second"
            raise Refusal(Fault.TOO_MANY, detail, retry_after_seconds=wait_seconds)
        known = [each.known for each in await store(self._journal, tenant.tenant_id, events, self._settings)]
        if is_delivery(request):
            return web.Response(status=202)
        counts = {"accepted": known.count(False), "duplicates": known.count(True)}
        return web.Response(status=202, body=orjson.dumps(counts), content_type="application/json")


def is_delivery(request: web.BaseRequest) -> bool:
    """Whether a part of Knative sends it, which takes an answer with any words in it for a failure."""
    return "Kn-Namespace" in request.headers or request.headers.get("Prefer", "").strip().lower() == "reply"


async def store(journal: Store, tenant_id: str, events: Sequence[Event], settings: Settings) -> Sequence[Accepted]:
    """Make events durable, all or none. Waits a little for a journal service that is being restarted; raises
    `Refusal`. The sender may always send again: what was stored after all is known then."""
    if not events:
        return ()
    async with storing(settings.journal_seconds):
        return await journal.accept(tenant_id, events)


@asynccontextmanager
async def storing(seconds: float) -> AsyncIterator[None]:
    """What is stored within has so long. Raises `Refusal` for what the journal service says, or does not say."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except JournalFull:
        raise Refusal(Fault.DISK_FULL, "the disk is full; nothing was stored", retry_after_seconds=60) from None
    except ValueRefused as fault:
        raise Refusal(Fault.TOO_LARGE, str(fault)) from fault
    except (JournalError, TimeoutError, OSError):
        raise Refusal(
            Fault.JOURNAL_UNAVAILABLE,
            "the journal service did not answer; send it again",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from None


def read_events(headers: Mapping[str, str], body: bytes, max_event_bytes: int) -> list[Event]:
    """The events of a request in any of the three modes. Raises `Refusal` with every fault of every event."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(Fault.UNSUPPORTED_TYPE, "send the body as it is, without a Content-Encoding")
    if media_type(headers.get("content-type", ""))[0] == BATCH:
        return read_batch(body, max_event_bytes)
    try:
        return [read_one(headers, body)]
    except RequestRefused as refusal:
        raise Refusal(Fault[refusal.fault.name], refusal.detail, headers=dict(refusal.headers)) from refusal


def read_batch(body: bytes, max_event_bytes: int) -> list[Event]:
    """All events of a batch, or a refusal that names the faulty ones
    (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#4-json-batch-format)."""
    try:
        documents = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Refusal(Fault.BAD_BODY, f"the batch is not JSON: {fault}") from fault
    if not isinstance(documents, list):
        raise Refusal(Fault.BAD_EVENT, "a batch is a JSON array of events")
    events, faults = [], []
    for index, document in enumerate(documents):
        packed = orjson.dumps(document)
        if len(packed) > max_event_bytes:
            detail = f"the event is larger than {max_event_bytes} bytes"
            faults.append((WorkerFault.TOO_LARGE, {"index": index, "detail": detail}))
            continue
        try:
            events.append(read_one({"content-type": STRUCTURED}, packed))
        except RequestRefused as refusal:
            faults.append((refusal.fault, {"index": index, "detail": refusal.detail}))
    if faults:
        kind = Fault.TOO_LARGE if all(each is WorkerFault.TOO_LARGE for each, _ in faults) else Fault.BAD_EVENT
        detail = f"{len(faults)} of {len(documents)} events are faulty; none was taken"
        raise Refusal(kind, detail, errors=[error for _, error in faults])
    return events


def read_one(headers: Mapping[str, str], body: bytes) -> Event:
    """One event, without what only the platform may say of it."""
    return without_extensions(read_event(Request("POST", "/", headers, body)), *OURS)
