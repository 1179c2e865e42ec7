"""What the newest builds say of flows: why a version is not there, or how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from intellyhub_control_plane.models.builds import Build, BuildStatus
from intellyhub_control_plane.models.people import Tenant
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.builds.stages import Stage

__all__ = ["Building", "find_building"]


@dataclass(frozen=True, kw_only=True)
class Building:
    """What came of the newest build of a flow's current version, where it did not succeed."""

    is_open: bool
    """It waits or goes on; else nothing comes of it."""
    message: str
    """A sentence, with its stop."""


def find_building(session: Session, tenant: Tenant, flow_ids: Sequence[str]) -> Mapping[str, Building]:
    """Of these flows, by id; those whose newest build succeeded, and those without any, are left out."""
    newest = Build.of_current(session, tenant, flow_ids)
    return {
        flow_id: Building(is_open=build.is_open, message=f"{say(session, build).rstrip('.')}.")
        for flow_id, build in newest.items()
        if build.status != BuildStatus.SUCCEEDED
    }


def say(session: Session, build: Build) -> str:
    """What it does, or why it ended."""
    if build.status == BuildStatus.RUNNING:
        stages = build.stages(session)
        return f"The build is at {stages[-1].stage}" if stages else "The build begins"
    if build.status == BuildStatus.QUEUED:
        return f"The build waits: {build.message}" if build.message else "The build waits for its turn"
    if build.status == BuildStatus.CANCELLED:
        return "The build was cancelled: ask for another one"
    stage, _, why = build.message.partition(": ")
    return (
        f"The build failed at {stage}: {why}"
        if stage in {each.value for each in Stage}
        else f"The build failed: {build.message}"
    )
