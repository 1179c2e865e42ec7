"""What a flow is given is held against its `input`, and its event completed, before anything runs."""

from dataclasses import replace

import pytest

from intellyhub_engine.catalogue.manifest import SourceType
from intellyhub_engine.errors import InputUnfit, PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.model import Listener
from intellyhub_engine.machine.run import start
from tests.unit.engine.machine.small import World, state

INPUT = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
UNFIT = "the input does not fit the flow 'small': "


def event(data, kind="call", number="e1"):
    return Event(id=number, source="/s", type=kind, data=data)


def listening(world, **settings):
    """The host, with a source whose callers say something in `body`."""
    source = SourceType(type="hook", event_type="hook.request", spread="body", sample={"body": "x"}, **settings)
    catalogue = replace(world.catalogue, sources={"hook": source})
    return replace(world.host, catalogue=catalogue), {"listener": Listener(type="hook")}


def test_what_fits_runs():
    world = World()
    program = world.program(state("a", "do", "end"), input_schema=INPUT)
    assert start(program, world.host, event=event({"city": "Rome"})).status is RunStatus.SUCCEEDED
    assert start(program, world.host, variables={"city": "Rome"}).status is RunStatus.SUCCEEDED
    both = start(program, world.host, event=event({"days": 1}, number="e2"), variables={"city": "Rome"})
    assert both.variables["days"] == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"event": event({"city": 7})}, "$.city: 7 is not of type 'string'"),
        ({"event": event("Rome")}, "$: 'Rome' is not of type 'object'"),
        ({"variables": {"days": "two"}}, "$: 'city' is a required property; $.days: 'two' is not of type 'integer'"),
        ({}, "$: 'city' is a required property"),
    ],
)
def test_what_does_not_fit_begins_no_run_and_is_told_with_its_place(given, told):
    world = World()
    with pytest.raises(InputUnfit) as refused:
        start(world.program(state("a", "do", "end"), input_schema=INPUT), world.host, **given)
    assert str(refused.value) == UNFIT + told
    assert world.journal.calls == []
    assert world.effects.done == []


def test_an_input_may_be_no_object():
    world = World()
    program = world.program(state("a", "do", "end"), input_schema={"type": "array"})
    assert start(program, world.host, event=event([1])).status is RunStatus.SUCCEEDED
    with pytest.raises(InputUnfit, match="None is not of type 'array'"):
        start(program, world.host, event=event(None, number="e2"))


def test_of_a_listeners_own_event_what_its_caller_says_is_the_input():
    world = World()
    host, settings = listening(world)
    program = world.program(state("a", "do", "end"), input_schema=INPUT, **settings)
    for number, data in enumerate([{"method": "POST", "body": {"city": "Rome"}}, {"body": "x"}, {"city": "Rome"}]):
        own = event(data, "hook.request", f"e{number}")
        assert start(program, host, event=own).status is RunStatus.SUCCEEDED
    with pytest.raises(InputUnfit, match=r"\$.city: 7"):
        start(program, host, event=event({"body": {"city": 7}}, "hook.request", "e9"))
    with pytest.raises(InputUnfit, match=r"\$.city: 7"):
        start(program, host, event=event({"city": 7}, "io.intellyhub.mcp.request", "e9"))


def test_an_event_that_has_made_a_run_finds_it_whatever_the_input_is_now():
    world = World()
    began = start(world.program(state("a", "do", "end")), world.host, event=event({}))
    program = world.program(state("a", "do", "end"), input_schema=INPUT)
    assert start(program, world.host, event=event({})).run_id == began.run_id


def test_a_call_that_does_not_fit_fails_the_state_that_calls():
    world = World()
    called = world.program(state("a", "do", "end"), name="called", input_schema=INPUT)
    caller = world.program(state("call", "call", "end", flow="called", input={"city": 7}))
    host = replace(world.host, find_flow={"called": called}.get)
    result = start(caller, host)
    assert (result.status, result.error) == (
        RunStatus.FAILED,
        "the input does not fit the flow 'called': $.city: 7 is not of type 'string'",
    )
    assert world.effects.done == []


class Fetching:
    """Adds to an event what it names."""

    def __init__(self, fault=None):
        self.seen = []
        self.fault = fault

    def __call__(self, told, parameters, step):
        self.seen.append((told.data, parameters, step.flow))
        if self.fault:
            raise self.fault
        return replace(told, data={**told.data, "body": {"file": "here"}})


def test_an_event_is_completed_once_before_its_run():
    world, fetch = World(), Fetching()
    host, settings = listening(world, load_complete=lambda: fetch)
    program = world.program(state("a", "do", "end"), **settings)
    first = start(program, host, event=event({"body": {}}, "hook.request"))
    again = start(program, host, event=event({"body": {}}, "hook.request"))
    assert first.variables["file"] == again.variables["file"] == "here"
    assert first.run_id == again.run_id
    assert fetch.seen == [({"body": {}}, {}, "small")]
    start(program, host, event=event({}, "other", "e2"))
    assert len(fetch.seen) == 1


def test_an_event_that_cannot_be_completed_runs_as_it_came(caplog):
    world, fetch = World(), Fetching(PermanentError("no token"))
    host, settings = listening(world, load_complete=lambda: fetch)
    program = world.program(state("a", "do", "end"), **settings)
    assert start(program, host, event=event({"body": {"n": 1}}, "hook.request")).variables["n"] == 1
    assert "an event of small is not completed: no token" in caplog.text
