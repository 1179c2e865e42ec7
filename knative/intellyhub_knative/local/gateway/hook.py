"""A hook as its flow's and its tenant's records make it, and what was heard at it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid, PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.masking import mask
from intellyhub_functions.sources.webhook.rules import Rules, make_rules
from intellyhub_knative.local.deployments import Deployment
from intellyhub_knative.local.gateway.settings import Settings
from intellyhub_knative.local.keys import Keys
from intellyhub_knative.local.listener import resolve_listener
from intellyhub_knative.local.moments import moment_or_none
from intellyhub_knative.local.seal import unseal
from intellyhub_knative.local.tenants import Tenant

__all__ = ["Heard", "Hook", "is_open", "make_hook", "show_hook"]

LOG = logging.getLogger(__name__)
LISTENER = "webhook"
OPEN = "open"


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
class Hook:
    """One flow's hook."""

    tenant: Tenant
    deployment: Deployment
    heard: Heard
    rules: Rules | None
    """None: the listener cannot be used."""
    fault: str
    """Why it cannot; empty where it can. Secrets are masked."""

    def is_of(self, tenant: Tenant, deployment: Deployment) -> bool:
        """Whether it was made of these very records."""
        return self.deployment is deployment and self.tenant is tenant


def is_open(tenant: Tenant, deployment: Deployment) -> bool:
    """Whether the flow has a hook that may be called."""
    kind = (deployment.listener or {}).get("type")
    return deployment.active and not tenant.suspended and kind == LISTENER


def make_hook(
    tenant: Tenant, deployment: Deployment, heard: Heard, keys: Keys, catalogue: Catalogue, settings: Settings
) -> Hook:
    """The hook with the rules that its listener asks for. A listener that cannot be used lets nobody in."""
    rules, fault = None, ""
    try:
        rules = bound(make_rules(resolve_listener(deployment, tenant, keys, catalogue)), settings)
    except (InputInvalid, PermanentError) as refused:
        fault = masked(str(refused), tenant, keys)
        LOG.warning("the hook of %s/%s is closed: %s", tenant.slug, deployment.slug, fault)
    return Hook(tenant=tenant, deployment=deployment, heard=heard, rules=rules, fault=fault)


def bound(rules: Rules, settings: Settings) -> Rules:
    """The rules, within what the platform allows."""
    return replace(
        rules,
        max_body_bytes=min(rules.max_body_bytes, settings.max_hook_bytes),
        reply_seconds=min(rules.reply_seconds, settings.max_reply_seconds),
    )


def masked(message: str, tenant: Tenant, keys: Keys) -> str:
    """A message that may be shown. Where the secrets cannot be opened none of them is in it."""
    try:
        return mask(message, frozenset(unseal(tenant.sealed_secrets, keys).values()))
    except InputInvalid:
        return message


def show_hook(hook: Hook) -> Mapping[str, Any]:
    """As the sources' host shows a source."""
    return {
        "flow_id": hook.deployment.flow_id,
        "tenant_id": hook.deployment.tenant_id,
        "type": LISTENER,
        "connected": hook.rules is not None,
        "message": hook.fault or OPEN,
        "last_contact_at": moment_or_none(hook.heard.contact_ns),
        "last_event_at": moment_or_none(hook.heard.event_ns),
        "next_attempt_at": None,
        "events": hook.heard.events,
    }
