"""What the service answers to each operation: the one table of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from intellyhub_engine.errors import InputInvalid, JournalUnwritable, RunNotFound
from intellyhub_engine.journal import holding, queries
from intellyhub_engine.journal.encoding import decode_event, decode_start, inspect_record
from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.leases import LAST_NS
from intellyhub_engine.journal.records import RunStart
from intellyhub_engine.journal.sql import Connection
from intellyhub_engine.journal.wire import Answer, join, split
from intellyhub_engine.journal.writer import Append, Operation
from intellyhub_knative.platform.journal import burying, deliveries, events, listing, orphans, reading, remembering
from intellyhub_knative.platform.journal.desk import Desk, Request
from intellyhub_knative.platform.journal.listing import Filter

__all__ = ["QUICK", "SLOW", "STIRRING", "WRITES", "Desk", "Request"]

PAGE_BYTES = 1024 * 1024
"""What the bodies of one answer take together, unless a single one is larger."""


def begin(desk: Desk, request: Request) -> Write:
    run_id, parent_id, flow, version, started_ns, copied_from, source, event_id, *rest = request.arguments
    owner, lease_seconds, mark, length, copied_seq = rest
    scope, wards = request.scope, desk.wards
    if scope.flow is not None and parent_id is None and flow != scope.flow:
        raise JournalUnwritable(f"this token is for runs of the flow {scope.flow}")
    body, copied = request.payload[:length].decode(), request.payload[length:].decode()
    event, _, _ = decode_start(body)
    start = RunStart(
        run_id=run_id,
        parent_id=parent_id,
        flow=flow,
        version=version,
        started_ns=started_ns,
        copied_from=copied_from and (copied_from[0], copied_from[1]),
        event=event,
    )
    if start.key is not None and start.key[1:] != (source, event_id):
        raise InputInvalid("the event's key is not the event's")
    kept = None
    if copied:
        kept = holding.Copied(copied_seq, copied, inspect_record(copied.encode()).woken)

    touched: list[str] = []

    def perform(connection: Connection) -> tuple[str, bool]:
        if scope.flow is not None:
            if parent_id is not None:
                wards.permit(scope, parent_id, connection)
            if connection.execute("SELECT 1 FROM run WHERE run_id = ?", (run_id,)).fetchone():
                wards.permit(scope, run_id, connection)
        entered, is_new = holding.enter_run(
            connection,
            start,
            body,
            owner=owner,
            now_ns=desk.now_ns(),
            lease_seconds=lease_seconds,
            copied=kept,
            mark=mark,
        )
        touched.append(entered)
        return entered, is_new

    return Operation(perform, touches=touched)


def record(desk: Desk, request: Request) -> Write:
    run_id, owner, durable, mark = request.arguments
    desk.wards.permit(request.scope, run_id, desk.now)
    found = inspect_record(request.payload)
    write = Append(run_id, owner=owner, durable=durable, seq=found.seq, body=request.payload.decode())
    write.mark, write.again = mark, request.again
    write.closing, write.closing_filter = found.closing, found.closing_filter
    write.wakings, write.used = found.woken, found.used
    return write


def claim(desk: Desk, request: Request) -> Write:
    run_id, owner, lease_seconds, mark = request.arguments
    desk.wards.permit(request.scope, run_id, desk.now)
    return Operation(
        lambda connection: holding.hold_run(
            connection, run_id, owner=owner, now_ns=desk.now_ns(), lease_seconds=lease_seconds, mark=mark
        ),
        touches=(run_id,),
    )


def renew(desk: Desk, request: Request) -> Write:
    run_id, owner, lease_seconds = request.arguments
    desk.wards.permit(request.scope, run_id, desk.now)
    return Operation(
        lambda connection: holding.renew_run(
            connection, run_id, owner=owner, now_ns=desk.now_ns(), lease_seconds=lease_seconds
        ),
        touches=(),
    )


def release(desk: Desk, request: Request) -> Write:
    run_id, owner = request.arguments
    desk.wards.permit(request.scope, run_id, desk.now)
    return Operation(lambda connection: holding.release_run(connection, run_id, owner=owner), touches=(run_id,))


def request_cancel(desk: Desk, request: Request) -> Write:
    run_id, _ = request.arguments
    desk.wards.permit(request.scope, run_id, desk.now)

    def perform(connection: Connection) -> bool:
        if holding.cancel_run(connection, run_id, now_ns=desk.now_ns()):
            return True
        asked = connection.execute(queries.CANCEL_REQUESTED, (run_id,)).fetchone()
        return request.again and bool(asked[0])  # asked before the answer was lost

    return Operation(perform)


def accept(desk: Desk, request: Request) -> Write:
    tenant_id, hops, mark = request.arguments
    if request.scope.tenant_id not in {None, tenant_id}:
        raise JournalUnwritable("this token is for events of another tenant")
    stored = [events.read_event(body) for body in split(request.payload)]
    return Operation(
        lambda connection: events.accept(connection, tenant_id, stored, hops=hops, now_ns=desk.now_ns(), mark=mark),
        touches=(),
    )


def flush(desk: Desk, request: Request) -> Write:
    return Write(durable=True)


def route(desk: Desk, request: Request) -> Write:
    request.need_platform()
    [routings] = request.arguments
    return Operation(lambda connection: events.route(connection, routings, now_ns=desk.now_ns()), touches=())


def settle(desk: Desk, request: Request) -> Write:
    request.need_platform()
    rows, mark = request.arguments
    replies = iter([events.read_event(body) for body in split(request.payload)])
    attempts = [(*row, next(replies) if has_reply else None) for *row, has_reply in rows]
    return Operation(
        lambda connection: deliveries.settle(connection, attempts, now_ns=desk.now_ns(), mark=mark), touches=()
    )


def redeliver(desk: Desk, request: Request) -> Write:
    request.need_platform()
    tenant_id, ids, mark = request.arguments
    return Operation(
        lambda connection: deliveries.redeliver(connection, tenant_id, ids, now_ns=desk.now_ns(), mark=mark),
        touches=(),
    )


def discard(desk: Desk, request: Request) -> Write:
    request.need_platform()
    tenant_id, ids = request.arguments
    return Operation(lambda connection: deliveries.discard(connection, tenant_id, ids), touches=())


def orphan(desk: Desk, request: Request) -> Write:
    request.need_platform()
    owner, error, most_deaths = request.arguments
    return Operation(
        lambda connection: orphans.orphan(connection, owner, error=error, most_deaths=most_deaths, now_ns=desk.now_ns())
    )


def history(desk: Desk, request: Request, connection: Connection) -> Answer:
    run_id, after = request.arguments
    desk.wards.permit(request.scope, run_id, connection)
    head, status, going_on, bodies = reading.history(connection, run_id, after, max_bytes=PAGE_BYTES)
    return Answer((head, status, going_on), join(bodies))


def entries(desk: Desk, request: Request, connection: Connection) -> Answer:
    run_id, after = request.arguments
    desk.wards.permit(request.scope, run_id, connection)
    newest = reading.newest_record(connection)
    rows, bodies, until = reading.records_after(
        connection, after, newest, run_id=run_id, under=None, max_bytes=PAGE_BYTES
    )
    return Answer((rows, until if until < newest else None), join(bodies))


def runs(desk: Desk, request: Request, connection: Connection) -> Answer:
    flow, status, parent_id, limit, before = request.arguments
    scope = request.scope
    for named in (parent_id, before):
        if named is not None:
            desk.wards.permit(scope, named, connection)
    if parent_id is None and scope.flow is not None:
        if flow not in {None, scope.flow}:
            return Answer([])
        flow = scope.flow
    wanted = Filter(flow=flow, status=status, parent_id=parent_id)
    return Answer(listing.page(connection, wanted, limit=limit, before=before))


def list_runs(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    wanted, limit, before = request.arguments
    return Answer(listing.page(connection, Filter(*wanted), limit=limit, before=before))


def latest(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    return Answer(listing.latest(connection, request.arguments[0]))


def due(desk: Desk, request: Request, connection: Connection) -> Answer:
    now_ns, limit = request.arguments
    return Answer(queries.due_runs(connection, min(now_ns, LAST_NS), limit=limit, flow=request.scope.flow))


def due_runs(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    now_ns, limit = request.arguments
    return Answer(listing.due_runs(connection, min(now_ns, LAST_NS), limit=limit))


def waiting_for(desk: Desk, request: Request, connection: Connection) -> Answer:
    [flow] = request.arguments
    event, scope = decode_event(request.payload), request.scope
    if scope.flow is not None and flow not in {None, scope.flow}:
        return Answer([])
    return Answer(queries.runs_waiting_for(connection, event, flow=scope.flow or flow))


def runs_of_event(desk: Desk, request: Request, connection: Connection) -> Answer:
    [flow] = request.arguments
    if request.scope.flow not in {None, flow}:
        return Answer((None, (), ()))
    return Answer(tuple(queries.runs_of_event(connection, decode_event(request.payload), flow=flow)))


def waiting_under(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    found = listing.waiting(connection, decode_event(request.payload), under=request.arguments[0])
    return Answer(ids_of(connection, [number for number, _ in found]))


def waiting_runs(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    found = listing.waiting(connection, decode_event(request.payload), under=request.arguments[0])
    return Answer(listing.summaries_of(connection, list(dict.fromkeys(root for _, root in found))))


def woken_runs(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    [flow] = request.arguments
    woken = queries.runs_woken_by(connection, decode_event(request.payload), flow=flow)
    tops = dict.fromkeys(queries.top_of(connection, number)[0] for number in woken)
    return Answer(listing.summaries_of(connection, list(tops)))


def find_run(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    return Answer(listing.find_run(connection, *request.arguments))


def cancel_requested(desk: Desk, request: Request, connection: Connection) -> Answer:
    [run_id] = request.arguments
    desk.wards.permit(request.scope, run_id, connection)
    row = connection.execute(queries.CANCEL_REQUESTED, (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(run_id)
    return Answer(bool(row[0]))


def unrouted(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    rows, bodies = events.unrouted(connection, limit=request.arguments[0], max_bytes=PAGE_BYTES)
    return Answer(rows, join(bodies))


def deliveries_due(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    now_ns, limit, beyond, except_flows = request.arguments
    rows, bodies = deliveries.due(
        connection, now_ns, limit=limit, beyond=beyond, except_flows=except_flows, max_bytes=PAGE_BYTES
    )
    return Answer(rows, join(bodies))


def next_due_ns(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    return Answer(deliveries.next_due_ns(connection))


def dead_letters(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    tenant_id, flow_id, limit, before = request.arguments
    rows, bodies = deliveries.dead_letters(
        connection, tenant_id, flow_id=flow_id, limit=limit, before=before, max_bytes=PAGE_BYTES
    )
    return Answer(rows, join(bodies))


def counts(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    return Answer(deliveries.counts(connection))


def counts_of(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    flow, under = request.arguments
    return Answer(listing.counts_of(connection, flow, under))


def logs(desk: Desk, request: Request, connection: Connection) -> Answer:
    request.need_platform()
    flow, under, limit, before = request.arguments
    return Answer(reading.logs(connection, flow=flow, under=under, limit=limit, before=before))


def ping(desk: Desk, request: Request, connection: Connection) -> Answer:
    return Answer(None)


def ids_of(connection: Connection, numbers: list[int]) -> list[str]:
    """The ids of runs."""
    query = "SELECT run_id FROM run WHERE number = ?"
    return [connection.execute(query, (number,)).fetchone()[0] for number in numbers]


Reading = Callable[[Desk, Request, Connection], Answer]

WRITES: Mapping[str, Callable[[Desk, Request], Write]] = {
    "begin": begin,
    "record": record,
    "claim": claim,
    "renew": renew,
    "release": release,
    "request_cancel": request_cancel,
    "remember": remembering.remember,
    "accept": accept,
    "flush": flush,
    "route": route,
    "settle": settle,
    "redeliver": redeliver,
    "discard": discard,
    "bury": burying.bury,
    "orphan": orphan,
}
"""Each makes a write, which is committed together with what others bring."""

STIRRING = frozenset({"accept", "release", "settle", "redeliver", "bury", "orphan", "route"})
"""What may bring the broker work, beside a suspended run."""

QUICK: Mapping[str, Reading] = {
    "ping": ping,
    "cancel_requested": cancel_requested,
    "remembered": remembering.remembered,
    "next_due_ns": next_due_ns,
    "find_run": find_run,
}
"""Answered on the spot."""

SLOW: Mapping[str, Reading] = {
    "history": history,
    "entries": entries,
    "runs": runs,
    "list_runs": list_runs,
    "latest": latest,
    "due": due,
    "due_runs": due_runs,
    "waiting_for": waiting_for,
    "waiting_under": waiting_under,
    "waiting_runs": waiting_runs,
    "woken_runs": woken_runs,
    "runs_of_event": runs_of_event,
    "spent": remembering.spent,
    "unrouted": unrouted,
    "deliveries_due": deliveries_due,
    "dead_letters": dead_letters,
    "counts": counts,
    "counts_of": counts_of,
    "logs": logs,
}
"""Answered by a thread that reads."""
