"""`/hooks/{tenant}/{flow}[/{path}]`, and `/mcp/{tenant}` and its like: who is called, and by whom.

What a request means is said by the hook that the listener's type provides (`intellyhub_engine.machine.hook`); nothing
here knows any of the protocols.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.machine.hook import Accept, Direct, Direction, Facts, Find, Hook, Received, Refused
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.gateway.arrivals import find_base, find_client, read_headers, read_whole
from intellyhub_knative.platform.gateway.carriage import Carriage, send
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.gateway.hook import Heard, Opened, is_hooked, kind_of, make_callee, open_flow_hook
from intellyhub_knative.platform.gateway.hook import show_hook as show
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.senders import admits
from intellyhub_knative.platform.gateway.settings import Settings
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Hooks", "Place"]

SHOW_SECONDS = 0.5
"""For looking at hooks that nobody has called yet."""
FAULTS = {
    400: Fault.BAD_BODY,
    401: Fault.UNAUTHENTICATED,
    403: Fault.FORBIDDEN,
    404: Fault.NOT_FOUND,
    405: Fault.METHOD_NOT_ALLOWED,
    406: Fault.NOT_ACCEPTABLE,
    413: Fault.TOO_LARGE,
    415: Fault.UNSUPPORTED_TYPE,
}


class Place(NamedTuple):
    """What an address names."""

    tenant: str
    flow: str
    """Empty at a hook of a tenant."""
    path: str
    """What follows, from its slash; `/` for nothing."""
    query: str
    base: str
    """The hook's own part of the address: `/hooks/acme/orders`."""


class Hooks:
    """Answers the hooks of all flows and tenants."""

    def __init__(
        self,
        *,
        present: Present,
        keys: Keys,
        catalogue: Catalogue,
        carriage: Carriage,
        settings: Settings,
        room: Room,
    ) -> None:
        self._present = present
        self._keys = keys
        self._catalogue = catalogue
        self._carriage = carriage
        self._settings = settings
        self._room = room
        self._session_key = keys.derive(Purpose.SESSIONS)
        self._hooks: dict[str, Opened] = {}

    @property
    def tenants_hooks(self) -> Mapping[str, Any]:
        """What is answered for whole tenants, by the first part of the path."""
        return self._catalogue.hooks

    async def answer(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        """What the hook of a flow says. Raises `Refusal`."""
        opened = await self.find(place)
        opened.heard.contact_ns = time.time_ns()
        if opened.fault:
            raise Refusal(
                Fault.LISTENER_FAULTY,
                "its owner finds the reason with the flow, in the console",
                retry_after_seconds=60,
            )
        if opened.hook is None:
            raise Refusal(Fault.NOT_FOUND, "no hook is here")
        flows = {"": opened.deployment, opened.deployment.flow_id: opened.deployment}
        return await self.serve(request, place, opened.hook, opened.tenant, flows, opened.heard)

    async def answer_tenant(self, request: web.BaseRequest, name: str, place: Place) -> web.StreamResponse:
        """What a hook for all flows of a tenant says. Raises `Refusal`."""
        self._present.look()
        tenant = self._present.tenant(place.tenant)
        known = self.admitting(tenant) if tenant is not None and not tenant.suspended else lambda headers: False
        flows = {
            each.flow_id: each
            for each in (self._present.desired.of_tenant(tenant.tenant_id) if tenant is not None else ())
            if each.active and tenant is not None and not tenant.suspended
        }
        facts = Facts(name=place.tenant, flows=[make_callee(each) for each in flows.values()], admits=known)
        hook = self._catalogue.hooks[name]()({}, facts)
        if hook is None:
            raise Refusal(Fault.NOT_FOUND, "no hook is here")
        return await self.serve(request, place, hook, tenant, flows, Heard())

    async def serve(
        self,
        request: web.BaseRequest,
        place: Place,
        hook: Hook,
        tenant: Tenant | None,
        flows: Mapping[str, Deployment],
        heard: Heard,
    ) -> web.StreamResponse:
        """Bring the hook the request, and do what it says. Raises `Refusal`."""
        if tenant is not None:
            self._room.own(request, tenant.tenant_id)
        direction = await self.direct(request, place, hook)
        if isinstance(direction, Direct):
            return send(direction.answer)
        deployment = flows.get(direction.flow_id)
        if tenant is None or deployment is None:
            raise Refusal(Fault.NOT_FOUND, "no hook is here")
        if isinstance(direction, Find):
            return await self._carriage.find(request, direction, deployment)
        assert isinstance(direction, Accept)
        heard.note()
        return await self._carriage.accept(request, direction, deployment)

    async def direct(self, request: web.BaseRequest, place: Place, hook: Hook) -> Direction:
        """What the hook makes of the request. Raises `Refusal`."""
        headers = read_headers(request)
        trusted = self._settings.trusted_proxies
        client = find_client(headers, request.remote or "", trusted)
        base = (self._settings.public_url or find_base(headers, request.remote or "", trusted)) + place.base
        head = Received(request.method, place.path, place.query, headers, b"", client, base)
        try:
            admitted = hook.admit(head)
            if admitted is not None:
                return admitted
            if headers.get("content-encoding", "identity").lower() != "identity":
                raise Refusal(Fault.UNSUPPORTED_TYPE, "send the body as it is, without a Content-Encoding")
            limit = min(hook.max_body_bytes, self._settings.max_hook_bytes)
            body = await read_whole(request, limit, self._settings.body_seconds, self._room)
            return hook.answer(head._replace(body=body), time.time_ns())
        except Refused as refused:
            fault = FAULTS.get(refused.status, Fault.BAD_REQUEST)
            raise Refusal(fault, str(refused), headers=refused.headers) from None

    async def find(self, place: Place) -> Opened:
        """The hook at a place. Raises `Refusal`, the same one whatever is missing."""
        self._present.look()
        tenant = self._present.tenant(place.tenant)
        deployment = self._present.flow(tenant, place.flow) if tenant else None
        if tenant is None or deployment is None or not is_hooked(tenant, deployment, self._catalogue):
            raise Refusal(Fault.NOT_FOUND, "no hook is here")
        return await self.hook_of(tenant, deployment)

    async def hook_of(self, tenant: Tenant, deployment: Deployment) -> Opened:
        """The hook of these records, made anew where they have changed."""
        known = self._hooks.get(deployment.flow_id)
        if known is None or not known.is_of(tenant, deployment):
            heard = known.heard if known is not None else Heard()
            may = self.admitting(tenant)
            known = await asyncio.to_thread(open_flow_hook, tenant, deployment, heard, self._keys, self._catalogue, may)
            self._hooks[deployment.flow_id] = known
            self.forget()
        return known

    def admitting(self, tenant: Tenant) -> Callable[[Mapping[str, str]], bool]:
        """Whether headers show a token of this tenant."""
        return lambda headers: admits(headers, tenant, self._session_key)

    async def show(self) -> Mapping[str, Any]:
        """Every hook, as the sources' host shows sources. One that nobody has called yet is looked at first; those that
        cannot be looked at in time are shown the next time. Sources that somebody listens for are shown there."""
        self._present.look()
        desired, ends = self._present.desired, time.monotonic() + SHOW_SECONDS
        items = []
        for deployment in tuple(desired.deployments.values()):
            tenant = desired.tenants.get(deployment.tenant_id)
            if tenant is None or not is_hooked(tenant, deployment, self._catalogue):
                continue
            if not self._catalogue.sources[kind_of(deployment)].brought:
                continue
            known = self._hooks.get(deployment.flow_id)
            is_known = known is not None and known.is_of(tenant, deployment)
            if is_known or time.monotonic() < ends:
                items.append(show(await self.hook_of(tenant, deployment)))
        return {"items": items}

    def forget(self) -> None:
        """Drop the hooks of flows that are gone."""
        if len(self._hooks) > 2 * len(self._present.desired.deployments) + 100:
            deployed = self._present.desired.deployments
            self._hooks = {flow_id: hook for flow_id, hook in self._hooks.items() if flow_id in deployed}

    def stop_waiting(self, seconds: float) -> None:
        """Let everyone who waits for a run have an answer within `seconds`."""
        self._carriage.stop_waiting(seconds)
