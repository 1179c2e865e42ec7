"""What is said against agents before they run."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import re

import pytest

from intellyhub_functions.states.llm_agent.faults import examine

SHAPE = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("known", "path", "told"),
    [
        ({"schema": {"type": "text"}}, ("schema",), "schema is no JSON Schema: type: 'text'"),
        ({"tools": ["x", {"name": "y"}]}, ("tools", 1), r"tools\[1\] names no `flow`"),
        ({"tools": [{"http": "https://x"}]}, ("tools", 0), "an http tool needs a name"),
        ({"tools": [{"flow": "x", "parameters": {"type": 1}}]}, ("tools", 0, "parameters"), "no JSON Schema"),
        ({"tools": [{"langchain": "ours"}]}, ("tools", 0, "langchain"), "write module:attribute"),
        ({"chain": "ours.answer"}, ("chain",), "write module:attribute"),
        ({"chain": "ours:answer", "tools": ["x"]}, ("tools",), "a chain brings its own tools"),
        ({"memory": {"type": "vector"}}, ("memory",), "memory.type is 'vector'"),
        ({"memory": {"window": 1}}, ("memory",), "memory.window is 1"),
    ],
)
def test_what_an_agent_can_never_do_is_told(known, path, told):
    [fault] = examine(known, ())
    assert (fault.path, fault.certain) == (path, True)
    assert re.search(told, fault.message)


def test_an_agent_without_fault_has_none():
    known = {"schema": SHAPE, "tools": ["x", {"mcp": {"url": "y"}}], "memory": {"key": "k"}}
    assert not list(examine(known, ()))
    assert not list(examine({"chain": "ours:answer.deep"}, {"memory"}))
    assert not list(examine({}, ()))
