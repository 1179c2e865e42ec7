"""`/api/workers`, `/api/sources`, `/api/dead-letters`: what runs, what listens, what was given up."""

from __future__ import annotations

from datetime import datetime

from intellyhub_control_plane.errors import NotFound
from intellyhub_control_plane.live import Known
from intellyhub_control_plane.models.audit import audit
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.names import run_flows
from intellyhub_control_plane.present.flows import source_of
from intellyhub_control_plane.present.moments import moment_of
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
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import decode_cursor, encode_cursor
from intellyhub_engine.machine.masking import mask

__all__ = ["operations"]

operations = Area("operations", "Workers, sources, dead letters")


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
    return WorkerList(items=items, workers=items)


@operations.operation("GET", "/api/sources", needs=Role.VIEWER, answers={200: SourceList}, faults=(503,))
def list_sources(caller: Caller) -> SourceList:
    """List what listens, and how it is."""
    live = caller.platform.live
    known = Known(sources=live.sources(caller.tenant.id), hooks=live.hooks(caller.tenant.id))
    flows = caller.session.scalars(Flow.of(caller.tenant).order_by(Flow.slug)).all()
    listeners = Flow.listeners(caller.session, caller.tenant, flows)
    names = run_flows(caller.session, caller.tenant, (flow.id for flow in flows))
    items = [
        Source(
            flow=names[flow.id],
            type=str(listener["type"]),
            active=flow.active,
            health=source_of(flow, str(listener["type"]), known),
        )
        for flow in flows
        if (listener := listeners.get(flow.id)) is not None
    ]
    return SourceList(items=items, sources=items)


@operations.operation("GET", "/api/dead-letters", needs=Role.VIEWER, answers={200: DeadLetterList}, faults=(404, 503))
def list_dead_letters(caller: Caller, query: DeadLetterQuery) -> DeadLetterList:
    """List events that could not be delivered."""
    flow = Flow.named(caller.session, caller.tenant, query.flow) if query.flow else None
    letters = caller.platform.journal.dead_letters(
        caller.tenant.id,
        flow_id=flow.id if flow else None,
        limit=query.limit + 1,
        before=int(decode_cursor(query.cursor, 1)[0]) if query.cursor else None,
    )
    has_more, letters = len(letters) > query.limit, letters[: query.limit]
    flows = run_flows(caller.session, caller.tenant, (letter.flow_id for letter in letters))
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
        for letter in letters
    ]
    next_cursor = encode_cursor([letters[-1].delivery_id]) if has_more else None
    return DeadLetterList(items=items, dead_letters=items, next_cursor=next_cursor)


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
    audit(caller, "dead_letter.redelivered", str(path.dead_letter_id))
    return Redelivered(redelivered=1)


@operations.operation(
    "DELETE", "/api/dead-letters/<dead_letter_id>", needs=Role.OPERATOR, answers={204: None}, faults=(404, 503)
)
def discard_dead_letter(caller: Caller, path: DeadLetterPath) -> None:
    """Throw it away."""
    if not caller.platform.journal.discard(caller.tenant.id, [path.dead_letter_id]):
        raise NotFound("dead letter", path.dead_letter_id)
    audit(caller, "dead_letter.discarded", str(path.dead_letter_id))
