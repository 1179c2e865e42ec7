"""What a measurement gives: spreads, the budget they are held against, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Budget", "Figure", "Row", "Spread", "make_ratio", "make_spread"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The samples of one contestant, one per round, in the row's unit."""

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One contestant's result: a spread, or the reason why there is none."""

    name: str
    spread: Spread | None = None
    fault: str | None = None
    optional: bool = False
    """True: the contestant is not part of `make bench`'s own set-up, so that its absence is no defect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What ours must keep: a limit in the row's unit, or, with `peer`, a multiple of that contestant's median."""

    limit: float
    peer: str | None = None
    at_least: bool = False
    """True: more is better (flows per second)."""

    def bound(self, peers: Iterable[Figure]) -> float | None:
        """The limit in the row's unit; None where the peer it is relative to was not measured."""
        if self.peer is None:
            return self.limit
        found = next((figure.spread for figure in peers if figure.name == self.peer), None)
        return None if found is None else self.limit * found.median

    def verdict(self, ours: Figure, peers: Iterable[Figure]) -> str:
        """`yes`, `missed by 12 %`, `missed: 3.4 x the budget`, or `not measured`."""
        bound = self.bound(peers)
        if ours.spread is None or not bound:
            return "not measured"
        excess = bound / ours.spread.median if self.at_least else ours.spread.median / bound
        if excess <= 1:
            return "yes"
        return f"missed by {(excess - 1) * 100:.0f} %" if excess < 2 else f"missed: {excess:.1f} x the budget"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the budgets table: ours and its peers, measured in the same rounds."""

    topic: str
    what: str
    unit: str
    ours: Figure
    peers: tuple[Figure, ...] = ()
    budgets: tuple[Budget, ...] = ()
    method: str = ""
    """What exactly was measured, for whoever doubts it."""

    def verdicts(self) -> tuple[str, ...]:
        """One per budget."""
        return tuple(budget.verdict(self.ours, self.peers) for budget in self.budgets)


def make_spread(samples: Sequence[float]) -> Spread:
    """Sum up at least one sample."""
    return Spread(median=statistics.median(samples), low=min(samples), high=max(samples), rounds=len(samples))


def make_ratio(ours: Figure, peer: Figure) -> float | None:
    """Ours divided by the peer's median; None where one of them was not measured."""
    if ours.spread is None or peer.spread is None or not peer.spread.median:
        return None
    return ours.spread.median / peer.spread.median
