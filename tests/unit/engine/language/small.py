"""A small catalogue and short ways to ask what a flow text becomes."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from typing import Any

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, SourceType, StateType, Syntax
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.model import Flow, State
from intellyhub_engine.language.parsing.parse import parse
from intellyhub_engine.language.problems import Problem


def parameters(*given: Parameter) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in given}


COMMAND = StateType(
    type="command",
    parameters=parameters(
        Parameter(name="eval", types=("string",), syntax=Syntax.CODE),
        Parameter(name="shell", types=("string",), syntax=Syntax.SHELL),
        Parameter(name="http", types=("object", "string")),
        Parameter(name="mqtt", types=("object",)),
        Parameter(name="email", types=("object",)),
        Parameter(name="env", types=("object",)),
    ),
)
FILE = StateType(
    type="file",
    parameters=parameters(
        Parameter(
            name="action", types=("string",), required=True, aliases=("operation",), enum=("read", "write", "append")
        ),
        Parameter(name="path", types=("string",), required=True),
        Parameter(name="content"),
    ),
)
HTTP = StateType(
    type="http",
    parameters=parameters(
        Parameter(name="url", types=("string",), required=True, description="Where to."),
        Parameter(name="method", types=("string",), default="GET", enum=("GET", "POST")),
        Parameter(name="verify", types=("boolean",)),
        Parameter(name="max_bytes", types=("integer",), minimum=1, maximum=100),
        Parameter(name="ratio", types=("number",)),
        Parameter(name="headers", types=("object",)),
        Parameter(name="tags", types=("array",)),
        Parameter(name="token", types=("string",), secret=True),
    ),
)
TELEGRAM = StateType(
    type="telegram-bot",
    aliases=("telegram", "telegram_bot"),
    parameters=parameters(Parameter(name="message", types=("string",), required=True), Parameter(name="chat_id")),
    error_default="error",
)
LLM = StateType(
    type="llm_agent",
    aliases=("llm", "llm-agent"),
    parameters=parameters(Parameter(name="user_prompt", aliases=("prompt",), required=True)),
    installed=False,
)
RSS_READER = StateType(
    type="rss_reader", aliases=("rss",), parameters=parameters(Parameter(name="feed_url", aliases=("url",)))
)
OPEN = StateType(type="open_type", open_parameters=True)
RSS = SourceType(
    type="rss",
    parameters=parameters(
        Parameter(name="feeds", types=("array", "string"), required=True, aliases=("url", "feed_url")),
        Parameter(name="check_interval", types=("number",)),
    ),
)
EMAIL = SourceType(
    type="email",
    parameters=parameters(
        Parameter(name="server", types=("string",)), Parameter(name="poll_interval"), Parameter(name="timeout")
    ),
)
A2A = SourceType(type="a2a", open_parameters=True, installed=False)

CATALOGUE = Catalogue(
    states={**CONTROL, **{kind.type: kind for kind in (COMMAND, FILE, HTTP, TELEGRAM, LLM, RSS_READER, OPEN)}},
    sources={kind.type: kind for kind in (RSS, EMAIL, A2A)},
)


def flow_of(text: str) -> Any:
    """The flow of a text that parses without a fault."""
    parsed = parse(dedent(text), CATALOGUE)
    assert parsed.flow is not None, parsed.problems
    return parsed.flow


def state_of(text: str) -> State:
    """The first state of a text."""
    flow: Flow = flow_of(text)
    return next(iter(flow.states.values()))


def problems_of(text: str | bytes) -> list[Any]:
    """Everything there is to say about a text."""
    return list(examine(dedent(text) if isinstance(text, str) else text, CATALOGUE)[1])


def codes_of(text: str | bytes) -> list[str]:
    return [str(problem.code) for problem in problems_of(text)]


def only(text: str | bytes, code: str) -> Any:
    """The one problem of that code."""
    found = [problem for problem in problems_of(text) if problem.code == code]
    assert len(found) == 1, problems_of(text)
    return found[0]


def line_of(problem: Problem) -> int:
    assert problem.position is not None
    return problem.position.line


def plain(flow: Flow) -> Flow:
    """The flow without what depends on how it was written."""
    return replace(
        flow,
        digest="",
        dollar_names=False,
        states={name: replace(state, position=None) for name, state in flow.states.items()},
        listener=replace(flow.listener, position=None) if flow.listener else None,
        tests=tuple(replace(test, position=None) for test in flow.tests),
    )
