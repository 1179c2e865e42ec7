"""`if` and `switch`: every spelling of their branches -> targets (FLOW_LANGUAGE §4.2, §4.3)."""

from __future__ import annotations

import re
from typing import Any

from intellyhub_engine.language.parsing.bodies import Body
from intellyhub_engine.language.problems import ProblemCode

__all__ = ["DEFAULT_KEYS", "FALSE_KEYS", "TRUE_KEYS", "normalise_if", "normalise_switch"]

TRUE_KEYS = ("true_transition", "transition_true", "true_state", "on_true", "then", "true")
FALSE_KEYS = ("false_transition", "transition_false", "false_state", "on_false", "else", "false")
DEFAULT_KEYS = ("default", "default_transition", "else", "otherwise")
CASE_KEYS = ("case", "value", "when", "match", "equals")
GOTO_KEYS = ("transition", "target", "state", "then", "goto")
BARE_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def normalise_if(body: Body) -> None:
    """A branch names a state, or is a body or a list of bodies of its own."""
    for label, keys, word in (("true", TRUE_KEYS, "then"), ("false", FALSE_KEYS, "else")):
        key = body.take(*keys)
        if key is not None:
            body.builder.branch(body, label, body.source, key, f"{body.name}/{word}")


def normalise_switch(body: Body) -> None:
    """Cases are a mapping or a list; each names a state, or is a body."""
    _normalise_value(body)
    key = body.take("cases")
    if key is None:
        body.findings.error(
            ProblemCode.MISSING_PARAMETER,
            f"'{body.name}' has no cases",
            body.builder.position(body),
            state=body.name,
            expected="`cases`, a mapping of value to state",
        )
    elif isinstance(body.source[key], list):
        _list_cases(body, body.source[key])
    else:
        cases = body.findings.mapping(body.source, key, "'cases'", body.name) or {}
        for case in cases:
            _case(body, body.findings.document.key_text(cases, case), cases, case)
    default = body.take(*DEFAULT_KEYS)
    if default is not None:
        body.builder.branch(body, "default", body.source, default, f"{body.name}/default")


def _normalise_value(body: Body) -> None:
    """A bare name stands for its value; without any, the event's type decides."""
    key = body.take("value", "variable", "expression")
    if key is None:
        body.parameters["value"] = "{event.type}"
        body.findings.warn(
            ProblemCode.MISSING_PARAMETER,
            f"'{body.name}' does not say what it compares; the event's type is taken",
            body.builder.position(body),
            state=body.name,
            expected="`value`",
            suggestion='write value: "{name}"',
        )
        return
    body.put("value", body.source, key)
    value = body.source[key]
    if isinstance(value, str) and BARE_NAME.fullmatch(value.strip()):
        body.parameters["value"] = "{" + value.strip() + "}"


def _list_cases(body: Body, cases: list[Any]) -> None:
    """`cases: [{value: x, transition: y}, …]`."""
    for index, case in enumerate(cases):
        value = next((key for key in CASE_KEYS if isinstance(case, dict) and key in case), None)
        if value is None:
            body.findings.wrong(cases, index, "a case", "a mapping with `value` and `transition`", body.name)
            continue
        goto = next((key for key in GOTO_KEYS if key in case), None)
        text = body.findings.document.value_text(case, value)
        if goto is not None:
            _case(body, text, case, goto)
        else:
            body.findings.wrong(cases, index, f"the case {text!r}", "a mapping with `transition`", body.name)


def _case(body: Body, text: str, container: Any, key: Any) -> None:
    body.builder.branch(body, f"case:{text}", container, key, f"{body.name}/case/{text}")
