"""A flow's status: what the reconciler has found out, as others read it. Pure.

The control plane shows it, the forwarder asks it whether the Trigger stands, the reconciler goes on from its rollout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.readiness import Readiness, Revision, State, conditions_of, is_ready
from intellyhub_knative.cluster.reasons import explain
from intellyhub_knative.cluster.rollout import Phase, Progress
from intellyhub_knative.manifests.names import flow_url, tag_of, version_url
from intellyhub_knative.platform.deployments import Deployment

__all__ = ["Events", "Found", "make_flow_status"]


@dataclass(frozen=True, kw_only=True)
class Events:
    """What sends events to a flow, as the cluster has it."""

    triggers: Sequence[Mapping[str, Any]] = ()
    sources: Sequence[Mapping[str, Any]] = ()
    current: bool = False
    """Whether the Trigger has the current version's filters."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a pass over a flow has found."""

    readiness: Readiness
    revisions: Sequence[Revision] = ()
    progress: Progress | None = None
    events: Events = field(default_factory=Events)
    awake: bool = True


def make_flow_status(deployment: Deployment, found: Found) -> dict[str, Any]:
    """The document."""
    readiness = found.readiness
    versions = {revision.name: revision.version for revision in found.revisions}
    routed: dict[str, int] = {}
    for name, percent in readiness.routed.items():
        tag = tag_of(versions.get(name, 0))
        routed[tag] = routed.get(tag, 0) + percent
    tagged = len(deployment.versions) > 1 or deployment.rollout is not None
    return {
        "tenant_id": deployment.tenant_id,
        "version": deployment.current.number,
        "state": readiness.state.value,
        "awake": found.awake,
        "serves": readiness.serves,
        "reason": readiness.trouble.reason if readiness.trouble else "",
        "trouble": readiness.trouble.message if readiness.trouble else "",
        "message": make_message(deployment, found, routed),
        "url": flow_url(deployment),
        "urls": {
            tag_of(version.number): version_url(deployment, version.number)
            for version in (deployment.versions if tagged else ())
            if version.number in versions.values()
        },
        "routed": routed,
        "rollout": asdict(found.progress) if found.progress is not None else None,
        "trigger": {
            "ready": bool(found.events.triggers) and all(map(is_ready, found.events.triggers)),
            "version": deployment.current.number if found.events.current else 0,
        },
        "source": make_source_status(found.events.sources),
    }


def make_message(deployment: Deployment, found: Found, routed: Mapping[str, int]) -> str:
    """What a person is told, in one or two sentences; empty where all is well."""
    readiness, progress = found.readiness, found.progress
    if progress is not None and progress.phase is Phase.ROLLED_BACK:
        return progress.message
    if readiness.state is State.BUILDING:
        return f"version {deployment.current.number} has no image yet"
    if readiness.trouble is None:
        return ""
    others = [tag for tag in routed if tag != tag_of(deployment.current.number)]
    still = f" Requests go on to {', '.join(others)}." if readiness.serves and others else ""
    return f"{readiness.trouble.message}{'' if readiness.trouble.message.endswith('.') else '.'}{still}"


def make_source_status(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How what sends events is; None where the cluster has nothing that does."""
    if not sources:
        return None
    broken = next((source for source in sources if not is_ready(source)), None)
    if broken is None:
        return {"ready": True, "message": ""}
    ready = conditions_of(broken).get("Ready", {})
    trouble = explain(str(ready.get("reason") or "Deploying"), str(ready.get("message") or "it is being started"))
    return {"ready": False, "message": trouble.message}
