"""The hook of a flow or of a tenant as the records make it, and what was heard at it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid, PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.hook import Callee, Facts, Hook
from intellyhub_engine.machine.masking import mask
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.listener import resolve_listener
from intellyhub_knative.platform.moments import moment_or_none
from intellyhub_knative.platform.seal import unseal
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Admits", "Heard", "Opened", "is_hooked", "kind_of", "make_callee", "open_flow_hook", "show_hook"]

LOG = logging.getLogger(__name__)
OPEN = "open"

Admits = Callable[[Mapping[str, str]], bool]
"""Whether the sender of these headers shows a token of the tenant."""


class Heard:
    """What came in since this process began."""

    __slots__ = ("contact_ns", "event_ns", "events")

    def __init__(self) -> None:
        self.contact_ns: int | None = None
        """When it was last called, in Unix nanoseconds."""
        self.event_ns: int | None = None
        """When a request was last let in."""
        self.events = 0

    def note(self) -> None:
        """A request was let in."""
        self.event_ns = time.time_ns()
        self.events += 1


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One flow's hook."""

    tenant: Tenant
    deployment: Deployment
    heard: Heard
    hook: Hook | None
    """None: there is none, or its listener cannot be used."""
    fault: str
    """Why it cannot; empty where it can. Secrets are masked."""

    def is_of(self, tenant: Tenant, deployment: Deployment) -> bool:
        """Whether it was made of these very records."""
        return self.deployment is deployment and self.tenant is tenant


def kind_of(deployment: Deployment) -> str:
    """The type of the flow's listener; empty where it has none."""
    return str((deployment.listener or {}).get("type") or "")


def is_hooked(tenant: Tenant, deployment: Deployment, catalogue: Catalogue) -> bool:
    """Whether the flow's listener is one that may be called over HTTP, now."""
    source = catalogue.sources.get(kind_of(deployment))
    return deployment.active and not tenant.suspended and source is not None and source.load_hook is not None


def open_flow_hook(
    tenant: Tenant, deployment: Deployment, heard: Heard, keys: Keys, catalogue: Catalogue, admits: Admits
) -> Opened:
    """The hook that the flow's listener asks for. A listener that cannot be used lets nobody in."""
    hook, fault = None, ""
    load = catalogue.sources[kind_of(deployment)].load_hook
    assert load is not None
    try:
        parameters = resolve_listener(deployment, tenant, keys, catalogue)
        facts = Facts(name=deployment.slug, flows=(make_callee(deployment),), admits=admits)
        hook = load()(parameters, facts)
    except (InputInvalid, PermanentError) as refused:
        fault = masked(str(refused), tenant, keys)
        LOG.warning("the hook of %s/%s is closed: %s", tenant.slug, deployment.slug, fault)
    return Opened(tenant=tenant, deployment=deployment, heard=heard, hook=hook, fault=fault)


def make_callee(deployment: Deployment) -> Callee:
    """A flow as those who call it know it."""
    return Callee(
        flow_id=deployment.flow_id,
        name=deployment.slug,
        title=deployment.name,
        description=deployment.description,
        source=deployment.address,
        listener=kind_of(deployment) or None,
        input_schema=deployment.input_schema,
        output_schema=deployment.output_schema,
    )


def masked(message: str, tenant: Tenant, keys: Keys) -> str:
    """A message that may be shown. Where the secrets cannot be opened none of them is in it."""
    try:
        return mask(message, frozenset(unseal(tenant.sealed_secrets, keys).values()))
    except InputInvalid:
        return message


def show_hook(opened: Opened) -> Mapping[str, Any]:
    """As the sources' host shows a source."""
    return {
        "flow_id": opened.deployment.flow_id,
        "tenant_id": opened.deployment.tenant_id,
        "type": kind_of(opened.deployment),
        "connected": opened.hook is not None,
        "message": opened.fault or OPEN,
        "last_contact_at": moment_or_none(opened.heard.contact_ns),
        "last_event_at": moment_or_none(opened.heard.event_ns),
        "next_attempt_at": None,
        "events": opened.heard.events,
    }
