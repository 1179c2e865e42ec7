"""What is said against states that ask servers, and against listeners that are asked, before they run."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import re

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.problems import Position, Severity
from intellyhub_functions.sources.callers import examine as examine_callers
from intellyhub_functions.states.a2a.faults import examine as examine_a2a
from intellyhub_functions.states.mcp.faults import examine as examine_mcp

HERE = "https://x.example/mcp"


@pytest.mark.parametrize(
    ("look", "known", "path", "told"),
    [
        (examine_mcp, {"tool": "t"}, (), "needs the `url` of a server, or the `command`"),
        (examine_mcp, {"url": "x.example", "tool": "t"}, ("url",), "'x.example' is not an http or https address"),
        (examine_mcp, {"url": "http://[", "tool": "t"}, ("url",), "not an http or https address"),
        (examine_mcp, {"url": HERE}, (), "the action 'call' needs `tool`"),
        (examine_mcp, {"url": HERE, "action": "read", "tool": "t"}, ("action",), "'read' needs `resource`"),
        (examine_mcp, {"url": HERE, "action": "prompt"}, ("action",), "'prompt' needs `prompt`"),
        (examine_mcp, {"url": HERE, "tool": "t", "arguments": "{x"}, ("arguments",), "not JSON"),
        (examine_mcp, {"url": HERE, "tool": "t", "arguments": "[1]"}, ("arguments",), "must be an object"),
        (examine_a2a, {"url": "ftp://x"}, ("url",), "not an http or https address"),
        (examine_a2a, {"action": "get"}, ("action",), "the action 'get' needs the `task_id`"),
        (examine_callers, {"auth_token": " "}, ("auth_token",), "the auth_token is empty"),
        (examine_callers, {"allowed_origins": [HERE[:17], HERE]}, ("allowed_origins", 1), "is no origin"),
        (examine_callers, {"allowed_origins": "x.example"}, ("allowed_origins",), "is no origin"),
    ],
)
def test_what_can_never_work_is_told(look, known, path, told):
    [fault] = look(known, ())
    assert (fault.path, fault.certain) == (path, True)
    assert re.search(told, fault.message)


@pytest.mark.parametrize(
    ("look", "known", "unknown"),
    [
        (examine_mcp, {"url": HERE, "tool": "t", "arguments": '{"a": 1}'}, ()),
        (examine_mcp, {"command": "uvx server", "action": "list"}, ()),
        (examine_mcp, {}, {"url", "action"}),
        (examine_a2a, {"message": "hi"}, {"url"}),
        (examine_a2a, {"action": "cancel"}, {"task_id"}),
        (examine_callers, {"allowed_origins": ["https://x.example:8443/"]}, {"auth_token"}),
    ],
)
def test_what_may_work_is_left_alone(look, known, unknown):
    assert not list(look(known, unknown))


def test_what_contradicts_itself_is_a_warning():
    [told] = examine_mcp({"url": HERE, "command": "uvx server", "tool": "t"}, ())
    [open_to_all] = examine_callers({"public": True}, {"auth_token"})
    assert (told.certain, open_to_all.certain) == (False, False)


def test_check_shows_where_it_stands():
    text = f"states:\n  a:\n    state_type: mcp\n    url: {HERE}\n    action: read\n    transition: end\n"
    problems = examine(text, installed())[1]
    [problem] = [each for each in problems if each.code == "wrong-value"]
    assert (problem.severity, problem.position, problem.state) == (Severity.ERROR, Position(5, 13), "a")
    listening = "listener:\n  type: a2a\n  public: true\n  auth_token: t\nstates: {a: {state_type: end}}"
    [warning] = examine(listening, installed())[1]
    assert (warning.severity, warning.position) == (Severity.WARNING, Position(3, 11))
