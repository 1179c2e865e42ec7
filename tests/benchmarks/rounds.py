"""Takes turns: every contestant once per round, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field

from tests.benchmarks.row import Figure, make_spread

__all__ = ["Contestant", "Measure", "compare", "make_contestant"]

Measure = Callable[[], float]
"""Takes one sample, in the row's unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """One of those compared. `open` imports, prepares and starts whatever it needs, and ends it afterwards."""

    name: str
    open: Callable[[], AbstractContextManager[Measure]]
    optional: bool = False


def make_contestant(name: str, prepare: Callable[[], Measure], *, optional: bool = False) -> Contestant:
    """A contestant that leaves nothing behind: `prepare` imports what it needs and returns the sampling function."""
    return Contestant(name=name, open=lambda: nullcontext(prepare()), optional=optional)


@dataclass(slots=True)
class Entrant:
    """A contestant during a comparison."""

    contestant: Contestant
    measure: Measure | None = None
    samples: list[float] = field(default_factory=list)
    fault: str | None = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Keep a contestant's fault as its result: a peer that does not run must not stop the others."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001  (any library may fail in any way; it is shown in the table)
            self.measure = None
            self.fault = f"{type(fault).__name__}: {fault}".splitlines()[0][:200].rstrip(": ")
            print(f"  {self.contestant.name}: {self.fault}", file=sys.stderr, flush=True)

    def sample(self) -> None:
        """Take one sample with a collected heap; the collector stays on, as it is in production."""
        if self.measure is not None:
            gc.collect()
            with self.guard():
                self.samples.append(self.measure())

    def figure(self) -> Figure:
        """What came out; a contestant that failed in a later round has failed."""
        spread = None if self.fault or not self.samples else make_spread(self.samples)
        return Figure(name=self.contestant.name, spread=spread, fault=self.fault, optional=self.contestant.optional)


def compare(contestants: Sequence[Contestant], rounds: int) -> list[Figure]:
    """Open all, warm each up once, then sample A B C, C B A, A B C, ...; one figure per contestant, in order."""
    entrants = [Entrant(contestant) for contestant in contestants]
    with ExitStack() as stack:
        for entrant in entrants:
            with entrant.guard():
                entrant.measure = stack.enter_context(entrant.contestant.open())
                entrant.measure()
        for turn in range(rounds):
            for entrant in entrants if turn % 2 == 0 else reversed(entrants):
                entrant.sample()
    return [entrant.figure() for entrant in entrants]
