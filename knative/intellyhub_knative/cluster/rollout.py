"""How a rollout goes on: step by step while the new version works, back to the stable one when it does not. Pure.

What is known of it is kept in the flow's status, so that a reconciler that starts again goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.readiness import Readiness, State
from intellyhub_knative.cluster.reasons import OF_THE_CLUSTER
from intellyhub_knative.platform.deployments import Deployment, Rollout
from intellyhub_knative.platform.records import known_fields

__all__ = ["Phase", "Progress", "Tally", "advance", "read_progress"]

FEWEST_RUNS = 5
"""Below that, failures say nothing about a version."""


class Phase(StrEnum):
    """How a rollout stands."""

    RUNNING = "running"
    DONE = "done"  # the new version has everything
    ROLLED_BACK = "rolled_back"  # the stable version has everything


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Runs of the new version that ended since the rollout began."""

    ended: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A rollout as it is."""

    version: int
    stable: int
    began_at: str
    """As in the record: which rollout this is."""
    percent: int
    stepped_at: str = ""
    """When it got that percentage and was ready (RFC 3339, UTC); empty before."""
    phase: Phase = Phase.RUNNING
    message: str = ""


def advance(
    deployment: Deployment, known: Progress | None, readiness: Readiness, tally: Tally, now: datetime
) -> Progress | None:
    """The rollout a moment later; None where the record has none."""
    rollout = deployment.rollout
    if rollout is None:
        return None
    number = deployment.current.number
    if known is None or (known.version, known.began_at) != (number, rollout.began_at):
        return Progress(
            version=number,
            stable=rollout.stable,
            began_at=rollout.began_at,
            percent=min(max(rollout.percent, 0), 100),
        )
    if known.phase is not Phase.RUNNING:
        return known
    fault = find_fault(rollout, readiness, tally, known.version)
    if fault:
        return replace(known, phase=Phase.ROLLED_BACK, percent=0, message=fault)
    return step(rollout, known, now) if readiness.state is State.READY else known


def find_fault(rollout: Rollout, readiness: Readiness, tally: Tally, number: int) -> str:
    """Why the new version is taken back; empty where it is not."""
    if readiness.state is State.FAILED and not is_of_the_cluster(readiness):
        why = readiness.trouble.message if readiness.trouble else "it does not start"
        return f"version {number} was taken back: {why}"
    if tally.ended >= FEWEST_RUNS and tally.failed * 100 > rollout.max_failures_percent * tally.ended:
        return (
            f"version {number} was taken back: {tally.failed} of its {tally.ended} runs failed, "
            f"{rollout.max_failures_percent:g} % are allowed"
        )
    return ""


def is_of_the_cluster(readiness: Readiness) -> bool:
    """Whether a version is kept from starting by what is not its fault: it is waited for, at the percentage it has."""
    return readiness.trouble is not None and readiness.trouble.reason in OF_THE_CLUSTER


def step(rollout: Rollout, known: Progress, now: datetime) -> Progress:
    """A step further, where it is time."""
    if known.percent >= 100:
        return replace(known, phase=Phase.DONE)
    moment = now.isoformat()
    if not known.stepped_at:
        return replace(known, stepped_at=moment)
    waited = (now - datetime.fromisoformat(known.stepped_at)).total_seconds()
    if rollout.step <= 0 or waited < rollout.interval_seconds:
        return known
    percent = min(100, known.percent + rollout.step)
    return replace(known, percent=percent, stepped_at=moment, phase=Phase.DONE if percent == 100 else Phase.RUNNING)


def read_progress(document: object) -> Progress | None:
    """What a status keeps; None for what cannot be understood."""
    if not isinstance(document, Mapping):
        return None
    try:
        known: dict[str, Any] = known_fields(Progress, document)
        return Progress(**known | {"phase": Phase(known.get("phase", "running"))})
    except (TypeError, ValueError):
        return None
