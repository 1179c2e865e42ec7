"""The forked children that wait to become workers: bare ones, and spares that have prepared themselves.

A bare child costs little more than its name: it is in its namespaces and its control group, into which the kernel takes
its time to move a process. A spare has built its walls and rehearsed, for some megabytes.
"""

from __future__ import annotations

from enum import IntEnum

from intellyhub_knative.platform.activator.parent import Child

__all__ = ["Pool", "Readiness"]


class Readiness(IntEnum):
    """How far a child is, the best last."""

    PREPARING = 0  # it is busy: who takes it waits for that
    BARE = 1
    SPARE = 2


class Pool:
    """The children, in the order in which they came."""

    def __init__(self) -> None:
        self._children: dict[int, tuple[Child, Readiness]] = {}

    def counts(self) -> dict[str, int]:
        """How many there are of each readiness, by its name in small letters."""
        return {readiness.name.lower(): self.count(readiness) for readiness in Readiness}

    def count(self, *wanted: Readiness) -> int:
        """How many are that far."""
        return sum(readiness in wanted for _, readiness in self._children.values())

    def add(self, child: Child, readiness: Readiness = Readiness.BARE) -> None:
        """One that waits from now on, or that is further than it was."""
        self._children[child.pid] = child, readiness

    def find(self, readiness: Readiness) -> Child | None:
        """The first that is so far, which stays."""
        return next((child for child, each in self._children.values() if each is readiness), None)

    def take(self) -> Child | None:
        """The readiest there is; it is the caller's now."""
        best = max(self._children.values(), key=lambda each: each[1], default=None)
        return self.remove(best[0].pid) if best is not None else None

    def remove(self, pid: int) -> Child | None:
        """By process id; it is the caller's now."""
        found = self._children.pop(pid, None)
        return found[0] if found is not None else None
