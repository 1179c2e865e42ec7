"""`/hooks/{tenant}/{flow}[/{path}]`: a request becomes an event, and its sender gets the run's answer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import NamedTuple

import orjson
from aiohttp import web

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid, PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.sources.webhook.requests import Received
from intellyhub_functions.sources.webhook.rules import Challenge, Refused, Rules, make_rules
from intellyhub_knative.local.deployments import Deployment
from intellyhub_knative.local.gateway.arrivals import find_client, read_headers, read_whole
from intellyhub_knative.local.gateway.exchange import Exchange
from intellyhub_knative.local.gateway.flow_socket import Answer
from intellyhub_knative.local.gateway.freshness import Present
from intellyhub_knative.local.gateway.ingress import Store, store
from intellyhub_knative.local.gateway.problems import Fault, Refusal
from intellyhub_knative.local.gateway.settings import Settings
from intellyhub_knative.local.keys import Keys
from intellyhub_knative.local.listener import resolve_listener
from intellyhub_knative.local.tenants import Tenant

__all__ = ["Hooks"]

LOG = logging.getLogger(__name__)
LISTENER = "webhook"
RELAYED = ("retry-after", "intellyhub-run")
SHOWN = ("application/json", "application/problem+json")
"""What a worker's answers are made of."""
TRACE = ("traceparent", "tracestate")
FAULTS = {
    400: Fault.BAD_BODY,
    401: Fault.UNAUTHENTICATED,
    403: Fault.FORBIDDEN,
    405: Fault.METHOD_NOT_ALLOWED,
    413: Fault.TOO_LARGE,
}
NOSNIFF = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A hook as its flow's and its tenant's records make it."""

    tenant: Tenant
    deployment: Deployment
    rules: Rules | None
    """None: the listener cannot be used, which is in the log."""


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
    ) -> None:
        self._present = present
        self._keys = keys
        self._catalogue = catalogue
        self._journal = journal
        self._exchange = exchange
        self._settings = settings
        self._hooks: dict[str, Hook] = {}
        self._waiting: set[asyncio.Timeout] = set()

    async def answer(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        """The run's answer; 202 where the sender does not wait for it. Raises `Refusal`."""
        hook = await self.find(place)
        if hook.rules is None:
            raise Refusal(Fault.LISTENER_FAULTY, "its owner finds the reason in the log", retry_after_seconds=60)
        headers = read_headers(request)
        client = find_client(headers, request.remote or "", self._settings.trusted_proxies)
        try:
            accepted: Event | Challenge | None = hook.rules.admit(request.method, client, place.query)
            if accepted is None:
                if headers.get("content-encoding", "identity").lower() != "identity":
                    raise Refusal(Fault.UNSUPPORTED_TYPE, "send the body as it is, without a Content-Encoding")
                body = await read_whole(request, hook.rules.max_body_bytes, self._settings.body_seconds)
                received = Received(request.method, place.path, place.query, headers, body, client)
                accepted = hook.rules.accept(received, source=hook.deployment.address, now_ns=time.time_ns())
        except Refused as refused:
            raise refuse(refused, hook.rules) from None
        if isinstance(accepted, Challenge):
            return web.Response(text=accepted.text, headers=NOSNIFF)
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
        hook = self._hooks.get(deployment.flow_id)
        if hook is None or hook.deployment is not deployment or hook.tenant is not tenant:
            rules = await asyncio.to_thread(self.resolve, tenant, deployment)
            hook = self._hooks[deployment.flow_id] = Hook(tenant=tenant, deployment=deployment, rules=rules)
            self.forget()
        return hook

    def resolve(self, tenant: Tenant, deployment: Deployment) -> Rules | None:
        """The rules that the flow's listener asks for. A listener that cannot be used lets nobody in."""
        try:
            return self.bound(make_rules(resolve_listener(deployment, tenant, self._keys, self._catalogue)))
        except (InputInvalid, PermanentError) as fault:
            LOG.warning("the hook of %s/%s is closed: %s", tenant.slug, deployment.slug, fault)
            return None

    def bound(self, rules: Rules) -> Rules:
        """The rules, within what the platform allows."""
        return replace(
            rules,
            max_body_bytes=min(rules.max_body_bytes, self._settings.max_hook_bytes),
            reply_seconds=min(rules.reply_seconds, self._settings.max_reply_seconds),
        )

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


def is_open(tenant: Tenant, deployment: Deployment) -> bool:
    """Whether the flow has a hook that may be called."""
    kind = (deployment.listener or {}).get("type")
    return deployment.active and not tenant.suspended and kind == LISTENER


def refuse(refused: Refused, rules: Rules) -> Refusal:
    """What a webhook's rules refused, as a problem."""
    fault = FAULTS.get(refused.status, Fault.BAD_REQUEST)
    headers = {"Allow": ", ".join(sorted(rules.methods))} if refused.status == 405 else None
    return Refusal(fault, str(refused), headers=headers)


def address(event: Event, deployment: Deployment, headers: dict[str, str]) -> Event:
    """The event, addressed to its flow, in the trace of its request."""
    trace = {name: headers[name] for name in TRACE if name in headers and "traceparent" in headers}
    return replace(event, extensions={"flow": deployment.flow_id, **trace})


def relay(answer: Answer) -> web.Response:
    """A worker's answer for the sender; where to look for the run is told as the platform's own address."""
    headers = {name: answer.headers[name] for name in RELAYED if name in answer.headers} | NOSNIFF
    place = answer.headers.get("location", "")
    if place.startswith("/runs/"):
        headers["Location"] = f"/api{place}"
    kind = answer.headers.get("content-type", "")
    if kind:  # the console has the same origin, so that nothing of a flow's may run here
        headers["Content-Type"] = kind if kind in SHOWN else "application/octet-stream"
    return web.Response(status=answer.status, body=answer.body, headers=headers)
