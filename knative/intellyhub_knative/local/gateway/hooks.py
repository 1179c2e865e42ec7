"""`/hooks/{tenant}/{flow}[/{path}]`: a request becomes an event, and its sender gets the run's answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.events import Event
from intellyhub_engine.serving.answers import TRACE
from intellyhub_functions.sources.webhook.requests import Received
from intellyhub_functions.sources.webhook.rules import Challenge, Refused, Rules
from intellyhub_knative.local.attributes import ADDRESS
from intellyhub_knative.local.deployments import Deployment
from intellyhub_knative.local.flow_answer import Answer
from intellyhub_knative.local.gateway.arrivals import find_client, read_headers, read_whole
from intellyhub_knative.local.gateway.exchange import Exchange
from intellyhub_knative.local.gateway.freshness import Present
from intellyhub_knative.local.gateway.hook import Heard, Hook, is_open, make_hook, show_hook
from intellyhub_knative.local.gateway.ingress import Store, store
from intellyhub_knative.local.gateway.problems import Fault, Refusal
from intellyhub_knative.local.gateway.room import Room
from intellyhub_knative.local.gateway.settings import Settings
from intellyhub_knative.local.keys import Keys
from intellyhub_knative.local.tenants import Tenant

__all__ = ["Hooks"]

SHOW_SECONDS = 0.5
"""For looking at hooks that nobody has called yet."""
RELAYED = ("retry-after", "intellyhub-run")
SHOWN = ("application/json", "application/problem+json")
"""What a worker's answers are made of."""
FAULTS = {
    400: Fault.BAD_BODY,
    401: Fault.UNAUTHENTICATED,
    403: Fault.FORBIDDEN,
    405: Fault.METHOD_NOT_ALLOWED,
    413: Fault.TOO_LARGE,
}
NOSNIFF = {"X-Content-Type-Options": "nosniff"}


class Place(NamedTuple):
    """What an address names."""

    tenant: str
    flow: str
    path: str
    """What follows, from its slash; `/` for nothing."""
    query: str


class Hooks:
    """Answers the hooks of all flows."""

    def __init__(
        self,
        *,
        present: Present,
        keys: Keys,
        catalogue: Catalogue,
        journal: Store,
        exchange: Exchange,
        settings: Settings,
        room: Room,
    ) -> None:
        self._present = present
        self._keys = keys
        self._catalogue = catalogue
        self._journal = journal
        self._exchange = exchange
        self._settings = settings
        self._room = room
        self._hooks: dict[str, Hook] = {}
        self._waiting: set[asyncio.Timeout] = set()

    async def answer(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        """The run's answer; 202 where the sender does not wait for it. Raises `Refusal`."""
        hook = await self.find(place)
        hook.heard.contact_ns = time.time_ns()
        if hook.rules is None:
            raise Refusal(
                Fault.LISTENER_FAULTY,
                "its owner finds the reason with the flow, in the console",
                retry_after_seconds=60,
            )
        headers = read_headers(request)
        client = find_client(headers, request.remote or "", self._settings.trusted_proxies)
        try:
            accepted: Event | Challenge | None = hook.rules.admit(request.method, client, place.query)
            if accepted is None:
                if headers.get("content-encoding", "identity").lower() != "identity":
                    raise Refusal(Fault.UNSUPPORTED_TYPE, "send the body as it is, without a Content-Encoding")
                body = await read_whole(request, hook.rules.max_body_bytes, self._settings.body_seconds, self._room)
                received = Received(request.method, place.path, place.query, headers, body, client)
                accepted = hook.rules.accept(received, source=hook.deployment.address, now_ns=time.time_ns())
        except Refused as refused:
            raise refuse(refused, hook.rules) from None
        if isinstance(accepted, Challenge):
            return web.Response(text=accepted.text, headers=NOSNIFF)
        hook.heard.note()
        event = address(accepted, hook.deployment, headers)
        if "respond-async" in headers.get("prefer", "").lower():
            return await self.accept(hook, event, {"Preference-Applied": "respond-async"})
        return await self.run(hook, event)

    async def find(self, place: Place) -> Hook:
        """The hook at a place. Raises `Refusal`, the same one whatever is missing."""
        self._present.look()
        tenant = self._present.tenant(place.tenant)
        deployment = self._present.flow(tenant, place.flow) if tenant else None
        if tenant is None or deployment is None or not is_open(tenant, deployment):
            raise Refusal(Fault.NOT_FOUND, "no hook is here")
        return await self.hook_of(tenant, deployment)

    async def hook_of(self, tenant: Tenant, deployment: Deployment) -> Hook:
        """The hook of these records, made anew where they have changed."""
        hook = self._hooks.get(deployment.flow_id)
        if hook is None or not hook.is_of(tenant, deployment):
            heard = hook.heard if hook is not None else Heard()
            hook = await asyncio.to_thread(
                make_hook, tenant, deployment, heard, self._keys, self._catalogue, self._settings
            )
            self._hooks[deployment.flow_id] = hook
            self.forget()
        return hook

    async def show(self) -> Mapping[str, Any]:
        """Every hook, as the sources' host shows sources. One that nobody has called yet is looked at first; those that
        cannot be looked at in time are shown the next time."""
        self._present.look()
        desired, ends = self._present.desired, time.monotonic() + SHOW_SECONDS
        items = []
        for deployment in tuple(desired.deployments.values()):
            tenant = desired.tenants.get(deployment.tenant_id)
            if tenant is None or not is_open(tenant, deployment):
                continue
            known = self._hooks.get(deployment.flow_id)
            is_known = known is not None and known.is_of(tenant, deployment)
            if is_known or time.monotonic() < ends:
                items.append(show_hook(await self.hook_of(tenant, deployment)))
        return {"items": items}

    def forget(self) -> None:
        """Drop the hooks of flows that are gone."""
        if len(self._hooks) > 2 * len(self._present.desired.deployments) + 100:
            deployed = self._present.desired.deployments
            self._hooks = {flow_id: hook for flow_id, hook in self._hooks.items() if flow_id in deployed}

    async def run(self, hook: Hook, event: Event) -> web.StreamResponse:
        """Send the event straight to the flow. When the sender has waited long enough it becomes a stored one: the
        broker then finds the run that it made, or makes it."""
        assert hook.rules is not None
        try:
            async with asyncio.timeout(hook.rules.reply_seconds) as limit:
                self._waiting.add(limit)
                try:
                    return relay(await self._exchange.deliver(hook.deployment, event))
                finally:
                    self._waiting.discard(limit)
        except TimeoutError:
            return await self.accept(hook, event, {})

    async def accept(self, hook: Hook, event: Event, headers: dict[str, str]) -> web.StreamResponse:
        """Store the event for the broker; 202."""
        await store(self._journal, hook.tenant.tenant_id, [event], self._settings)
        body = orjson.dumps({"status": "accepted", "event_id": event.id})
        return web.Response(status=202, body=body, content_type="application/json", headers={**headers, **NOSNIFF})

    def stop_waiting(self, seconds: float) -> None:
        """Let everyone who waits for a run have an answer within `seconds`."""
        ends = asyncio.get_running_loop().time() + seconds
        for limit in tuple(self._waiting):
            limit.reschedule(ends)


def refuse(refused: Refused, rules: Rules) -> Refusal:
    """What a webhook's rules refused, as a problem."""
    fault = FAULTS.get(refused.status, Fault.BAD_REQUEST)
    headers = {"Allow": ", ".join(sorted(rules.methods))} if refused.status == 405 else None
    return Refusal(fault, str(refused), headers=headers)


def address(event: Event, deployment: Deployment, headers: dict[str, str]) -> Event:
    """The event, addressed to its flow, in the trace of its request."""
    trace = {name: headers[name] for name in TRACE if name in headers and "traceparent" in headers}
    return replace(event, extensions={ADDRESS: deployment.flow_id, **trace})


def relay(answer: Answer) -> web.Response:
    """A worker's answer for the sender; where to look for the run is told as the platform's own address."""
    headers = {name: answer.headers[name] for name in RELAYED if name in answer.headers} | NOSNIFF
    place = answer.headers.get("location", "")
    if place.startswith("/runs/"):
        headers["Location"] = f"/api{place}"
    kind = answer.headers.get("content-type", "")
    if kind:  # the console has the same origin, so that nothing of a flow's may run here
        headers["Content-Type"] = kind if kind in SHOWN else "application/octet-stream"
    return web.Response(status=answer.status, body=without_variables(answer), headers=headers)


def without_variables(answer: Answer) -> bytes:
    """A worker answers for a flow that gives no `output` with all the variables of its run. They are for its owner, who
    sees them with the run; strangers who call a hook get what the flow wants to say."""
    if answer.status != 200 or b'"variables"' not in answer.body or answer.headers.get("content-type") != SHOWN[0]:
        return answer.body
    document = orjson.loads(answer.body)
    if not isinstance(document, dict) or "variables" not in document:
        return answer.body
    del document["variables"]
    return orjson.dumps(document)
