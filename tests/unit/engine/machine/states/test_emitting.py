"""Events that a flow sends."""

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, StepStarted
from intellyhub_engine.machine.run import resume, start
from tests.unit.engine.machine.small import Clock, World, make_host, make_program, state, steps_of


def test_an_event_is_sent_and_recorded():
    sent: list[Event] = []
    clock = Clock()
    emit = state("tell", "emit", "end", type="paid", data={"cents": "{n}"}, subject="o{n}", output="event")
    result = start(make_program(emit), make_host(clock, emit=sent.append), variables={"n": 5}, run_id="r")
    (event,) = sent
    assert (event.id, event.source, event.type, event.subject) == ("r/1", "/flows/small", "paid", "o5")
    assert (event.data, event.time, event.datacontenttype) == (
        {"cents": 5},
        "2023-11-14T22:13:20.000Z",
        "application/json",
    )
    assert steps_of(result)[0].emitted == (event,)
    assert result.variables["event"].data.cents == 5


def test_source_and_extensions_are_the_authors():
    emit = state("tell", "emit", type="t", source="/mine", extensions={"Partition": "{n}"})
    (step,) = steps_of(start(make_program(emit), make_host(), variables={"n": 5}))
    assert (step.emitted[0].source, step.emitted[0].extensions) == ("/mine", {"partition": "5"})


def test_an_event_nobody_takes_is_recorded_all_the_same():
    (step,) = steps_of(start(make_program(state("tell", "emit", type="t")), make_host()))
    assert step.emitted[0].type == "t"


def test_extensions_that_are_no_mapping_fail_the_step():
    result = start(make_program(state("tell", "emit", type="t", extensions="{n}")), make_host(), variables={"n": [1]})
    assert result.status is RunStatus.FAILED
    assert "extensions" in str(result.error)


def test_a_sink_that_refuses_takes_the_error_edge():
    def refuse(event):
        raise PermanentError("no such broker")

    program = make_program(state("tell", "emit", "end", type="t", targets={"error": "sorry"}), state("sorry", "end"))
    assert start(program, make_host(emit=refuse)).end_state == "sorry"


def test_an_event_sent_twice_because_of_a_crash_has_one_id():
    sent = []

    def emit(event):
        sent.append(event.id)
        if len(sent) == 1:
            raise KeyboardInterrupt

    world = World(emit=emit)
    program = world.program(state("tell", "emit", "end", type="t"))
    with pytest.raises(KeyboardInterrupt):
        start(program, world.host, run_id="r")
    assert isinstance(world.journal.history("r").entries[-1], StepStarted)
    assert resume(program, world.host, "r").status is RunStatus.SUCCEEDED
    assert sent == ["r/1", "r/1"]
