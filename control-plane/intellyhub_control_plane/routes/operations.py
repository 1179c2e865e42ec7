"""`/api/workers`, `/api/sources`, `/api/dead-letters`: what runs, what listens, what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from intellyhub_control_plane.errors import NotFound
from intellyhub_control_plane.live import Known
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.present.flows import source_of
from intellyhub_control_plane.present.moments import moment_of
from intellyhub_control_plane.present.names import run_flows
from intellyhub_control_plane.present.runs import show_event
from intellyhub_control_plane.secrecy import secret_values
from intellyhub_control_plane.shapes.operations import (
    DeadLetter,
    DeadLetterList,
    DeadLetterPath,
    DeadLetterQuery,
    Redelivered,
    Source,
    SourceList,
    Worker,
    WorkerList,
)
from intellyhub_control_plane.shapes.runs import RunFlow
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import Paged, cut, decode_cursor, paginate
from intellyhub_engine.machine.masking import mask
from intellyhub_knative.platform.outbox import DeadLetter as Letter

__all__ = ["operations"]

operations = Area("operations", "Workers, sources, dead letters")


PODS = "on a cluster workers are pods, and the cluster counts them"


@operations.operation("GET", "/api/workers", needs=Role.VIEWER, answers={200: WorkerList}, faults=(503,))
def list_workers(caller: Caller) -> WorkerList:
    """List the workers that are awake."""
    found = caller.platform.live.workers(caller.tenant.id)
    flows = run_flows(caller.session, caller.tenant, (str(worker["flow_id"]) for worker in found))
    items = [
        Worker(
            flow=flows[str(worker["flow_id"])],
            version=int(worker["version"]),
            pid=int(worker["pid"]),
            state=str(worker["state"]),
            started_at=datetime.fromisoformat(str(worker["started_at"])),
            in_flight=int(worker.get("in_flight") or 0),
            requests=int(worker.get("requests") or 0),
            memory_bytes=worker.get("memory_bytes"),
        )
        for worker in found
    ]
    return WorkerList.of(items, reason=PODS if caller.platform.statuses.are_there else None)


@operations.operation("GET", "/api/sources", needs=Role.VIEWER, answers={200: SourceList}, faults=(503,))
def list_sources(caller: Caller, query: PageQuery) -> SourceList:
    """List what listens, and how it is."""
    live = caller.platform.live
    known = Known(sources=live.sources(caller.tenant.id), hooks=live.hooks(caller.tenant.id))
    listening = Flow.beside(Flow.of(caller.tenant), FlowVersion.listener).where(FlowVersion.listener.is_not(None))
    page = paginate(caller.session, listening, (Flow.slug,), limit=query.limit, cursor=query.cursor, rising=True)
    items = [
        Source(
            flow=RunFlow(id=flow.id, slug=flow.slug, name=flow.name),
            type=listener["type"],
            active=flow.active,
            health=source_of(flow, listener["type"], known),
        )
        for flow, listener in page.rows
        if listener is not None
    ]
    return SourceList.of(items, page.next_cursor)


@operations.operation("GET", "/api/dead-letters", needs=Role.VIEWER, answers={200: DeadLetterList}, faults=(404, 503))
def list_dead_letters(caller: Caller, query: DeadLetterQuery) -> DeadLetterList:
    """List events that could not be delivered."""
    page = find_dead_letters(caller, query)
    flows = run_flows(caller.session, caller.tenant, (letter.flow_id for letter in page.rows))
    secrets = secret_values(caller)
    items = [
        DeadLetter(
            id=letter.delivery_id,
            flow=flows[letter.flow_id],
            event=mask(show_event(letter.event), secrets),
            attempts=letter.attempts,
            code=letter.code,
            error=mask(letter.error, secrets),
            accepted_at=moment_of(letter.accepted_ns),
            died_at=moment_of(letter.died_ns),
        )
        for letter in page.rows
    ]
    return DeadLetterList.of(items, page.next_cursor)


def find_dead_letters(caller: Caller, query: DeadLetterQuery) -> Paged[Letter]:
    """A page, which is short where events are large: whether it is the last one, only a further look tells."""
    flow = Flow.named(caller.session, caller.tenant, query.flow) if query.flow else None

    def look(limit: int, before: int | None) -> Sequence[Letter]:
        return caller.platform.journal.dead_letters(
            caller.tenant.id, flow_id=flow.id if flow else None, limit=limit, before=before
        )

    letters = look(query.limit, decode_cursor(query.cursor, int)[0] if query.cursor else None)
    further = look(1, letters[-1].delivery_id) if letters else ()
    return cut([*letters, *further], len(letters), lambda letter: [letter.delivery_id])


@operations.operation(
    "POST",
    "/api/dead-letters/<dead_letter_id>/redeliver",
    needs=Role.OPERATOR,
    answers={202: Redelivered},
    faults=(404, 503),
)
def redeliver_dead_letter(caller: Caller, path: DeadLetterPath) -> Redelivered:
    """Deliver it again, with all attempts before it."""
    if not caller.platform.journal.redeliver(caller.tenant.id, [path.dead_letter_id]):
        raise NotFound("dead letter", path.dead_letter_id)
    caller.audit("dead_letter.redelivered", str(path.dead_letter_id))
    return Redelivered(redelivered=1)


@operations.operation(
    "DELETE", "/api/dead-letters/<dead_letter_id>", needs=Role.OPERATOR, answers={204: None}, faults=(404, 503)
)
def discard_dead_letter(caller: Caller, path: DeadLetterPath) -> None:
    """Throw it away."""
    if not caller.platform.journal.discard(caller.tenant.id, [path.dead_letter_id]):
        raise NotFound("dead letter", path.dead_letter_id)
    caller.audit("dead_letter.discarded", str(path.dead_letter_id))
