"""Looks at every registered service once a minute, and keeps what it found."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.models.services import Service
from intellyhub_control_plane.models.settings import Secret, Variable
from intellyhub_control_plane.services.checks import Finding, look_at
from intellyhub_control_plane.services.facts import ServiceFacts
from intellyhub_control_plane.target.equipment import facts_of
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.seal import unseal
from intellyhub_knative.platform.services import fill_in

if TYPE_CHECKING:
    from intellyhub_control_plane.platform import Platform

__all__ = ["fill_connection", "look_at_due", "outer_values"]

LOG = logging.getLogger(__name__)
EVERY = timedelta(seconds=60)
AT_ONCE = 8
MOST = 200
"""Services of one pass; those that were looked at longest ago come first."""


class Due(NamedTuple):
    """A service to look at, its placeholders filled."""

    tenant_id: str
    facts: ServiceFacts
    was_healthy: bool | None


def look_at_due(platform: Platform) -> int:
    """Look at those whose time has come; how many there were. Where something changed, its tenant's flows are deployed
    again: another service may meet their needs now."""
    with platform.database.transaction(writing=False) as session:
        due = list(find_due(session, platform.keys))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="services") as crew:
        findings = list(crew.map(look_at, [each.facts for each in due]))
    changed = {each.tenant_id for each, finding in zip(due, findings, strict=True) if keep(platform, each, finding)}
    for tenant_id in changed:
        with platform.database.transaction(writing=False) as session:
            ids = session.scalars(select(Flow.id).where(Flow.tenant_id == tenant_id)).all()
        platform.publisher.offer_flows(tenant_id, ids)
    return len(due)


def find_due(session: Session, keys: Keys) -> Sequence[Due]:
    """Those that were not looked at for a minute."""
    is_due = or_(Service.checked_at.is_(None), Service.checked_at < now() - EVERY)
    question = select(Service, Tenant).join(Tenant, Tenant.id == Service.tenant_id)
    question = question.where(is_due, Tenant.suspended.is_(False)).order_by(Service.checked_at).limit(MOST)
    known: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
    due = []
    for service, tenant in session.execute(question):
        if tenant.id not in known:
            known[tenant.id] = outer_values(session, tenant, keys)
        facts = facts_of(service)
        due.append(Due(tenant.id, fill_connection(facts, *known[tenant.id]), facts.healthy))
    return due


def keep(platform: Platform, due: Due, finding: Finding) -> bool:
    """Keep what was found; whether that is something new. A service that is gone meanwhile is left alone."""
    with platform.database.transaction() as session:
        service = session.get(Service, (due.tenant_id, due.facts.id))
        if service is None:
            return False
        service.note(session, healthy=finding.healthy, message=finding.message, milliseconds=finding.milliseconds)
    if finding.healthy is not due.was_healthy:
        LOG.info("the service %s of %s: %s", due.facts.id, due.tenant_id[:8], finding.message)
    return finding.healthy is not due.was_healthy


def outer_values(session: Session, tenant: Tenant, keys: Keys) -> tuple[dict[str, Any], dict[str, str]]:
    """A tenant's variables, and its secrets; none of these where one was sealed with another key."""
    variables = {each.key: each.value for each in session.scalars(Variable.of(tenant))}
    sealed = {each.name: each.sealed for each in session.scalars(Secret.of(tenant))}
    try:
        return variables, unseal(sealed, keys)
    except InputInvalid:
        return variables, {}


def fill_connection(service: ServiceFacts, variables: Mapping[str, Any], secrets: Mapping[str, str]) -> ServiceFacts:
    """The service with the values that its connection names."""
    connection = {
        key: fill_in(value, variables, secrets)[0] if isinstance(value, str) else value
        for key, value in service.connection.items()
    }
    return replace(service, connection=connection)
