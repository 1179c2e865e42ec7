"""Which flows a change touches."""

import pytest

from intellyhub_knative.builds.changes import find_changed, is_flow_file, looks_like_flow

HELLO = b"name: hello\nstates:\n  a: {state_type: call, flow: answer, transition: end}\n"
ANSWER = b"name: answer\nstates:\n  a: {state_type: set, values: {x: 1}, transition: end}\n"
TOP = b"name: top\nstates:\n  a: {state_type: call, flow: hello.yaml, transition: end}\n"
FLOWS = {"hello.yaml": HELLO, "answer.yaml": ANSWER, "top.yaml": TOP, "sub/answer.yaml": ANSWER}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], []),
        (["README.md"], []),
        (["top.yaml"], ["top.yaml"]),
        (["answer.yaml"], ["answer.yaml", "hello.yaml", "top.yaml"]),
        (["sub/answer.yaml"], ["sub/answer.yaml"]),
        (["hello.test.yaml"], ["hello.yaml", "top.yaml"]),
        (["plugins.yaml"], ["answer.yaml", "hello.yaml", "top.yaml"]),
        (["sub/plugins/shout/shout.py"], ["sub/answer.yaml"]),
        (["gone.yaml"], []),
    ],
)
def test_a_change_touches_what_calls_it_and_nothing_else(changed, expected):
    assert find_changed(FLOWS, changed) == expected


def test_flows_that_call_each_other_end():
    loop = {"a.yaml": HELLO.replace(b"answer", b"b"), "b.yaml": HELLO.replace(b"answer", b"a")}
    assert find_changed(loop, ["a.yaml"]) == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.yaml", True),
        ("x/a.yml", True),
        ("a.test.yaml", False),
        ("plugins.yaml", False),
        (".gitlab-ci.yml", False),
        ("a.json", False),
    ],
)
def test_names_of_flows(name, expected):
    assert is_flow_file(name) is expected


def test_other_yaml_is_no_flow():
    assert looks_like_flow(HELLO)
    assert not looks_like_flow(b"jobs:\n  states: 1\n")
