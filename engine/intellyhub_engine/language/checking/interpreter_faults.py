"""Placeholders inside a program of another interpreter: `sh -c "echo {name}"`. The outer shell hands the value over
intact, and then the inner one reads it as code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from intellyhub_engine.catalogue.manifest import Catalogue, Syntax
from intellyhub_engine.language.model import Flow, State
from intellyhub_engine.language.problems import Problem, ProblemCode, Severity
from intellyhub_engine.language.spelling import find_state_type
from intellyhub_engine.language.texts.shell_syntax import Place, split_script

__all__ = ["find_interpreter_faults", "inner_interpreter"]

_NEAR = 1_000
"""Characters before a placeholder in which the command it belongs to is looked for."""
_BEGIN = r"(?:^|[\s;&|(`\"'/])"
_WORD = r"""(?:'[^']*|"(?:[^"\\]|\\.)*|[^\s'";&|]*)\Z"""
"""The one word that a placeholder stands in, up to it."""
_REST = r"""(?:[^;&|\n'"]|'[^']*+'?+|"(?:[^"\\]|\\.)*+"?+)*+\Z"""
"""A command's words, up to the placeholder."""
_OPTIONS = r"(?:[ \t]+-{1,2}\w[\w-]*(?:=\S*)?)*?"

_HEREDOC = (
    r"(?:(?:ba|da|z|k|a)?sh|python[\d.]*|perl|ruby|node)\b[^\n;&|<]*<<-?[ \t]*(['\"]?)(?P<end>\w+)\b\1[^\n]*\n"
    r"(?:(?!\s*(?P=end)\n)[^\n]*\n)*[^\n]*\Z"
)

_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(_BEGIN + pattern))
    for name, pattern in (
        ("eval", rf"eval[ \t]+{_REST}"),
        ("trap", rf"trap[ \t]+{_WORD}"),
        ("ssh", rf"ssh[ \t]+{_REST}"),
        ("a shell", rf"(?:ba|da|z|k|a)?sh{_OPTIONS}[ \t]+-\w*c[ \t]+{_WORD}"),
        ("a shell", rf"su{_OPTIONS}(?:[ \t]+[\w-]+)*?[ \t]+-c[ \t]+{_WORD}"),
        ("Python", rf"python[\d.]*{_OPTIONS}[ \t]+-\w*c[ \t]+{_WORD}"),
        ("a script", rf"(?:perl|ruby|node|php|lua){_OPTIONS}[ \t]+-\w*[eErp][ \t]+{_WORD}"),
        ("a database", rf"(?:mysql|mariadb|psql)\b[^;&|\n]*?[ \t]+-(?:e|c)[ \t]+{_WORD}"),
        ("a database", rf"sqlite3{_OPTIONS}[ \t]+[^\s-]\S*[ \t]+{_WORD}"),
        ("awk", rf"[gmn]?awk(?:[ \t]+-[Fv][ \t]*\S+)*[ \t]+{_WORD}"),
        ("sed", rf"sed{_OPTIONS}[ \t]+{_WORD}"),
        ("an interpreter", _HEREDOC),
    )
)
_MENTIONED = re.compile(
    r"\b(?:eval|trap|ssh|su|python[\d.]*|perl|ruby|node|php|lua|mysql|mariadb|psql|sqlite3|\w?awk|sed|\w*sh)\b"
)


def find_interpreter_faults(flow: Flow, catalogue: Catalogue) -> Iterator[Problem]:
    """A warning for each script with a placeholder that an inner interpreter would read as its code."""
    for state in flow.states.values():
        kind = find_state_type(state.type, catalogue)
        for name, parameter in (kind.parameters if kind else {}).items():
            script = state.parameters.get(name)
            if parameter.syntax is Syntax.SHELL and isinstance(script, str) and "{" in script:
                found = next(inner_interpreter(script), None)
                if found is not None:
                    yield _make_fault(flow, state, name, *found)


def _make_fault(flow: Flow, state: State, name: str, offset: int, source: str, interpreter: str) -> Problem:
    return Problem(
        code=ProblemCode.NESTED_INTERPRETER,
        severity=Severity.WARNING,
        message=f"`{name}` of '{state.name}': {source} is inside code for {interpreter}, which reads it as code",
        position=(flow.places.of(state.name, name, offset=offset) if flow.places else None) or state.position,
        state=state.name,
        expected="the value as an argument or in the environment of the inner program",
        suggestion="write sh -c 'echo \"$1\"' sh {name}, or read the variable from the environment",
    )


def inner_interpreter(script: str) -> Iterator[tuple[int, str, str]]:
    """Placeholders inside an inner program: place in the script, the placeholder, and what would run it."""
    if not _MENTIONED.search(script):
        return
    try:
        pieces = split_script(script)
    except (RecursionError, ValueError):
        return
    before, offset = "", 0
    for piece in pieces:
        text = piece.group.source if isinstance(piece, Place) else piece
        if isinstance(piece, Place):
            near = before[-_NEAR:]
            found = next((name for name, sign in _SIGNS if sign.search(near)), None)
            if found is not None:
                yield max(script.find(text, offset), 0), text, found
        before += text
        offset += len(text)
