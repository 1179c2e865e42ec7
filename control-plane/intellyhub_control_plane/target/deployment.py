"""What is to run, made from what the database holds. Pure: no clock, no files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.target.equipment import Equipment
from intellyhub_knative.filters import make_filters
from intellyhub_knative.platform.deployments import Deployment, Rollout, Version
from intellyhub_knative.platform.records import known_fields
from intellyhub_knative.platform.tenants import Tenant as TenantRecord

__all__ = ["EVENT_LISTENER", "make_deployment", "make_rollout", "make_tenant_record"]

EVENT_LISTENER = "event"
"""The listener's type that takes events of the tenant's broker."""


def make_deployment(
    tenant: Tenant,
    flow: Flow,
    versions: Sequence[FlowVersion],
    path_of: Callable[[int], Path],
    *,
    equipment: Equipment,
    idle_seconds: float,
    timeout_seconds: float,
) -> Deployment:
    """A flow as it is to run. The first of `versions` is the current one; then those whose runs have not ended."""
    current = versions[0]
    listener = current.listener
    takes_events = listener is not None and listener.get("type") == EVENT_LISTENER
    return Deployment(
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        flow_id=flow.id,
        slug=flow.slug,
        name=flow.name,
        versions=tuple(
            Version(
                number=version.number,
                digest=version.digest,
                path=str(path_of(version.number)),
                image=version.image,
            )
            for version in versions
        ),
        active=flow.active,
        listener=listener,
        variables=current.variables,
        filters=make_filters(listener.get("filter"), listener.get("filters")) if takes_events and listener else (),
        plugins=equipment.plugins,
        layers=equipment.layers,
        services=equipment.services,
        stock=equipment.stock,
        max_scale=tenant.max_pods,
        min_scale=flow.min_scale,
        rollout=make_rollout(flow, versions),
        idle_seconds=idle_seconds,
        timeout_seconds=timeout_seconds,
    )


def make_rollout(flow: Flow, versions: Sequence[FlowVersion]) -> Rollout | None:
    """The rollout as it is to go on; None where the stable version is not there any more."""
    rollout = None if flow.rollout is None else Rollout(**known_fields(Rollout, flow.rollout))
    numbers = {version.number for version in versions[1:]}
    return rollout if rollout is not None and rollout.stable in numbers else None


def make_tenant_record(
    tenant: Tenant, variables: Mapping[str, object], sealed: Mapping[str, str], event_token_digests: Sequence[str]
) -> TenantRecord:
    """What the platform's processes know of a tenant."""
    return TenantRecord(
        tenant_id=tenant.id,
        slug=tenant.slug,
        max_pods=tenant.max_pods,
        variables=variables,
        sealed_secrets=sealed,
        event_token_digests=tuple(event_token_digests),
        suspended=tenant.suspended,
    )
