"""What only the platform asks of its journal: the outbox, and runs across flows. Written as the operations of
`intellyhub_engine.journal.operations`, for clients that block and for those that await."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from intellyhub_engine.events import Event
from intellyhub_engine.journal import operations
from intellyhub_engine.journal.encoding import decode_event
from intellyhub_engine.journal.operations import Steps, encode_events, make_summary, new_mark
from intellyhub_engine.journal.records import RunStatus, RunSummary
from intellyhub_engine.journal.wire import Call, split
from intellyhub_knative.platform.journal.frames import Frame, LogLine, first_record, unfold
from intellyhub_knative.platform.outbox import Accepted, DeadLetter, Due, Routing, Settlement, Unrouted

__all__ = [
    "accept",
    "bury",
    "counts",
    "counts_of",
    "dead_letters",
    "delete_flow",
    "discard",
    "due",
    "due_runs",
    "entries",
    "find_run",
    "latest",
    "logs",
    "next_due_ns",
    "orphan",
    "prune",
    "redeliver",
    "route",
    "runs",
    "settle",
    "unrouted",
    "wait_for_work",
    "waiting_for",
    "waiting_runs",
    "woken_runs",
]

_LONG_SECONDS = 3600.0
"""For what works through the whole database."""


def accept(tenant_id: str, events: Sequence[Event], *, hops: int = 0) -> Steps[Sequence[Accepted]]:
    """As `Outbox.accept`; `hops` is the number of the last delivery that the events come from."""
    return [Accepted(*row) for row in (yield from operations.accept(tenant_id, events, hops=hops))]


def unrouted(*, limit: int = 500) -> Steps[Sequence[Unrouted]]:
    """As `Outbox.unrouted`."""
    rows, payload = yield Call("unrouted", (limit,))
    bodies = split(payload)
    return [
        Unrouted(number, tenant_id, decode_event(body), hops)
        for (number, tenant_id, hops), body in zip(rows, bodies, strict=True)
    ]


def route(routings: Sequence[Routing]) -> Steps[None]:
    """As `Outbox.route`."""
    yield Call("route", ([tuple(routing) for routing in routings],))


def due(
    now_ns: int, *, limit: int = 500, beyond: Sequence[int] = (), except_flows: Collection[str] = ()
) -> Steps[Sequence[Due]]:
    """As `Outbox.due`."""
    rows, payload = yield Call("deliveries_due", (now_ns, limit, list(beyond), list(except_flows)))
    return [
        Due(
            delivery_id=delivery_id,
            tenant_id=tenant_id,
            flow_id=flow_id,
            event=decode_event(body),
            attempt=attempt,
            accepted_ns=accepted_ns,
            hops=hops,
        )
        for (delivery_id, tenant_id, flow_id, attempt, accepted_ns, hops), body in zip(
            rows, split(payload), strict=True
        )
    ]


def next_due_ns() -> Steps[int | None]:
    """As `Outbox.next_due_ns`."""
    return (yield Call("next_due_ns")).value  # type: ignore[no-any-return]


def settle(settlements: Sequence[Settlement]) -> Steps[None]:
    """As `Outbox.settle`."""
    rows = [
        (one.delivery_id, one.outcome.value, one.again_ns, one.code, one.error, one.reply is not None)
        for one in settlements
    ]
    replies = encode_events([one.reply for one in settlements if one.reply is not None])
    yield Call("settle", (rows, new_mark()), replies)


def dead_letters(
    tenant_id: str, *, flow_id: str | None = None, limit: int = 50, before: int | None = None
) -> Steps[Sequence[DeadLetter]]:
    """As `Outbox.dead_letters`; a page may be shorter than `limit` where events are large."""
    rows, payload = yield Call("dead_letters", (tenant_id, flow_id, limit, before))
    return [
        DeadLetter(
            delivery_id=delivery_id,
            tenant_id=owner,
            flow_id=flow,
            event=decode_event(body),
            attempts=attempts,
            code=code,
            error=error,
            accepted_ns=accepted_ns,
            died_ns=died_ns,
        )
        for (delivery_id, owner, flow, attempts, code, error, accepted_ns, died_ns), body in zip(
            rows, split(payload), strict=True
        )
    ]


def redeliver(tenant_id: str, delivery_ids: Sequence[int]) -> Steps[int]:
    """As `Outbox.redeliver`."""
    return int((yield Call("redeliver", (tenant_id, list(delivery_ids), new_mark()))).value)


def discard(tenant_id: str, delivery_ids: Sequence[int]) -> Steps[int]:
    """As `Outbox.discard`."""
    return int((yield Call("discard", (tenant_id, list(delivery_ids)))).value)


def bury(
    tenant_id: str,
    flow_id: str,
    event: Event,
    *,
    code: int | None = None,
    error: str = "",
    attempts: int = 1,
    hops: int = 0,
    again: bool = False,
) -> Steps[bool]:
    """As `Outbox.bury`."""
    arguments = (tenant_id, flow_id, code, error, attempts, hops, again, new_mark())
    return bool((yield Call("bury", arguments, encode_events([event]))).value)


def counts() -> Steps[Mapping[str, int]]:
    """As `Outbox.counts`."""
    return (yield Call("counts")).value  # type: ignore[no-any-return]


def counts_of(flow: str | None = None, *, under: str | None = None) -> Steps[Mapping[str, int]]:
    """How many runs of each status a flow has, or all flows under a prefix."""
    return (yield Call("counts_of", (flow, under))).value  # type: ignore[no-any-return]


def runs(
    *,
    flow: str | None = None,
    under: str | None = None,
    status: RunStatus | None = None,
    parent_id: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    text: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> Steps[Sequence[RunSummary]]:
    """A page of runs, newest first."""
    wanted = (flow, under, status, parent_id, since_ns, until_ns, text)
    return [make_summary(row) for row in (yield Call("list_runs", (wanted, limit, before))).value]


def latest(flows: Sequence[str]) -> Steps[Sequence[RunSummary]]:
    """The newest run of each flow that has one."""
    return [make_summary(row) for row in (yield Call("latest", (list(flows),))).value]


def due_runs(now_ns: int, *, limit: int = 100) -> Steps[Sequence[RunSummary]]:
    """Runs to resume now, the longest overdue first. No children."""
    return [make_summary(row) for row in (yield Call("due_runs", (now_ns, limit))).value]


def waiting_for(event: Event, *, flow: str | None = None, under: str | None = None) -> Steps[Sequence[str]]:
    """Waiting runs, children too, whose filter the event matches."""
    if under is not None:
        return (yield Call("waiting_under", (under,), encode_events([event]))).value  # type: ignore[no-any-return]
    return (yield Call("waiting_for", (flow,), encode_events([event]))).value  # type: ignore[no-any-return]


def waiting_runs(event: Event, *, under: str) -> Steps[Sequence[RunSummary]]:
    """The runs to resume for an event: those that wait for it, or whose children do, each once."""
    return [make_summary(row) for row in (yield Call("waiting_runs", (under,), encode_events([event]))).value]


def woken_runs(event: Event, *, flow: str) -> Steps[Sequence[RunSummary]]:
    """The runs of a flow that an event has woken, or whose children it has, each once."""
    return [make_summary(row) for row in (yield Call("woken_runs", (flow,), encode_events([event]))).value]


def find_run(flow: str, source: str, event_id: str) -> Steps[RunSummary | None]:
    """The run that an event made."""
    row = (yield Call("find_run", (flow, source, event_id))).value
    return None if row is None else make_summary(row)


def entries(run_id: str, *, after: int = 0) -> Steps[Sequence[Frame]]:
    """What was recorded of a run behind an index."""
    frames: list[Frame] = []
    record: int | None = first_record(after)
    while record is not None:
        (rows, record), payload = yield Call("entries", (run_id, record))
        frames += unfold(rows, split(payload), after)
    return frames


def logs(
    flow: str | None = None, *, under: str | None = None, limit: int = 100, before: int | None = None
) -> Steps[Sequence[LogLine]]:
    """Log lines of a flow or of the flows under a prefix, newest first."""
    return [LogLine(*row) for row in (yield Call("logs", (flow, under, limit, before))).value]


def orphan(owner: str, *, error: str | None = None, most_deaths: int = 5) -> Steps[Mapping[str, Sequence[str]]]:
    """End the leases of a worker that is gone."""
    return (yield Call("orphan", (owner, error, most_deaths))).value  # type: ignore[no-any-return]


def wait_for_work(seen: tuple[int, int] | None, timeout_seconds: float) -> Steps[tuple[int, int]]:
    """Return when there is something new to do since `seen`, or after a time; what to say the next time."""
    count, now_ns = (yield Call("wait_for_work", (seen, timeout_seconds), answer_seconds=timeout_seconds + 60)).value
    return count, now_ns


def delete_flow(flow: str) -> Steps[int]:
    """Delete all runs of a flow and what is to be delivered to it; how many runs."""
    return int((yield Call("tidy", ("delete_flow", flow), answer_seconds=_LONG_SECONDS)).value)


def prune(*, older_than_ns: int, keep: int = 0) -> Steps[int]:
    """Delete runs that ended before a moment, except the newest `keep` of each flow; how many."""
    return int((yield Call("tidy", ("prune", older_than_ns, keep), answer_seconds=_LONG_SECONDS)).value)
