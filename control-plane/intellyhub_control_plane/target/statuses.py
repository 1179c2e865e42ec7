"""How flows stand on the cluster, as the reconciler says. On one machine nobody says anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from intellyhub_engine.frozen import dataclass

__all__ = ["FlowStatuses", "NoStatuses", "Status"]

Status = Mapping[str, Any]


class FlowStatuses(Protocol):
    """Knows how flows stand."""

    @property
    def are_there(self) -> bool:
        """Whether there is a cluster to tell of."""

    def all(self) -> Mapping[str, Status]:
        """Every flow's, by id; up to a second old. Raises `Unreachable`."""

    def of(self, flow_id: str) -> Status:
        """One flow's, as it is now; empty where nothing is said. Raises `Unreachable`."""

    def page(self, part: str) -> Mapping[str, Sequence[Status]]:
        """What a process of one machine's platform would show (`activator`, `sources`, `gateway`). Raises
        `Unreachable`."""


@dataclass(frozen=True, kw_only=True)
class NoStatuses:
    """Of one machine."""

    @property
    def are_there(self) -> bool:
        """As promised by `FlowStatuses`."""
        return False

    def all(self) -> Mapping[str, Status]:
        """As promised by `FlowStatuses`."""
        return {}

    def of(self, flow_id: str) -> Status:
        """As promised by `FlowStatuses`."""
        return {}

    def page(self, part: str) -> Mapping[str, Sequence[Status]]:
        """As promised by `FlowStatuses`."""
        return {}
