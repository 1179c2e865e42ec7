"""Before a run begins: what the flow is given is held against its `input`, and its event gets what only a worker may
fetch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EngineError, InputUnfit
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.machine.step import Step

if TYPE_CHECKING:
    from intellyhub_engine.catalogue.manifest import SourceType
    from intellyhub_engine.events import Event
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host

__all__ = ["receive", "refuse_unfit"]

UNSAID: Any = object()
"""What events give to a flow that say nothing of its `input`."""
COMPLETION_SECONDS = 300.0


def receive(program: Program, host: Host, event: Event | None, variables: Mapping[str, Any]) -> Event | None:
    """The event as its run is to see it. One that has made a run before stays as it is. Raises InputUnfit."""
    listener = program.listener
    source = host.catalogue.sources.get(listener.type) if listener else None
    own = source if source is not None and event is not None and event.type == source.event_type else None
    complete = own.load_complete if own is not None else None
    if (program.input_schema is None and complete is None) or has_begun(program, host, event):
        return event
    if own is not None and event is not None:
        given = said_by(event, own)
    else:
        given = UNSAID if listener and (event is None or source is None) else called_with(event, variables)
    if given is not UNSAID:
        refuse_unfit(program, given)
    if own is None or event is None or complete is None:
        return event
    return complete_event(program, host, event, own)


def has_begun(program: Program, host: Host, event: Event | None) -> bool:
    """Whether there is a run of the event."""
    if event is None or host.journal is None:
        return False
    return host.journal.runs_of_event(event, flow=program.name).begun is not None


def said_by(event: Event, source: SourceType) -> Any:
    """What the caller behind one of the listener's own events says (the `body` of a request, the `arguments` of a
    call); other listeners have no caller, and a sample is nobody's."""
    if source.spread is None or event.data == source.sample:
        return UNSAID
    return event.data.get(source.spread, event.data) if isinstance(event.data, Mapping) else event.data


def called_with(event: Event | None, variables: Mapping[str, Any]) -> Any:
    """What is said by an event that no listener heard, or by a caller who sets variables."""
    data = event.data if event is not None else None
    return {**(data or {}), **variables} if variables and (data is None or isinstance(data, Mapping)) else data


def refuse_unfit(program: Program, given: Any) -> None:
    """Raise InputUnfit where what the flow is given does not fit its `input`."""
    schema = program.input_schema
    if schema is None:
        return
    from intellyhub_engine.language.schemas import find_faults

    bare = {} if given is None and schema.get("type", "object") == "object" else given
    faults = find_faults(schema, bare)
    if faults:
        raise InputUnfit(f"the input does not fit the flow {program.name!r}: {'; '.join(faults)}")


def complete_event(program: Program, host: Host, event: Event, source: SourceType) -> Event:
    """The event with what its source fetches; as it is, where nothing can be fetched."""
    import logging

    from intellyhub_engine.machine.listener import fill_in

    log = logging.getLogger("intellyhub.listener")
    step = Step(
        run_id="",
        flow=program.name,
        state="listener",
        seq=0,
        attempt=1,
        scope=Scope({}, outer=host.outer, now_ns=host.now_ns),
        timeout_seconds=COMPLETION_SECONDS,
        cancelled=host.cancelled,
        workspace=host.workspace,
        log=lambda level, message: log.log(logging.getLevelNamesMapping()[level.upper()], "%s", message),
        services=host.services,
    )
    try:
        parameters = fill_in(
            program.prelude, source, outer=host.outer, now_ns=host.now_ns, remedy="the event stays as it came"
        )
        assert source.load_complete is not None
        return source.load_complete()(event, parameters, step)
    except EngineError as fault:
        log.warning("an event of %s is not completed: %s", program.name, fault)
        return event
