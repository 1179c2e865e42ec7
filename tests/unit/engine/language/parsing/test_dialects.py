"""Every spelling a state may be written in, and what it becomes."""

import pytest

from intellyhub_engine.language.problems import Severity
from tests.unit.engine.language.small import codes_of, flow_of, only, plain, state_of

ENDS = "".join(f"\n  {name}: {{state_type: end}}" for name in "xyz")


def test_a_command_has_one_action_in_any_spelling():
    spellings = {
        "eval": ["action: {eval: c}", "eval: c", "python: c", "action: {python: c}", "action: eval\n    code: c"],
        "shell": ["command: c", "cmd: c", "run: c", "shell: c", "action: {shell: c}", "action: shell\n    cmd: c"],
    }
    for kind, writings in spellings.items():
        for writing in writings:
            state = state_of(f"states:\n  a:\n    state_type: command\n    {writing}\n")
            assert state.parameters == {kind: "c"}, writing


@pytest.mark.parametrize("kind", ["http", "mqtt", "email"])
def test_a_command_may_name_another_kind(kind):
    nested = state_of(f"states:\n  a:\n    state_type: command\n    action: {{{kind}: {{p: 1}}}}\n")
    beside = state_of(f"states:\n  a:\n    state_type: command\n    action: {kind}\n    p: 1\n    output: o\n")
    assert nested.parameters == beside.parameters == {kind: {"p": 1}}
    assert beside.output == "o"


def test_code_beside_a_bare_eval_is_python_under_any_word():
    state = state_of("states: {a: {state_type: command, action: eval, command: 1 + 1}}")
    assert state.parameters == {"eval": "1 + 1"}


def test_what_stands_beside_an_action_in_the_mapping_is_a_parameter():
    state = state_of("states: {a: {state_type: command, action: {shell: x, env: {A: b}}}}")
    assert state.parameters == {"shell": "x", "env": {"A": "b"}}


@pytest.mark.parametrize("written", ["", ", action: echo hi", ", action: {}", ", command: null", ", action: http"])
def test_a_command_without_an_action_is_an_error(written):
    codes = codes_of(f"states: {{a: {{state_type: command{written}}}}}")
    assert codes == (["missing-action"] if "http" not in written else [])


def test_a_command_with_two_actions_is_an_error():
    assert only("states: {a: {state_type: command, eval: x, command: y}}", "several-actions").suggestion


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("true_transition", "false_transition"),
        ("transition_true", "transition_false"),
        ("true_state", "false_state"),
        ("on_true", "on_false"),
        ("then", "else"),
        ("true", "false"),
    ],
)
def test_every_spelling_of_the_branches_is_one(true, false):
    state = state_of(f"states:\n  a: {{state_type: if, condition: c, {true}: x, {false}: y}}" + ENDS)
    assert state.targets == {"true": "x", "false": "y"}


def test_a_missing_branch_goes_to_transition():
    state = state_of("states:\n  a: {state_type: if, condition: c, true_transition: x, transition: y}" + ENDS)
    assert state.targets == {"true": "x", "next": "y"}


def test_then_and_else_are_inline_sequences():
    flow = flow_of(
        """
        states:
          - name: check
            type: if
            condition: c
            then:
              - {type: command, command: one}
              - {type: command, command: two}
            else:
              - {name: sorry, type: command, command: three}
          - {name: after, type: command, command: four}
        """
    )
    assert list(flow.states) == ["check", "check/then/0", "check/then/1", "check/else/sorry", "after"]
    assert flow.states["check"].targets == {"true": "check/then/0", "false": "check/else/sorry", "next": "after"}
    assert flow.states["check/then/0"].targets == {"next": "check/then/1"}
    assert flow.states["check/then/1"].targets == {"next": "after"}
    assert flow.states["check/else/sorry"].targets == {"next": "after"}


def test_an_inline_body_may_stand_alone_and_in_mapping_form():
    flow = flow_of(
        "states:\n  a: {state_type: if, condition: c, then: {state_type: set, values: {}}, transition: x}" + ENDS
    )
    assert flow.states["a"].targets == {"true": "a/then", "next": "x"}
    assert flow.states["a/then"].targets == {"next": "x"}


def test_an_inline_body_can_reach_the_states_around_it():
    flow = flow_of(
        "states:\n  a: {state_type: if, condition: c, then: [{type: set, values: {}, transition: y}]}" + ENDS
    )
    assert flow.states["a/then/0"].targets == {"next": "y"}


def test_an_if_without_branches_falls_through_in_list_form():
    flow = flow_of("states:\n  - {name: a, type: if, condition: c}\n  - {name: b, type: end}")
    assert flow.states["a"].targets == {"next": "b"}


@pytest.mark.parametrize("written", ['value: "{v}"', "value: v", "variable: v", 'variable: "{v}"'])
def test_every_spelling_of_the_subject_of_a_switch_is_one(written):
    state = state_of(f"states:\n  a: {{state_type: switch, {written}, cases: {{k: x}}}}" + ENDS)
    assert state.parameters == {"value": "{v}"}


def test_a_dotted_name_is_a_bare_name_too():
    state = state_of("states:\n  a: {state_type: switch, value: event.kind, cases: {k: x}}" + ENDS)
    assert state.parameters == {"value": "{event.kind}"}


def test_a_switch_without_a_subject_looks_at_the_event():
    text = "states:\n  a: {state_type: switch, cases: {k: x}}" + ENDS
    assert state_of(text).parameters == {"value": "{event.type}"}
    assert only(text, "missing-parameter").severity is Severity.WARNING


def test_cases_name_states_or_mappings_or_bodies():
    flow = flow_of(
        """
        states:
          a:
            state_type: switch
            value: v
            cases:
              /start: x
              two: {transition: y}
              3: {type: command, command: c}
              on: [{type: command, command: d}, {type: command, command: e}]
            default_transition: z
          x: {state_type: end}
          y: {state_type: end}
          z: {state_type: end}
        """
    )
    assert flow.states["a"].targets == {
        "case:/start": "x",
        "case:two": "y",
        "case:3": "a/case/3",
        "case:on": "a/case/on/0",
        "default": "z",
    }
    assert flow.states["a/case/on/0"].targets == {"next": "a/case/on/1"}


def test_cases_may_be_a_list():
    cases = "[{value: 1, transition: x}, {when: k, then: y}]"
    text = f"states:\n  a: {{state_type: switch, value: v, cases: {cases}, default: z}}"
    assert state_of(text + ENDS).targets == {"case:1": "x", "case:k": "y", "default": "z"}


def test_a_case_of_a_list_without_a_value_is_an_error():
    assert "wrong-value" in codes_of("states:\n  a: {state_type: switch, value: v, cases: [{transition: x}]}" + ENDS)


def test_a_switch_without_cases_is_an_error():
    assert codes_of("states: {a: {state_type: switch, value: v}}") == ["missing-parameter"]


def test_a_body_that_is_a_case_goes_where_its_switch_goes():
    flow = flow_of(
        """
        states:
          - {name: a, type: switch, value: v, cases: {k: {type: command, command: c}}}
          - {name: b, type: end}
        """
    )
    assert flow.states["a/case/k"].targets == {"next": "b"}


def test_file_takes_action_and_operation():
    first = flow_of("states: {a: {state_type: file, action: write, path: p}}")
    second = flow_of("states: {a: {state_type: file, operation: write, path: p}}")
    assert plain(first) == plain(second)


def test_an_end_has_no_transition():
    text = "states:\n  a: {state_type: end, transition: x}" + ENDS
    assert state_of(text).targets == {}
    assert "unknown-parameter" in codes_of(text)


def test_an_end_within_a_list_ends():
    assert flow_of("states: [{name: a, type: end}, {name: b, type: end}]").states["a"].targets == {}
