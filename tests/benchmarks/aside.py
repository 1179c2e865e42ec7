"""A second figure that the same samples give: the 90th percentile beside the median, a latency beside a rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.benchmarks.row import Figure, make_spread

__all__ = ["Aside", "percentile"]


class Aside:
    """Notes one more value with every sample, by contestant."""

    def __init__(self) -> None:
        self.noted: defaultdict[str, list[float]] = defaultdict(list)

    def note(self, name: str, value: float) -> None:
        """Call it once in every sample."""
        self.noted[name].append(value)

    def figure(self, first: Figure) -> Figure:
        """What was noted by the contestant of that figure; it failed where the figure did. The first value was noted
        while warming up, and does not count."""
        counted = self.noted[first.name][1:]
        spread = make_spread(counted) if first.spread is not None and counted else None
        return Figure(name=first.name, spread=spread, fault=first.fault, optional=first.optional)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-int(share * 1000) * len(ranked) // 1000) - 1)]
