"""Whether a flow at whose door somebody waits gets one more worker. Pure: facts in, a verdict out."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["Standing", "Verdict", "judge"]


class Verdict(Enum):
    """What to do about those who wait."""

    PATIENCE = "patience"  # a worker is about to take them
    START = "start"  # one more worker
    EVICT = "evict"  # end an idle worker of another flow of the tenant; then there is a place for one more
    YIELD = "yield"  # ask a busy worker of another flow to end after what it has in hand: this flow has none
    FULL = "full"  # the quota is used up: they wait, and nothing needs to be done until a worker ends


class Standing(NamedTuple):
    """The facts about one version of a flow, and its tenant."""

    coming: int
    """Workers that are being started."""
    free: int
    """Workers with a free place."""
    busy: int
    """Workers without one."""
    max_scale: int
    tenant_workers: int
    """Workers of all its flows, those that are ending included."""
    max_pods: int
    idle_elsewhere: bool = False
    """Another flow of the tenant has a worker that does nothing."""
    ending: bool = False
    """A worker of the tenant is ending already."""
    can_yield: bool = False
    """Another flow of the tenant has had a worker for long enough while these waited for long enough."""
    patient: bool = False
    """They have waited for as long as a worker needs to take somebody."""


def judge(facts: Standing) -> Verdict:
    """The verdict."""
    if facts.coming or facts.free:
        return Verdict.PATIENCE
    if facts.busy and not facts.patient:
        return Verdict.PATIENCE
    if facts.busy >= max(facts.max_scale, 1):
        return Verdict.FULL
    if facts.tenant_workers < max(facts.max_pods, 1):
        return Verdict.START
    if facts.ending:
        return Verdict.FULL
    if facts.idle_elsewhere:
        return Verdict.EVICT
    return Verdict.YIELD if facts.can_yield and not facts.busy else Verdict.FULL
