"""Targets nobody has, states nothing leads to, rounds that never end."""

import time

import pytest

from intellyhub_engine.language.problems import Position, Severity
from tests.unit.engine.language.small import codes_of, only, problems_of

STEP = "state_type: set, values: {}"


def states(*lines):
    return "states:\n" + "".join(f"  {line}\n" for line in lines)


def test_an_unknown_target_is_a_warning_with_place_and_suggestion():
    text = states(f"a: {{{STEP}, transition: nofity}}", f"notify: {{{STEP}}}")
    problem = only(text, "unknown-target")
    assert (problem.severity, problem.state, problem.position) == (Severity.WARNING, "a", Position(2, 48))
    assert problem.suggestion == "did you mean 'notify'?"


def test_every_kind_of_edge_is_looked_at():
    text = states(
        "a: {state_type: if, condition: c, true_transition: x1, false_transition: x2}",
        "b: {state_type: switch, value: v, cases: {k: x3}, default: x4}",
        "c: {state_type: http, url: u, success_transition: x5, error_transition: x6}",
        "d: {state_type: parallel, branches: {e: x7}}",
        "e: {state_type: loop, items: [1], body: x8}",
    )
    found = [problem.message for problem in problems_of(text) if problem.code == "unknown-target"]
    assert [message.split("'")[3] for message in found] == [f"x{n}" for n in range(1, 9)]


@pytest.mark.parametrize("target", ["end", "error"])
def test_end_and_error_are_always_known(target):
    assert "unknown-target" not in codes_of(states(f"a: {{{STEP}, transition: {target}}}"))


@pytest.mark.parametrize("target", ["continue_loop", "break"])
def test_continue_and_break_need_a_loop(target):
    assert codes_of(states(f"a: {{{STEP}, transition: {target}}}")) == ["unknown-target"]


def test_a_state_nothing_leads_to_is_a_warning():
    text = states(f"a: {{{STEP}, transition: c}}", f"b: {{{STEP}}}", f"c: {{{STEP}}}")
    problem = only(text, "unreachable-state")
    assert (problem.severity, problem.state, problem.position) == (Severity.WARNING, "b", Position(3, 3))


def test_only_the_owner_of_an_unreachable_body_is_named():
    body = f"{{state_type: loop, items: [1], states: {{x: {{{STEP}}}}}}}"
    assert only(states("a: {state_type: end}", f"b: {body}"), "unreachable-state").state == "b"


def test_an_end_nothing_leads_to_is_fine():
    assert codes_of(states(f"a: {{{STEP}}}", "end: {state_type: end}")) == []


def test_an_answer_nothing_leads_to_is_a_warning():
    text = states(f"a: {{{STEP}}}", "end: {state_type: end, result: '{x}'}")
    assert only(text, "unreachable-state").state == "end"


def test_a_state_that_a_type_goes_to_on_failure_is_reachable():
    text = states("a: {state_type: telegram, message: m, transition: end}", f"error: {{{STEP}}}")
    assert codes_of(text) == []


def test_a_state_that_only_a_branch_reaches_is_reachable():
    text = states("a: {state_type: parallel, branches: {x: b}, transition: end}", f"b: {{{STEP}}}")
    assert codes_of(text) == []


def test_a_round_without_a_way_out_is_an_error():
    problem = only(states(f"a: {{{STEP}, transition: b}}", f"b: {{{STEP}, transition: a}}"), "endless-loop")
    assert (problem.severity, problem.position) == (Severity.ERROR, Position(2, 3))
    assert problem.message == "nothing leads out of a -> b -> a"


def test_a_state_that_leads_to_itself_is_a_round():
    assert codes_of(states(f"a: {{{STEP}, transition: a}}")) == ["endless-loop"]


def test_an_if_whose_branches_both_stay_is_no_way_out():
    text = states("a: {state_type: if, condition: c, true: b, false: a}", f"b: {{{STEP}, transition: a}}")
    assert codes_of(text) == ["endless-loop"]


@pytest.mark.parametrize(
    "way_out",
    [
        "b: {state_type: if, condition: c, true: a, false: end}",
        "b: {state_type: if, condition: c, true: a}",
        "b: {state_type: switch, value: v, cases: {x: a}}",
        "b: {state_type: wait, seconds: 60, transition: a}",
        "b: {state_type: http, url: u, transition: a, error_transition: end}",
        "b: {state_type: http, url: u, success_transition: end, transition: a}",
        "b: {state_type: unknown_type, transition: a}",
    ],
)
def test_a_round_with_a_way_out_is_fine(way_out):
    assert "endless-loop" not in codes_of(states(f"a: {{{STEP}, transition: b}}", way_out))


def test_a_round_that_no_run_comes_to_is_only_unreachable():
    text = states("a: {state_type: end}", f"b: {{{STEP}, transition: b}}")
    assert codes_of(text) == ["unreachable-state"]


def test_a_round_within_a_loop_body_is_found():
    text = states(f"l: {{state_type: loop, items: [1], states: {{a: {{{STEP}, transition: a}}}}}}")
    assert codes_of(text) == ["endless-loop"]


def test_a_loop_over_items_comes_to_an_end():
    assert codes_of(states("l: {state_type: loop, items: [1], body: w}", f"w: {{{STEP}, transition: l}}")) == []


def test_a_while_that_is_always_true_is_a_warning():
    problem = only(states(f"l: {{state_type: loop, condition: 'true', states: {{a: {{{STEP}}}}}}}"), "endless-while")
    assert (problem.severity, problem.position) == (Severity.WARNING, Position(2, 36))


@pytest.mark.parametrize(
    "body",
    [
        f"{{{STEP}, transition: break}}",
        "{state_type: wait, seconds: 1}",
        "{state_type: if, condition: c, then: [{type: set, values: {}, transition: break_loop}]}",
    ],
)
def test_a_while_that_can_be_left_is_fine(body):
    assert codes_of(states(f"l: {{state_type: loop, condition: true, states: {{a: {body}}}}}")) == []


def test_a_flow_that_always_calls_itself_is_an_error():
    text = "name: me\n" + states(f"a: {{{STEP}, transition: b}}", "b: {state_type: call, flow: me}")
    assert only(text, "endless-call").position == Position(4, 31)


def test_a_flow_that_calls_itself_behind_a_branch_is_fine():
    text = "name: me\n" + states("a: {state_type: if, condition: c, true: b}", "b: {state_type: call, flow: me}")
    assert codes_of(text) == []


def test_a_long_chain_is_no_burden():
    text = states(*(f"s{n}: {{{STEP}, transition: s{n + 1}}}" for n in range(3000)))
    assert codes_of(text) == ["unknown-target"]


def test_a_flow_of_thousands_of_faults_is_checked_in_seconds():
    text = states(*(f"s{n}: {{{STEP}, transition: t{n}}}" for n in range(3000)))
    began = time.perf_counter()
    assert len(codes_of(text)) == 5999
    assert time.perf_counter() - began < 5


def test_a_wrong_value_is_told_with_its_state_and_its_remedy_once():
    problem = only(states(f"i: {{{STEP}, timeout_seconds: fast}}"), "wrong-value")
    assert problem.message == "'timeout_seconds' of 'i' is text"
    assert problem.expected == "a number of seconds, or a duration such as 90s or 5m"


def test_a_body_that_never_goes_back_to_its_loop_is_a_warning():
    text = states("a: {state_type: loop, items: [1], body_state: b, transition: c}", f"b: {{{STEP}}}", f"c: {{{STEP}}}")
    problem = only(text, "unrepeated-loop")
    assert (problem.severity, problem.state) == (Severity.WARNING, "a")


@pytest.mark.parametrize(
    "body",
    [f"b: {{{STEP}, transition: continue_loop}}", f"b: {{{STEP}, transition: a}}", f"b: {{{STEP}, transition: break}}"],
)
def test_a_body_that_goes_back_or_breaks_is_no_unrepeated_loop(body):
    text = states("a: {state_type: loop, items: [1], body_state: b, transition: c}", body, f"c: {{{STEP}}}")
    assert "unrepeated-loop" not in codes_of(text)


def test_mapped_items_do_not_go_back():
    text = states("a: {state_type: loop, items: [1], body_state: b, concurrency: 2}", f"b: {{{STEP}}}")
    assert "unrepeated-loop" not in codes_of(text)
