"""The nodes and edges of a flow's machine."""

from intellyhub_engine.language.diagram import Kind, make_diagram
from intellyhub_engine.language.model import Flow, State


def state(name, kind="set", **targets):
    return State(name=name, type=kind, targets={label.replace("__", ":"): target for label, target in targets.items()})


def draw(*states):
    diagram = make_diagram(Flow(name="f", start=states[0].name, states={each.name: each for each in states}))
    labels = {node.key: node.label for node in diagram.nodes}
    return diagram, {(labels[edge.source], edge.label, labels[edge.target]) for edge in diagram.edges}


def test_what_has_no_target_ends_the_run():
    diagram, edges = draw(state("a"))
    assert edges == {("", "", "a"), ("a", "", "end")}
    assert diagram.nodes[-1].kind is Kind.END


def test_an_if_without_a_branch_goes_on():
    _, edges = draw(state("a", "if", true="b", next="c"), state("b"), state("c"))
    assert {("a", "true", "b"), ("a", "false", "c")} <= edges


def test_cases_and_branches_are_named_by_their_key():
    _, edges = draw(state("a", "switch", case__x="b", default="b"), state("b"))
    assert {("a", "x", "b"), ("a", "default", "b")} <= edges


def test_the_pseudo_targets_of_a_loop_are_its_own_edges():
    states = state("each", "loop", body="each/a", done="after"), state("each/a", next="continue_loop"), state("after")
    _, edges = draw(*states, state("each/b", next="break_loop"))
    assert {("each/a", "", "each"), ("each/b", "", "after"), ("each", "done", "after")} <= edges


def test_a_sibling_body_finds_its_loop():
    _, edges = draw(state("each", "loop", body="work"), state("work", next="continue_loop"))
    assert {("work", "", "each"), ("each", "done", "end")} <= edges


def test_the_end_of_a_branch_is_where_its_parallel_joins_it():
    fan = state("fan", "parallel", branch__a="fan/branch/a/0", next="after")
    _, edges = draw(fan, state("fan/branch/a/0"), state("after"))
    assert edges >= {("fan/branch/a/0", "", "fan"), ("fan", "all done", "after"), ("after", "", "end")}


def test_an_unknown_target_is_drawn_as_such():
    diagram, _ = draw(state("a", next="nowhere"))
    assert [(node.label, node.kind) for node in diagram.nodes][-1] == ("nowhere", Kind.UNKNOWN)


def test_error_edges_are_told_apart():
    diagram, _ = draw(state("a", next="b", error="c"), state("b"), state("c"))
    assert [edge.fault for edge in diagram.edges if edge.label == "error"] == [True]
