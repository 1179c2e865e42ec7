"""Flows as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from intellyhub_control_plane.live import Known
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.present.builds import Building
from intellyhub_control_plane.present.moments import moment_of
from intellyhub_control_plane.present.texts import show_listener
from intellyhub_control_plane.shapes.flows import (
    Deployed,
    DeploymentState,
    FlowState,
    LastRun,
    RolloutProgress,
    SourceHealth,
)
from intellyhub_control_plane.shapes.flows import Flow as FlowShape
from intellyhub_control_plane.shapes.flows import FlowVersion as VersionShape
from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.journal.records import RunStatus, RunSummary

__all__ = ["last_run_of", "make_flow", "make_source_health", "make_version", "source_of", "state_of"]

Shape = TypeVar("Shape", bound=FlowShape)
Version = TypeVar("Version", bound=VersionShape)
WEBHOOK_MODE = "webhook"
"""What the `mode` of a listener is called that asks by itself in any other."""
STARTING = "starting"
"""What a source says before its first contact."""


def make_flow(
    shape: type[Shape],
    tenant: Tenant,
    flow: Flow,
    listener: dict[str, Any] | None,
    known: Known,
    public_url: str,
    **more: Any,
) -> Shape:
    """A flow, as any of the documents that show one."""
    kind = listener.get("type") if listener is not None else None
    source = source_of(flow, kind, known)
    return shape(
        id=flow.id,
        name=flow.name,
        slug=flow.slug,
        version=flow.current_version,
        active=flow.active,
        state=state_of(flow, kind, known, source),
        listener=show_listener(listener),
        source=source,
        workers=known.workers_of(flow.id),
        last_run=last_run_of(known.last_runs.get(flow.id)),
        url=f"{public_url}/flows/{flow.slug}",
        failure=known.failing.get(flow.id),
        hook_url=f"{public_url}/hooks/{tenant.slug}/{flow.slug}" if is_called(kind, listener) else None,
        deployment=make_deployed(known.deployed.get(flow.id), known.building.get(flow.id), flow.current_version),
        created_at=flow.created_at,
        updated_at=flow.updated_at,
        **more,
    )


def make_deployed(status: Mapping[str, Any] | None, building: Building | None, version: int) -> Deployed | None:
    """How a version stands on a cluster, from what the reconciler says, and its build. What is said of another version
    tells who serves, but not that this one is ready."""
    if status is None and building is None:
        return None
    status = status or {}
    state, message = DeploymentState.DEPLOYING, ""
    is_told = bool(status) and status.get("version", version) == version
    if is_told:
        state, message = DeploymentState(status["state"]), str(status.get("message") or "")
    if building is not None and is_told and state is not DeploymentState.BUILDING:  # it has an image, and goes on
        message = message or ("" if building.is_open else f"{building.message} The image before goes on.")
    elif building is not None:
        state = DeploymentState.BUILDING if building.is_open else DeploymentState.FAILED
        before = " The version before goes on." if status.get("serves") and not building.is_open else ""
        message = f"{building.message}{before}"
    rollout = status.get("rollout")
    return Deployed(
        state=state,
        serves=bool(status.get("serves")),
        message=message,
        since=read_moment(status.get("since")),
        urls=dict(status.get("urls") or {}),
        routed=dict(status.get("routed") or {}),
        rollout=None if rollout is None else RolloutProgress.model_validate(rollout, extra="ignore"),
    )


def is_brought(kind: str) -> bool:
    """Whether a listener has no source of its own: the gateway, which says how its hooks are, and the broker hear for
    it."""
    known = installed().sources.get(kind)
    return known is not None and known.brought


def is_called(kind: str | None, listener: dict[str, Any] | None) -> bool:
    """Whether the gateway takes requests for such a listener."""
    known = installed().sources.get(kind) if kind is not None else None
    if known is None or known.load_hook is None:
        return False
    return known.brought or (listener or {}).get("mode") == WEBHOOK_MODE


def source_of(flow: Flow, kind: str | None, known: Known) -> SourceHealth | None:
    """How a flow's source is. One that should listen and of which nothing is known has a fault: sources do not die
    silently."""
    if kind is None or not flow.active:
        return None
    if is_brought(kind):
        return make_source_health(known.hooks[flow.id]) if flow.id in known.hooks else None
    if known.sources is not None and flow.id in known.sources:
        return make_source_health(known.sources[flow.id])
    message = STARTING if known.sources is not None else "the process of the sources does not answer"
    return SourceHealth(
        connected=False, message=message, last_contact_at=None, last_event_at=None, next_attempt_at=None, events=None
    )


def state_of(flow: Flow, kind: str | None, known: Known, source: SourceHealth | None) -> FlowState:
    """What the flow is doing, in one word."""
    if not flow.active:
        return FlowState.INACTIVE
    last = known.last_runs.get(flow.id)
    if known.is_busy(flow.id) or (last is not None and last.status is RunStatus.RUNNING):
        return FlowState.RUNNING
    if flow.id in known.failing or (source is not None and not source.connected and source.message != STARTING):
        return FlowState.ERROR
    return FlowState.SLEEPING if kind is None else FlowState.LISTENING


def last_run_of(run: RunSummary | None) -> LastRun | None:
    """The newest run, in short."""
    return None if run is None else LastRun(id=run.run_id, status=run.status, started_at=moment_of(run.started_ns))


def make_source_health(source: Mapping[str, Any]) -> SourceHealth:
    """How a source is, from what the sources' process says."""
    events = source.get("events")
    return SourceHealth(
        connected=bool(source.get("connected")),
        message=str(source.get("message") or ""),
        last_contact_at=read_moment(source.get("last_contact_at")),
        last_event_at=read_moment(source.get("last_event_at")),
        next_attempt_at=read_moment(source.get("next_attempt_at")),
        events=events if isinstance(events, int) else None,
    )


def read_moment(value: object) -> datetime | None:
    """A time as other processes write it: RFC 3339."""
    if not isinstance(value, str):
        return None
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else None


def make_version(shape: type[Version], flow: Flow, version: FlowVersion, **more: Any) -> Version:
    """A version, with or without its text."""
    return shape(
        version=version.number,
        digest=version.digest,
        created_at=version.created_at,
        created_by=version.created_by,
        current=version.number == flow.current_version,
        **more,
    )
