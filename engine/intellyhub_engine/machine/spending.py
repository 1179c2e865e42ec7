"""What runs spend and what they may: limits of the run, of its flow and of its tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.keeping import Spent, day_of
from intellyhub_engine.journal.records import total_of
from intellyhub_engine.machine.step import Left

if TYPE_CHECKING:
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.host import Host

__all__ = ["LIMITED", "RunSpending", "Span"]

LIMITED = ("tokens", "cost_usd")
"""What can be limited; tokens are those in and out together."""
TENANT_VARIABLES = {
    f"BUDGET_{name.upper()}_PER_{span.upper()}": (span, name) for span in ("day", "month") for name in LIMITED
}
"""Variables of the tenant (locally, of the environment) that limit what all its flows spend: BUDGET_TOKENS_PER_DAY, ...
Flows see them, and cannot change them."""


class Span(StrEnum):
    """What a limit counts over; days and months are those of the calendar, UTC."""

    RUN = "run"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit."""

    whose: str
    """`run`, `flow` or `tenant`."""
    span: Span
    name: str
    most: float

    @property
    def of(self) -> str:
        """As messages say it."""
        when = {Span.DAY: " today", Span.MONTH: " this month"}.get(self.span, "")
        return f"the {self.whose}{when}"


class RunSpending:
    """Satisfies `step.Spending`. Runs at work at the same moment see what the others spent when that is recorded: each
    may make one call too many."""

    def __init__(self, run: ActiveRun) -> None:
        self._run = run

    def add(self, amounts: Mapping[str, float]) -> None:
        """Note what was spent."""
        run = self._run
        run.spend(amounts)
        if run.durable:
            run.show()
        elif not run.keeps:
            note_unkept(run.host, run.program.head.name, amounts)

    def left(self, budget: Mapping[str, Any] | None = None) -> Sequence[Left]:
        """What the limits still allow."""
        run = self._run
        limits = [*limits_of(run), *read_limits("run", {Span.RUN: budget or {}})]
        sums = Sums(run)
        found = [
            Left(name=limit.name, amount=limit.most - sums.of(limit), most=limit.most, of=limit.of) for limit in limits
        ]
        return sorted(found, key=lambda left: (left.name, left.amount))


def limits_of(run: ActiveRun) -> Iterator[Limit]:
    """The flow's own `budget`, the tenant's variables, and what the platform allows the tenant."""
    budget = run.program.about.budget or {}
    yield from read_limits("run", {Span.RUN: budget.get("run", {})})
    yield from read_limits("flow", {span: budget.get(span, {}) for span in (Span.DAY, Span.MONTH)})
    host = run.host
    for variable, (span, name) in TENANT_VARIABLES.items():
        most = as_amount(host.outer.get(variable))
        if most is not None:
            yield Limit(whose="tenant", span=Span(span), name=name, most=most)
    yield from read_limits("tenant", {span: host.budget.get(span, {}) for span in (Span.DAY, Span.MONTH)})


def read_limits(whose: str, budget: Mapping[Span, Mapping[str, Any]]) -> Iterator[Limit]:
    """The limits of `{month: {tokens, cost_usd}}`; what is no amount limits nothing."""
    for span, amounts in budget.items():
        for name in LIMITED:
            most = as_amount(amounts.get(name))
            if most is not None:
                yield Limit(whose=whose, span=span, name=name, most=most)


def as_amount(value: Any) -> float | None:
    """A number of 0 or more, also one written as text; None for anything else."""
    try:
        amount = float(str(value).strip().replace("_", ""))
    except ValueError:
        return None
    return amount if 0 <= amount < float("inf") else None


class Sums:
    """What was spent, asked of the journal once for each span."""

    def __init__(self, run: ActiveRun) -> None:
        self._run = run
        self._spent: dict[Span, Spent] = {}

    def of(self, limit: Limit) -> float:
        """What counts against a limit."""
        if limit.span is Span.RUN:
            return amount_of(limit.name, self._run.family.spent)
        if limit.span not in self._spent:
            self._spent[limit.span] = spent_since(self._run, self._since(limit.span))
        spent = self._spent[limit.span]
        return amount_of(limit.name, spent.flow if limit.whose == "flow" else spent.tenant)

    def _since(self, span: Span) -> str:
        today = day_of(self._run.host.now_ns())
        return today if span is Span.DAY else f"{today[:8]}01"


def spent_since(run: ActiveRun, since: str) -> Spent:
    """What is recorded, and what this process spent in runs that are not."""
    host, flow = run.host, run.program.head.name
    kept = host.journal.spent(flow, since=since) if host.journal is not None else Spent({}, {})
    unkept = [(name, amounts) for name, day, amounts in host.held.get("spent", ()) if day >= since]
    if not unkept:
        return kept
    own = total_of([kept.flow, *(amounts for name, amounts in unkept if name == flow)])
    return Spent(own, total_of([kept.tenant, *(amounts for _, amounts in unkept)]))


def note_unkept(host: Host, flow: str, amounts: Mapping[str, float]) -> None:
    """What a run spends that no journal keeps counts as long as the process lives."""
    held: list[tuple[str, str, Mapping[str, float]]] = host.held.setdefault("spent", [])
    day = day_of(host.now_ns())
    if held and held[-1][:2] == (flow, day):
        held[-1] = flow, day, total_of([held[-1][2], amounts])
    else:
        held.append((flow, day, dict(amounts)))


def amount_of(name: str, spent: Mapping[str, float]) -> float:
    """The amount of what can be limited."""
    if name == "tokens":
        return spent.get("input_tokens", 0) + spent.get("output_tokens", 0)
    return spent.get(name, 0)
