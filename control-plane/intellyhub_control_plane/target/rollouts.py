"""Rollouts that the cluster has ended, made good in the database: it is the truth that everything follows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_control_plane.errors import Unreachable
from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.models.flows import Flow

if TYPE_CHECKING:
    from intellyhub_control_plane.platform import Platform

__all__ = ["settle_rollouts"]

LOG = logging.getLogger(__name__)
ACTOR = "platform"
DONE, ROLLED_BACK = "done", "rolled_back"


def settle_rollouts(platform: Platform) -> list[str]:
    """The new version is the only one, or the stable one is the current one again; the ids of those flows."""
    try:
        statuses = platform.statuses.all()
    except Unreachable as fault:
        LOG.warning("rollouts that ended cannot be looked at now: %s", fault.reason)
        return []
    rollouts = {flow_id: status.get("rollout") or {} for flow_id, status in statuses.items()}
    ended = {flow_id: each for flow_id, each in rollouts.items() if each.get("phase") in (DONE, ROLLED_BACK)}
    settled = []
    for flow_id, rollout in ended.items():
        tenant_id = settle(platform, flow_id, rollout)
        if tenant_id is not None:
            platform.publisher.offer_flow(tenant_id, flow_id)
            settled.append(flow_id)
    return settled


def settle(platform: Platform, flow_id: str, rollout: Mapping[str, Any]) -> str | None:
    """One of them; its tenant's id, or None where somebody has changed the flow since."""
    with platform.database.transaction() as session:
        flow = session.get(Flow, flow_id, with_for_update=True)
        if flow is None or flow.rollout is None:
            return None
        if (flow.rollout["began_at"], flow.current_version) != (rollout.get("began_at"), rollout.get("version")):
            return None
        details = {"version": flow.current_version, "stable": flow.rollout["stable"]}
        if rollout["phase"] == ROLLED_BACK:
            flow.roll_back(session, int(flow.rollout["stable"]))
            action, details["why"] = "flow.taken_back", rollout.get("message", "")
        else:
            flow.promote(session)
            action = "flow.promoted"
        session.add(AuditEntry(tenant_id=flow.tenant_id, actor=ACTOR, action=action, subject=flow.id, details=details))
        return flow.tenant_id
