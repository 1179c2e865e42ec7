"""Makes what a worker is told from what is deployed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from intellyhub_engine.walls.enclosure import Cell
from intellyhub_knative.platform.activator.assignment import Assignment, Private
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.services import outer_names
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["code_of", "make_assignment", "make_private", "user_of"]

USERS = 200_000_000
"""Numbers there are for tenants: two of a thousand tenants share one with a probability of 1 in 400."""


def make_assignment(
    deployment: Deployment, version: Version, *, owner: str, layout: Layout, journal: Path
) -> Assignment:
    """What a worker of this version is told openly. `journal` is where the journal service listens."""
    return Assignment(
        label=f"{deployment.tenant_slug}/{deployment.slug} {version.number}",
        tenant_id=deployment.tenant_id,
        name=deployment.journal_name,
        flow=version.path,
        flows=str(layout.flows_of(deployment.tenant_id)),
        programs=str(layout.programs_of(deployment.tenant_id)),
        journal=str(journal),
        owner=owner,
        places=max(deployment.concurrency, 1),
        idle_seconds=deployment.idle_seconds,
        timeout_seconds=deployment.timeout_seconds,
        cell=make_cell(deployment, layout, journal),
        plugins=[asdict(plugin) for plugin in deployment.plugins],
        layers=dict(deployment.layers),
    )


def make_cell(deployment: Deployment, layout: Layout, journal: Path) -> dict[str, Any]:
    """What it may reach, as JSON."""
    cell = asdict(
        Cell(
            user=user_of(deployment.tenant_id),
            workspace=layout.workspace_of(deployment.tenant_id),
            readable=(
                layout.flows_of(deployment.tenant_id),
                layout.programs_of(deployment.tenant_id),
                journal,
                *code_of(deployment),
            ),
        )
    )
    return cell | {"workspace": str(cell["workspace"]), "readable": [str(path) for path in cell["readable"]]}


def code_of(deployment: Deployment) -> tuple[Path, ...]:
    """The folders of a flow's plugins, and of what they and its Python require."""
    folders = {folder for plugin in deployment.plugins for folder in (plugin.folder, plugin.layer) if folder}
    return tuple(map(Path, sorted({*folders, *deployment.layers.values()})))


def make_private(deployment: Deployment, tenant: Tenant, keys: Keys) -> bytes:
    """What a worker of this flow is told in confidence, packed. Raises `InputInvalid` where a secret cannot be read."""
    outer = outer_names(deployment, tenant, keys)
    private = Private(
        token=keys.token(Purpose.CALLER, deployment.journal_name),
        delivery_key=keys.token(Purpose.DELIVERY, deployment.journal_name),
        journal_token=flow_token(keys, deployment.journal_name),
        variables=outer.variables,
        secrets=outer.secrets,
        budget=tenant.budget,
    )
    return orjson.dumps(asdict(private))


def user_of(tenant_id: str) -> int:
    """A number that differs from tenant to tenant, and stays."""
    return int(tenant_id[:8], 16) % USERS
