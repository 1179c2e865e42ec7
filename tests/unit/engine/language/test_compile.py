"""Flows compiled, packed for the cache and unpacked."""

import time

import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, StateType, Syntax
from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language import program as programs
from intellyhub_engine.language.compile import compile_flow, dump, load
from intellyhub_engine.language.model import Durability, Flow, FlowTest, Listener, LogLine, Retry, State
from intellyhub_engine.language.problems import Position
from intellyhub_engine.language.program import ProgramStale

SYNTAXES = {
    "template": Syntax.TEMPLATE,
    "literal": Syntax.LITERAL,
    "condition": Syntax.CONDITION,
    "code": Syntax.CODE,
    "shell": Syntax.SHELL,
}
KIND = StateType(type="do", parameters={name: Parameter(name=name, syntax=syntax) for name, syntax in SYNTAXES.items()})
CATALOGUE = Catalogue(states={**CONTROL, "do": KIND})


def make_flow(*states, **settings):
    named = {state.name: state for state in states}
    return Flow(name="f", start=states[0].name, states=named, **settings)


FULL = make_flow(
    State(
        name="a",
        type="do",
        parameters={
            "template": "{x}",
            "literal": "{x}",
            "condition": "{x} > 1",
            "code": "y = x",
            "shell": "echo {x}",
            "free": {"deep": ["{x}", 1, None]},
        },
        targets={"next": "b", "error": "end"},
        output={"new": "field"},
        log=LogLine(message="oh {error_message}", level="error"),
        retry=Retry(attempts=5, on=("timeout",)),
        timeout_seconds=2.5,
        mock={"m": [1]},
        position=Position(3, 5),
    ),
    State(name="b", type="set", parameters={"values": {"n": "{n + 1}"}}),
    digest="abc",
    description="d",
    variables={"n": 0, "u": "{n}"},
    listener=Listener(type="rss", parameters={"feeds": ["{u}"]}, output="o", position=Position(1, 1)),
    max_steps=7,
    durability=Durability.RUN,
    log_level="debug",
    dependencies=("p>=1",),
    tests=(FlowTest(name="t", event={"n": 1}, mocks={"a": 1}, expected_path=("a",), position=Position(9, 1)),),
    input_schema={"type": "object"},
)


def test_every_parameter_is_compiled_by_its_syntax():
    codes = compile_flow(FULL, CATALOGUE).state("a").codes
    assert {name: code.kind for name, code in codes.items()} == {
        "template": "template",
        "literal": "constant",
        "condition": "condition",
        "code": "block",
        "shell": "shell",
        "free": "template",
    }


def test_the_values_of_a_set_are_compiled_one_by_one():
    assert list(compile_flow(FULL, CATALOGUE).state("b").codes) == ["n"]


def test_a_program_knows_what_runs_tests_and_serving_need():
    program = compile_flow(FULL, CATALOGUE)
    assert (program.name, program.digest, program.start, program.max_steps) == ("f", "abc", "a", 7)
    assert (program.durability, program.log_level, program.description) == (Durability.RUN, "debug", "d")
    assert (program.listener, program.tests, program.input_schema) == (FULL.listener, FULL.tests, FULL.input_schema)
    assert program.variables == FULL.variables
    assert program.output_schema is None


def test_end_is_a_state_of_every_program():
    program = compile_flow(FULL, CATALOGUE)
    assert program.names == ("a", "b", "end")
    assert program.state("end").type == "end"
    assert "nowhere" not in program


def test_a_packed_program_is_the_same_program():
    program = compile_flow(FULL, CATALOGUE)
    again = load(dump(program))
    assert again.head == program.head
    assert again.prelude == program.prelude
    assert again.about == program.about
    assert [again.state(name) for name in again.names] == [program.state(name) for name in program.names]
    assert type(again.durability) is Durability
    assert dump(again) == dump(program)


def test_a_packed_program_of_another_engine_is_stale(monkeypatch):
    packed = dump(compile_flow(FULL, CATALOGUE))
    monkeypatch.setattr(programs, "FORMAT", ("intellyhub-engine 9", 1, 0))
    with pytest.raises(ProgramStale, match="compile it again"):
        load(packed)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"(", dump(compile_flow(FULL, CATALOGUE))[:40]])
def test_a_damaged_program_is_stale(damage):
    with pytest.raises(ProgramStale):
        load(damage)


def test_all_texts_that_do_not_compile_are_told_with_their_state():
    flow = make_flow(
        State(name="a", type="do", parameters={"condition": "1 +", "code": "def"}, position=Position(4, 3))
    )
    with pytest.raises(FlowInvalid) as raised:
        compile_flow(flow, CATALOGUE).state("a")
    problems = raised.value.problems
    assert [problem.code for problem in problems] == ["invalid-condition", "invalid-code"]
    assert {problem.state for problem in problems} == {"a"}
    assert problems[0].position == Position(4, 3)


def test_a_state_is_compiled_when_it_is_asked_for():
    flow = make_flow(State(name="a", type="set"), State(name="b", type="do", parameters={"condition": "1 +"}))
    program = compile_flow(flow, CATALOGUE)
    program.state("a")
    with pytest.raises(FlowInvalid):
        dump(program)


def test_a_condition_may_be_written_as_a_truth_value():
    flow = make_flow(State(name="a", type="if", parameters={"condition": True}))
    assert compile_flow(flow, CATALOGUE).state("a").codes["condition"].kind == "condition"


def test_loading_costs_little_however_many_states_there_are():
    parameters = {"template": "{x} and {y}", "condition": "x > 1"}
    states = [State(name=f"s{index}", type="do", parameters=parameters) for index in range(400)]
    packed = dump(compile_flow(make_flow(*states), CATALOGUE))

    def spent() -> float:
        began = time.process_time()
        for _ in range(20):
            load(packed)
        return (time.process_time() - began) / 20

    assert min(spent() for _ in range(5)) < 0.001
