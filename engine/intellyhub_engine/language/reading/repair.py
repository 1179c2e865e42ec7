"""Two writings that published flows use and YAML refuses, made readable with a warning (FLOW_LANGUAGE §1.6)."""

from __future__ import annotations

from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.reading.syntax import KEY, SyntaxFault

__all__ = ["repair"]

NOT_PLAIN = ("'", '"', "|", ">", "[", "{", "&", "*", "!", "%", "@", "`", "#")
TRIPLE_QUOTES = ('"""', "'''")


def repair(text: str, fault: SyntaxFault) -> tuple[str, Problem] | None:
    """The text with one place mended, and the warning that says so; None where nothing is known to help."""
    lines = text.splitlines(keepends=True)
    if not 0 <= fault.line < len(lines):
        return None
    if "mapping values are not allowed" in fault.problem:
        return _quote_value(lines, fault)
    return _indent_long_text(lines, fault)


def _quote_value(lines: list[str], fault: SyntaxFault) -> tuple[str, Problem] | None:
    """`command: echo "a: b"` becomes `command: 'echo "a: b"'`."""
    line = lines[fault.line]
    key = KEY.match(line)
    if not key or fault.column < key.end():
        return None
    rest = line[key.end() :]
    value = _without_comment(rest.strip())
    if not value or value.startswith(NOT_PLAIN):
        return None
    start = key.end() + len(rest) - len(rest.lstrip())
    quoted = "'" + value.replace("'", "''") + "'"
    lines[fault.line] = line[:start] + quoted + line[start + len(value) :]
    return "".join(lines), Problem(
        code=ProblemCode.REPAIRED,
        message=f"the value of '{key['key']}' holds ': ' and was read as if it stood in quotes",
        severity=Severity.WARNING,
        position=Position(line=fault.line + 1, column=start + 1),
        expected="a value with ': ' in quotes",
        suggestion=f"write {key['key']}: {quoted}",
    )


def _without_comment(value: str) -> str:
    """A `#` after a blank begins a comment, unless it stands within quotes of the text."""
    at = value.find(" #")
    while at >= 0:
        before = value[:at]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return before.rstrip()
        at = value.find(" #", at + 1)
    return value


def _indent_long_text(lines: list[str], fault: SyntaxFault) -> tuple[str, Problem] | None:
    """Lines of a triple-quoted Python text that stand left of their block scalar are moved into it."""
    header = next((n for n in range(fault.line - 1, -1, -1) if _opens_block(lines[n])), None)
    if header is None or header + 1 >= len(lines):
        return None
    first = lines[header + 1]
    margin = len(first) - len(first.lstrip(" "))
    outside = _first_outside(lines, header + 1, margin)
    if not margin or outside is None or outside > fault.line:
        return None
    delimiter = _open_delimiter("".join(lines[header + 1 : outside]))
    close = next((n for n in range(outside, len(lines)) if delimiter and delimiter in lines[n]), None)
    if close is None:
        return None
    for number in range(outside, close + 1):
        if lines[number].strip() and not lines[number].startswith(" " * margin):
            lines[number] = " " * margin + lines[number]
    return "".join(lines), Problem(
        code=ProblemCode.REPAIRED,
        message="a text in triple quotes leaves its block and was read as part of it",
        severity=Severity.WARNING,
        position=Position(line=outside + 1, column=1),
        expected=f"lines indented by {margin} spaces",
        suggestion=f"indent lines {outside + 1} to {close + 1} by {margin} spaces",
    )


def _opens_block(line: str) -> bool:
    key = KEY.match(line)
    return key is not None and line[key.end() :].strip()[:1] in ("|", ">")


def _first_outside(lines: list[str], start: int, margin: int) -> int | None:
    inside = " " * margin
    return next((n for n in range(start, len(lines)) if lines[n].strip() and not lines[n].startswith(inside)), None)


def _open_delimiter(text: str) -> str | None:
    return next((mark for mark in TRIPLE_QUOTES if text.count(mark) % 2), None)
