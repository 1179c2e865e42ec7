"""Every dialect of loops and parallel branches, and what becomes of the targets in their bodies."""

import pytest

from intellyhub_engine.language.problems import Position, Severity
from tests.unit.engine.language.small import codes_of, flow_of, only, state_of

NESTED = """
states:
  each:
    state_type: loop
    loop_type: for
    items: "{rows}"
    item_var: row
    states:
      first: {state_type: command, command: a, transition: %s, error_transition: sorry}
      sorry: {state_type: command, command: b}
      done: {state_type: end}
    transition: after
  after: {state_type: end}
"""


def first_of(target):
    return flow_of(NESTED % target).states["each/first"].targets


def test_nested_states_stand_in_the_flat_table():
    flow = flow_of(NESTED % "sorry")
    assert list(flow.states) == ["each", "each/first", "each/sorry", "after"]
    assert flow.states["each"].targets == {"body": "each/first", "done": "after"}
    assert flow.states["each"].parameters == {"items": "{rows}", "item_var": "row"}
    assert flow.states["each/first"].targets == {"next": "each/sorry", "error": "each/sorry"}


@pytest.mark.parametrize("target", ["continue", "continue_loop", "each", "done", "end", "after", "nowhere"])
def test_whatever_leaves_the_body_ends_the_pass(target):
    assert first_of(target)["next"] == "continue_loop"


@pytest.mark.parametrize("target", ["break", "break_loop"])
def test_break_leaves_the_loop(target):
    assert first_of(target)["next"] == "break_loop"


def test_a_state_of_the_body_without_a_transition_ends_the_pass():
    assert flow_of(NESTED % "sorry").states["each/sorry"].targets == {"next": "continue_loop"}


def test_an_error_that_nobody_handles_still_fails_the_run():
    assert first_of("error")["next"] == "error"


def test_a_target_outside_is_a_warning():
    problem = only(NESTED % "after", "loop-target-outside")
    assert problem.severity is Severity.WARNING
    assert "break" in problem.suggestion


def test_an_unknown_target_in_a_body_is_a_warning():
    assert only(NESTED % "sory", "unknown-target").suggestion == "did you mean 'sorry'?"


def test_a_body_begins_at_start_or_at_its_first_state():
    body = "{b: {state_type: set, values: {}}, start: {state_type: set, values: {}}}"
    assert state_of(f"states: {{l: {{state_type: loop, items: [1], states: {body}}}}}").targets == {"body": "l/start"}


def test_a_nested_body_may_be_a_list():
    flow = flow_of(
        "states: {l: {state_type: loop, items: [1], do: [{type: command, command: a}, {type: command, command: b}]}}"
    )
    assert flow.states["l/0"].targets == {"next": "l/1"}
    assert flow.states["l/1"].targets == {"next": "continue_loop"}


def test_a_nested_body_may_be_one_body():
    flow = flow_of("states: {l: {state_type: loop, items: [1], body: {state_type: command, command: a}}}")
    assert flow.states["l"].targets == {"body": "l/0"}


@pytest.mark.parametrize("key", ["body_state", "body", "do"])
def test_a_sibling_may_be_the_body(key):
    flow = flow_of(
        f"""
        states:
          l: {{state_type: loop, items: [1], {key}: work, transition: after}}
          work: {{state_type: command, command: a, transition: continue_loop}}
          after: {{state_type: end}}
        """
    )
    assert flow.states["l"].targets == {"body": "work", "done": "after"}
    assert flow.states["work"].targets == {"next": "continue_loop"}


@pytest.mark.parametrize("key", ["end_transition", "exit_transition", "done_transition"])
def test_without_a_body_transition_names_it(key):
    flow = flow_of(
        f"""
        states:
          l: {{state_type: loop, mode: for, items: [1], transition: work, {key}: after}}
          work: {{state_type: command, command: a, transition: l}}
          after: {{state_type: end}}
        """
    )
    assert flow.states["l"].targets == {"body": "work", "done": "after"}
    assert flow.states["work"].targets == {"next": "l"}


def test_a_loop_in_list_form_goes_on_to_the_next_element():
    flow = flow_of(
        "states:\n  - {name: l, type: loop, items: [1], do: [{type: set, values: {}}]}\n  - {name: b, type: end}"
    )
    assert flow.states["l"].targets == {"body": "l/0", "done": "b"}


def test_a_while_has_a_condition():
    state = state_of('states: {l: {state_type: loop, mode: while, condition: "x < 3", do: [{type: set, values: {}}]}}')
    assert state.parameters == {"condition": "x < 3"}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("do: [{type: set, values: {}}]", "missing-parameter"),
        ("mode: while, items: [1], do: [{type: set, values: {}}]", "missing-parameter"),
        ("items: [1], condition: x, do: [{type: set, values: {}}]", "several-bodies"),
        ("items: [1]", "missing-body"),
        ("items: [1], states: {}", "missing-body"),
        ("items: [1], do: 5", "missing-body"),
        ("mode: until, items: [1], do: [{type: set, values: {}}]", "not-a-choice"),
    ],
)
def test_a_loop_that_says_too_little_or_too_much_is_an_error(written, code):
    assert code in codes_of(f"states: {{l: {{state_type: loop, {written}}}}}")


def test_loops_nest():
    flow = flow_of(
        """
        states:
          outer:
            state_type: loop
            items: [1]
            states:
              inner:
                state_type: loop
                items: [2]
                states:
                  work: {state_type: command, command: a, transition: other}
              other: {state_type: command, command: b, transition: outer}
        """
    )
    assert flow.states["outer"].targets == {"body": "outer/inner"}
    assert flow.states["outer/inner"].targets == {"body": "outer/inner/work", "done": "continue_loop"}
    assert flow.states["outer/inner/work"].targets == {"next": "continue_loop"}
    assert flow.states["outer/other"].targets == {"next": "continue_loop"}


def test_then_within_a_loop_sees_the_body():
    flow = flow_of(
        """
        states:
          l:
            state_type: loop
            items: [1]
            states:
              check:
                state_type: if
                condition: c
                then: [{type: set, values: {}, transition: work}, {type: set, values: {}}]
              work: {state_type: command, command: a}
        """
    )
    assert flow.states["l/check/then/0"].targets == {"next": "l/work"}
    assert flow.states["l/check/then/1"].targets == {"next": "continue_loop"}


def test_branches_are_bodies_lists_and_names():
    flow = flow_of(
        """
        states:
          fan:
            state_type: parallel
            branches:
              one: {state_type: command, command: a, transition: end}
              two: [{type: command, command: b}, {type: command, command: c}]
              three: work
            transition: join
          work: {state_type: command, command: d}
          join: {state_type: end}
        """
    )
    assert flow.states["fan"].targets == {
        "branch:one": "fan/branch/one/0",
        "branch:two": "fan/branch/two/0",
        "branch:three": "work",
        "next": "join",
    }
    assert flow.states["fan/branch/one/0"].targets == {"next": "end"}
    assert flow.states["fan/branch/two/0"].targets == {"next": "fan/branch/two/1"}
    assert flow.states["fan/branch/two/1"].targets == {}


def test_branches_may_be_a_list():
    flow = flow_of(
        """
        states:
          - name: fan
            type: parallel
            branches: [{name: a, type: command, command: x}, [{type: command, command: y}], work]
          - {name: work, type: command, command: z}
        """
    )
    assert flow.states["fan"].targets == {
        "branch:a": "fan/branch/a/a",
        "branch:1": "fan/branch/1/0",
        "branch:work": "work",
        "next": "work",
    }


def test_what_leaves_a_branch_ends_it():
    flow = flow_of(
        """
        states:
          fan:
            state_type: parallel
            branches: {a: {state_type: command, command: x, transition: join}}
            transition: join
          join: {state_type: end}
        """
    )
    assert flow.states["fan/branch/a/0"].targets == {"next": "end"}


def test_parallel_over_items_is_a_mapped_loop():
    state = state_of("states: {p: {state_type: parallel, items: [1], do: [{type: set, values: {}}], output: all}}")
    assert (state.type, state.targets, state.output) == ("loop", {"body": "p/0"}, "all")
    assert state.parameters == {"items": [1], "concurrency": True}


def test_parallel_over_items_keeps_its_concurrency():
    state = state_of("states: {p: {state_type: parallel, items: [1], concurrency: 4, do: [{type: set, values: {}}]}}")
    assert state.parameters["concurrency"] == 4


@pytest.mark.parametrize("written", ["", ", branches: 5", ", branches: {a: 5}", ", branches: {a: []}"])
def test_parallel_without_branches_is_an_error(written):
    assert "missing-body" in codes_of(f"states: {{p: {{state_type: parallel{written}}}}}")


def test_bodies_may_nest_to_the_limit_of_the_text():
    body = "{type: set, values: {}}"
    for _ in range(40):
        body = f"{{type: if, condition: c, then: [{body}]}}"
    assert len(flow_of(f"states: [{body}]").states) == 41


def test_a_body_that_stands_alone_has_its_place():
    text = "states:\n  l:\n    state_type: loop\n    items: [1]\n    body: {state_type: command}\n"
    assert only(text, "missing-action").position == Position(5, 11)
