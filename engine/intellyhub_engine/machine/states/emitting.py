"""The emit state: sends a CloudEvent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import StepStatus
from intellyhub_engine.language.values.values import text_of, wrap
from intellyhub_engine.machine.states.failures import error_target_of
from intellyhub_engine.machine.states.node import Move, Node, success_target
from intellyhub_engine.machine.states.outputs import make_assign
from intellyhub_engine.machine.states.parameters import make_resolver
from intellyhub_engine.machine.states.steps import finish

if TYPE_CHECKING:
    from intellyhub_engine.language.program import StateCode
    from intellyhub_engine.machine.active import ActiveRun
    from intellyhub_engine.machine.states.nodes import Nodes

__all__ = ["event_record", "make_emit"]

HOPS = "intellyhubhops"
"""The extension attribute in which the platform counts how many flows an event has come through."""
MOST_HOP_DIGITS = 9


def make_emit(code: StateCode, nodes: Nodes) -> Node:
    """Its event keeps its id when a crash makes it leave twice, so that receivers see it once."""
    resolve = make_resolver(code, nodes.catalogue.states.get(code.type))
    assign = make_assign(code.output)

    def advance(run: ActiveRun) -> Move:
        event = make_event(run, resolve(run))
        run.begin_effect(code.name, code.type)
        if run.host.emit is not None:
            run.host.emit(event)
        changes = assign(event_record(event), run.scope)
        run.scope.update(changes)
        return finish(run, node, StepStatus.SUCCEEDED, success_target(code), changes, emitted=(event,)), None

    node = Node(code, advance, error_target=error_target_of(code, nodes), pure=False)
    return node


def make_event(run: ActiveRun, parameters: dict[str, Any]) -> Event:
    extensions = parameters.get("extensions") or {}
    if not isinstance(extensions, dict):
        raise PermanentError("the parameter 'extensions' must be a mapping of attribute to text")
    subject = parameters.get("subject")
    moment = datetime.fromtimestamp(run.host.now_ns() / 1e9, UTC)
    return Event(
        id=f"{run.start.run_id}/{run.seq}",
        source=text_of(parameters.get("source")) or f"/flows/{run.program.head.name}",
        type=text_of(parameters["type"]),
        data=wrap(parameters.get("data")),
        subject=None if subject is None else text_of(subject),
        time=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        datacontenttype="application/json",
        extensions={
            **trace_of(run.start.event),
            **{str(name).lower(): text_of(value) for name, value in extensions.items()},
            **hops_of(run.start.event),
        },
    )


def trace_of(cause: Event | None) -> dict[str, str]:
    """The trace that an emitted event belongs to: that of the event which started the run (CloudEvents' distributed
    tracing extension)."""
    known = cause.extensions if cause is not None else {}
    return {name: known[name] for name in ("traceparent", "tracestate") if name in known}


def hops_of(cause: Event | None) -> dict[str, str]:
    """One hop more than the event which started the run, so that the platform can end flows that emit to each other
    for ever. Nothing where that one is not counted; an author cannot set it."""
    hops = cause.extensions.get(HOPS, "") if cause is not None else ""
    return {HOPS: str(int(hops) + 1)} if hops.isascii() and hops.isdigit() and len(hops) < MOST_HOP_DIGITS else {}


def event_record(event: Event) -> Any:
    """The event as a variable: its attributes by name, its data under `data`."""
    return wrap(
        {
            **event.extensions,
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "data": event.data,
        }
    )
