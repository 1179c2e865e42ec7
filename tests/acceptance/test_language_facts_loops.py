"""FLOW_LANGUAGE section 4.4: every dialect of a loop does the same."""

import pytest

from tests.acceptance.facts import Fact, facts

LEFT = "variables: {seen: []}\nstates:\n"
NOTE = "state_type: set, values: {seen: '{seen + [item]}'}"


def loop(name, flow, path=None, seen=("a", "b"), **more):
    return Fact(
        name=f"4.4 {name}",
        flow=LEFT + flow,
        path=path,
        given={"rows": ["a", "b"], **more.pop("given", {})},
        variables={"seen": list(seen), **more.pop("variables", {})},
        **more,
    )


TWICE = "each {0} each {0} each after"
AFTER = "  after: {state_type: end}\n"


@facts(
    loop(
        "mode for and nested states",
        (
            f"  each: {{state_type: loop, mode: for, items: '{{rows}}', states: {{n: {{{NOTE}}}}}, transition: "
            f"after}}\n{AFTER}"
        ),
        TWICE.format("each/n"),
    ),
    loop(
        "loop_type for and nested states whose last goes on to the state after the loop",
        (
            f"  each: {{state_type: loop, loop_type: for, items: '{{rows}}', item_var: row, states: {{m: "
            f"{{state_type: set, values: {{x: '{{row}}'}}, transition: n}}, n: {{state_type: set, values: "
            f"{{seen: '{{seen + [row]}}'}}, transition: after}}}}, transition: after}}\n{AFTER}"
        ),
        "each each/m each/n each each/m each/n each after",
        variables={"x": "b"},
    ),
    loop(
        "nested states may be a list",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: [{{type: set, values: {{x: 1}}}}, "
            f"{{{NOTE.replace('state_type', 'type')}}}], transition: after}}\n{AFTER}"
        ),
    ),
    loop(
        "body_state with continue_loop",
        (
            f"  each: {{state_type: loop, loop_type: for, items: '{{rows}}', item_var: item, body_state: n, "
            f"transition: after}}\n  n: {{{NOTE}, transition: continue_loop}}\n{AFTER}"
        ),
        TWICE.format("n"),
    ),
    loop(
        "body names the body",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', body: n, transition: after}}\n  n: {{{NOTE}, "
            f"transition: continue}}\n{AFTER}"
        ),
        TWICE.format("n"),
    ),
    loop(
        "do names the body",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', do: n, transition: after}}\n  n: {{{NOTE}, "
            f"transition: each}}\n{AFTER}"
        ),
        TWICE.format("n"),
    ),
    loop(
        "do holds the body",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', do: [{{{NOTE.replace('state_type', 'type')}}}], "
            f"transition: after}}\n{AFTER}"
        ),
    ),
    loop(
        "transition names the body, end_transition what follows",
        (
            f"  each: {{state_type: loop, mode: for, items: '{{rows}}', transition: n, end_transition: "
            f"after}}\n  n: {{{NOTE}, transition: each}}\n{AFTER}"
        ),
        TWICE.format("n"),
    ),
    loop(
        "transition names the body, exit_transition what follows",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', transition: n, exit_transition: after}}\n  n: "
            f"{{{NOTE}, transition: each}}\n{AFTER}"
        ),
        TWICE.format("n"),
    ),
    loop(
        "transition names the body, done_transition what follows",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', transition: n, done_transition: after}}\n  n: "
            f"{{{NOTE}, transition: continue_loop}}\n{AFTER}"
        ),
        TWICE.format("n"),
    ),
    loop(
        "transition names the body and nothing follows",
        (
            f"  each: {{state_type: loop, mode: for, items: '{{rows}}', transition: n}}\n  n: {{{NOTE}, "
            f"transition: each}}\n"
        ),
        "each n each n each",
    ),
    loop(
        "a body state without a transition ends its pass",
        f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}}}}}, transition: after}}\n{AFTER}",
        TWICE.format("each/n"),
    ),
    loop(
        "a nested end ends the pass",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}, transition: e}}, e: "
            f"{{state_type: end}}}}, transition: after}}\n{AFTER}"
        ),
    ),
    loop(
        "the loop's own name ends the pass",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}, transition: each}}}}, "
            f"transition: after}}\n{AFTER}"
        ),
        TWICE.format("each/n"),
    ),
    loop(
        "the word end inside nested states ends the pass",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}, transition: end}}}}, "
            f"transition: after}}\n{AFTER}"
        ),
        TWICE.format("each/n"),
    ),
    loop(
        "continue inside nested states",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}, transition: continue}}}}, "
            f"transition: after}}\n{AFTER}"
        ),
        TWICE.format("each/n"),
    ),
    loop(
        "break leaves the loop",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}, transition: break}}}}, "
            f"transition: after}}\n{AFTER}"
        ),
        "each each/n after",
        seen=["a"],
    ),
    loop(
        "break_loop leaves the loop",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', body_state: n, transition: after}}\n  n: "
            f"{{{NOTE}, transition: break_loop}}\n{AFTER}"
        ),
        "each n after",
        seen=["a"],
    ),
    loop(
        "index and loop_index are there",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{state_type: set, values: {{seen: "
            f"'{{seen + [index, loop_index]}}'}}}}}}, transition: after}}\n{AFTER}"
        ),
        seen=[0, 0, 1, 1],
    ),
    loop(
        "no items: straight on",
        f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}}}}}, transition: after}}\n{AFTER}",
        "each after",
        seen=[],
        given={"rows": []},
    ),
    loop(
        "items may be written as a list",
        f"  each: {{state_type: loop, items: [x, y], states: {{n: {{{NOTE}}}}}, transition: after}}\n{AFTER}",
        seen=["x", "y"],
    ),
    loop(
        "items may lie deep in a record",
        (
            f"  each: {{state_type: loop, items: '{{r.data.rows}}', states: {{n: {{state_type: set, values: "
            f"{{seen: '{{seen + [item.id]}}'}}}}}}, transition: after}}\n{AFTER}"
        ),
        seen=[1, 2],
        given={"r": {"data": {"rows": [{"id": 1}, {"id": 2}]}}},
    ),
    loop(
        "a loop in a loop",
        (
            "  each: {state_type: loop, items: '{rows}', item_var: o, states: {inner: {state_type: loop, "
            "items: [1, 2], item_var: i, states: {n: {state_type: set, values: {seen: '{seen + [o, i]}'}}}}}, "
            "transition: after}\n"
        )
        + AFTER,
        seen=["a", 1, "a", 2, "b", 1, "b", 2],
    ),
    loop(
        "a failure in the body takes its error edge",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{f: {{state_type: assert, condition: "
            f"\"item != 'a'\", transition: n, error_transition: continue}}, n: {{{NOTE}}}}}, transition: "
            f"after}}\n{AFTER}"
        ),
        seen=["b"],
    ),
    loop(
        "mode while",
        (
            "  each: {state_type: loop, mode: while, condition: len(seen) < 2, states: {n: {state_type: set, "
            "values: {seen: '{seen + [1]}'}}}, transition: after}\n"
        )
        + AFTER,
        TWICE.format("each/n"),
        seen=[1, 1],
    ),
    loop(
        "loop_type while with body_state",
        (
            "  each: {state_type: loop, loop_type: while, condition: '{n} < 2', body_state: n, transition: "
            "after}\n  n: {state_type: command, eval: n += 1, transition: continue_loop}\n"
        )
        + AFTER,
        TWICE.format("n"),
        seen=[],
        given={"n": 0},
        variables={"n": 2},
    ),
    loop(
        "while whose transition is the body",
        (
            "  each: {state_type: loop, mode: while, condition: n < 2, transition: n, end_transition: after}\n "
            " n: {state_type: command, eval: n += 1, transition: each}\n"
        )
        + AFTER,
        TWICE.format("n"),
        seen=[],
        given={"n": 0},
    ),
    loop(
        "the item is gone or stays, but the flow goes on after the loop",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}}}}}, transition: again}}\n  "
            f"again: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}}}}}, transition: "
            f"after}}\n{AFTER}"
        ),
        seen=["a", "b", "a", "b"],
    ),
    loop(
        "the log of a body state shows the item",
        (
            f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}, log: 'at {{item}}'}}}}, "
            f"transition: after}}\n{AFTER}"
        ),
        log=("at a", "at b"),
    ),
    loop(
        "an if without a false branch ends the pass",
        "  each: {state_type: loop, items: '{rows}', states: {c: {state_type: if, condition: item == 'b', "
        f"true_transition: n}}, n: {{{NOTE}}}}}, transition: after}}\n{AFTER}",
        "each each/c each each/c each/n each after",
        seen=["b"],
    ),
    loop(
        "a loop that is come to again begins again",
        f"  each: {{state_type: loop, items: '{{rows}}', states: {{n: {{{NOTE}}}}}, transition: c}}\n"
        "  c: {state_type: if, condition: len(seen) < 4, true_transition: each, false_transition: end}\n",
        seen=["a", "b", "a", "b"],
    ),
    loop(
        "what is no list fails with a message",
        f"  each: {{state_type: loop, items: '{{absent}}', states: {{n: {{{NOTE}}}}}, transition: after}}\n{AFTER}",
        seen=[],
        status="failed",
        error="must be a list",
    ),
    Fact(
        name="4.4 a loop made of if and a counter",
        flow="""
            variables: {i: 0, cities: [x, y]}
            states:
              check: {state_type: if, condition: i < len(cities), true_transition: work, false_transition: end}
              work: {state_type: command, eval: "print(cities[i]); i += 1", transition: check}
        """,
        path="check work check work check end",
        log=("x", "y"),
        variables={"i": 2},
    ),
    Fact(
        name="4.4 a list-form loop",
        flow=(
            "{states: [{name: l, type: loop, items: $rows, item_var: r, states: [{type: set, values: {last: "
            "$r}}]}, {name: z, type: set, values: {done: $last}}]}"
        ),
        given={"rows": [1, 2]},
        variables={"last": 2, "done": 2},
    ),
)
def test_loops(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


@pytest.mark.parametrize("word", ["continue_loop", "continue", "break_loop", "break"])
def test_4_4_the_words_of_a_loop_outside_one_end_the_run_and_are_a_warning(word, tmp_path):
    flow = f"{{states: {{a: {{state_type: set, values: {{x: 1}}, transition: {word}}}}}}}"
    fact = Fact(name=word, flow=flow, path="a", codes="unknown-target")
    assert fact.differences(tmp_path) == {}
