"""Every spelling of a `command` -> exactly one of eval, shell, http, mqtt, email (FLOW_LANGUAGE §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from intellyhub_engine.language.parsing.bodies import COMMON_KEYS, Body
from intellyhub_engine.language.problems import ProblemCode
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["COMMAND_KINDS", "normalise_command"]

COMMAND_KINDS: Mapping[str, str] = {
    "eval": "eval",
    "python": "eval",
    "code": "eval",
    "shell": "shell",
    "command": "shell",
    "cmd": "shell",
    "run": "shell",
    "script": "shell",
    "http": "http",
    "mqtt": "mqtt",
    "email": "email",
}
"""Spelling -> kind."""

TEXT_KINDS = frozenset(("eval", "shell"))


class Found(NamedTuple):
    kind: str
    container: Any
    key: Any


def normalise_command(body: Body) -> None:
    """Find the one action; report none and several."""
    named = _bare_kind(body)
    found = _in_action(body) if named is None else []
    for written in [key for key in body.left if key in COMMAND_KINDS]:
        found.append(Found(_kind(written, named), body.source, body.left.pop(written)))
    found = [each for each in found if each.container[each.key] is not None]
    if named is not None and named not in TEXT_KINDS and not found:
        _gather(body, named)
        return
    _report(body, found)
    for kind, container, key in found[:1]:
        body.put(kind, container, key)


def _bare_kind(body: Body) -> str | None:
    """`action: http`, with the parameters beside it."""
    key = body.left.get("action")
    value = body.source[key] if key is not None else None
    if not isinstance(value, str) or value.strip().lower() not in COMMAND_KINDS:
        return None
    del body.left["action"]
    return COMMAND_KINDS[value.strip().lower()]


def _kind(written: str, named: str | None) -> str:
    """Beside `action: eval`, the code may stand under any of the text spellings."""
    kind = COMMAND_KINDS[written]
    return named if named in TEXT_KINDS and kind in TEXT_KINDS else kind


def _in_action(body: Body) -> list[Found]:
    key = body.left.get("action")
    value = body.source[key] if key is not None else None
    if not isinstance(value, dict):
        return []
    del body.left["action"]
    found = []
    for name in value:
        kind = COMMAND_KINDS.get(str(name).lower())
        if kind is not None:
            found.append(Found(kind, value, name))
        else:
            body.put(str(name), value, name)
    return found


def _gather(body: Body, kind: str) -> None:
    """`action: http` with `url` and `method` on the state itself."""
    gathered: dict[str, Any] = {}
    for written in [key for key in body.left if key not in COMMON_KEYS]:
        gathered[written] = body.source[body.left.pop(written)]
    body.parameters[kind] = gathered


def _report(body: Body, found: list[Found]) -> None:
    at = body.builder.position(body)
    if not found:
        action = body.left.pop("action", None)
        written = str(body.source[action]) if action is not None else next(iter(body.left), "")
        body.findings.error(
            ProblemCode.MISSING_ACTION,
            f"'{body.name}' says nothing to do",
            at,
            state=body.name,
            expected="one of `eval`, `command`, `http`, `mqtt`, `email`, on the state or under `action`",
            suggestion=did_you_mean(written, COMMAND_KINDS),
        )
    if len(found) > 1:
        body.findings.error(
            ProblemCode.SEVERAL_ACTIONS,
            f"'{body.name}' has several actions: {', '.join(str(each.key) for each in found)}",
            at,
            state=body.name,
            expected="one action per state",
            suggestion="make a state of each",
        )
