"""`POST /dead-letters/{tenant}/{flow}`: what Knative Brokers could not deliver comes back into the outbox.

What the flow itself refused is a dead letter there, which a person can look at, have delivered again or discard. What
was refused on its behalf, by a gateway, a pod that could not start, a version that is no longer the current one, is
delivered straight, with the flow's own attempts, and is a dead letter after the last of those.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from aiohttp import web

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, RunSummary
from intellyhub_engine.serving.access import SIGNATURE, Access
from intellyhub_engine.serving.cloudevents import read_event
from intellyhub_engine.serving.message import Request
from intellyhub_engine.serving.problems import RequestRefused
from intellyhub_knative.filters import matches
from intellyhub_knative.platform.attributes import ADDRESS, HOPS, without_extensions
from intellyhub_knative.platform.broker.routing import is_sound
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.flow_answer import is_repeated
from intellyhub_knative.platform.gateway.arrivals import read_headers, read_whole
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.gateway.given_up import SAID, Fate, GivenUp, read_given_up
from intellyhub_knative.platform.gateway.ingress import storing
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.settings import Settings
from intellyhub_knative.platform.keys import Keys, Purpose

__all__ = ["DeadLetters", "Graveyard"]

LOG = logging.getLogger(__name__)
PLACE = re.compile("/dead-letters/([0-9a-f]{32})(?:/([0-9a-f]{32}))?/?")
SIGNED_SECONDS = 86_400.0
"""How old a signature may be: longer than any Broker goes on, as it is renewed with each post."""
MOST_HOPS = 1000
OWNER = "dead letters"
"""Whose the room is that they take: nobody is known until the whole body is there, and strangers may send one too."""


class Graveyard(Protocol):
    """The journal service's client."""

    async def bury(
        self,
        tenant_id: str,
        flow_id: str,
        event: Event,
        /,
        *,
        code: int | None = None,
        error: str = "",
        attempts: int = 1,
        hops: int = 0,
        again: bool = False,
    ) -> bool: ...

    async def find_run(self, flow: str, source: str, event_id: str, /) -> RunSummary | None: ...


class DeadLetters:
    """The sink of all Triggers."""

    def __init__(self, *, present: Present, journal: Graveyard, keys: Keys, settings: Settings, room: Room) -> None:
        self._present = present
        self._journal = journal
        self._keys = keys
        self._settings = settings
        self._room = room

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """204, empty, once it is on the disk. Raises `Refusal`."""
        if request.method != "POST":
            raise Refusal(Fault.METHOD_NOT_ALLOWED, "POST events", headers={"Allow": "POST"})
        found = PLACE.fullmatch(path)
        if found is None:
            raise Refusal(Fault.NOT_FOUND, "no dead letters are taken here")
        tenant_id, flow_id = found[1], found[2] or ""
        headers = read_headers(request)
        if f"ce-{SIGNATURE}" not in headers:
            raise Refusal(Fault.UNAUTHENTICATED, "a dead letter carries the platform's signature", close=True)
        self._room.own(request, OWNER)
        body = await read_whole(request, self._settings.max_dead_letter_bytes, self._settings.body_seconds, self._room)
        event = self.admit(tenant_id, headers, body)
        self._present.look()
        async with storing(self._settings.journal_seconds):
            await self.keep(tenant_id, flow_id, event, read_given_up(headers), read_hops(event))
        return web.Response(status=204)

    def admit(self, tenant_id: str, headers: Mapping[str, str], body: bytes) -> Event:
        """The event, where the tenant's own key has signed it. Raises `Refusal`."""
        key = self._keys.token(Purpose.DELIVERY, tenant_id).encode()
        request = Request("POST", "/", headers, body)
        access = Access(secrets=(key,), signature_seconds=SIGNED_SECONDS)
        try:
            access.check_signature(headers[f"ce-{SIGNATURE}"], request, time.time())
        except RequestRefused as refusal:
            raise Refusal(Fault.FORBIDDEN, refusal.detail) from refusal
        try:
            return read_any(request)
        except RequestRefused as refusal:
            raise Refusal(Fault[refusal.fault.name], refusal.detail) from refusal

    async def keep(self, tenant_id: str, flow_id: str, signed: Event, given_up: GivenUp, hops: int) -> None:
        """Do with it what its reason asks for."""
        event = without_extensions(signed, *SAID, SIGNATURE, HOPS)
        deployment = self._present.desired.deployments.get(flow_id)
        if deployment is not None and deployment.tenant_id != tenant_id:
            raise Refusal(Fault.FORBIDDEN, "the flow is another tenant's")
        if given_up.fate is Fate.SILENT and (deployment is None or not is_for(event, deployment)):
            LOG.warning("a Broker gave up the event %r for a Trigger that is gone: nothing is lost", event.id)
            return
        again = given_up.fate is not Fate.DEAD and deployment is not None
        if again and deployment is not None and await self.has_run(deployment, event):
            LOG.info("a Broker gave up the event %r, whose run goes on or has ended", event.id)
            return
        attempts = 1 if deployment is None else deployment.delivery.retry + 1
        await self._journal.bury(
            tenant_id,
            flow_id,
            event,
            code=given_up.code,
            error=given_up.error,
            attempts=attempts if given_up.code is None or is_repeated(given_up.code) else 1,
            hops=hops,
            again=again,
        )

    async def has_run(self, deployment: Deployment, event: Event) -> bool:
        """Whether the flow has the event: its run is in the journal, and goes on from there whatever happens. One that
        failed may go on with another delivery."""
        found = await self._journal.find_run(deployment.journal_name, event.source, event.id)
        return found is not None and found.status is not RunStatus.FAILED


def read_any(request: Request) -> Event:
    """The event; where its body is not what its type says, which may be why it was refused, with the bytes as they are.
    Raises `RequestRefused`."""
    try:
        return read_event(request)
    except RequestRefused:
        headers = {**request.headers, "content-type": "application/octet-stream"}
        event = read_event(request._replace(headers=headers))
        return replace(event, datacontenttype=request.headers.get("content-type"))


def is_for(event: Event, deployment: Deployment) -> bool:
    """Whether the flow's Trigger takes the event: what is addressed to it, and what passes its filters."""
    is_addressed = event.extensions.get(ADDRESS) == deployment.flow_id
    return is_addressed or (is_sound(deployment) and matches(event, deployment.filters))


def read_hops(event: Event) -> int:
    """How many events lie before it; the platform wrote it, but nothing signs it."""
    written = event.extensions.get(HOPS, "0")
    return min(int(written), MOST_HOPS) if written.isascii() and written.isdigit() and len(written) < 6 else 0
