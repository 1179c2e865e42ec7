"""A fault of the YAML parser in words: where it is, what was expected, what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from intellyhub_engine.language.problems import Position, Problem, ProblemCode

__all__ = ["KEY", "SyntaxFault", "explain"]

KEY = re.compile(r"(?P<indent>\s*(?:- +)*)(?P<key>[^\s#:'\"\[\]{},&*!|>%@`][^:#]*?|\"[^\"]*\"|'[^']*')\s*:(?=\s|$)")
"""A line's first `key:`."""


class SyntaxFault(Exception):
    """What the YAML parser said; `line` and `column` count from 0. `opened` is where the unfinished thing began."""

    def __init__(
        self, problem: str, line: int, column: int, context: str = "", opened: tuple[int, int] | None = None
    ) -> None:
        self.problem = problem
        self.context = context
        self.opened = opened
        self.line = line
        self.column = column
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Explanation:
    fragment: str
    message: str
    expected: str
    suggestion: str
    code: ProblemCode = ProblemCode.YAML_SYNTAX
    at_opening: bool = False
    """True: the place to mend is where the unfinished thing began."""


EXPLANATIONS = (
    Explanation(
        "cannot start any token",
        "this character cannot begin a value",
        "a value",
        "put the value in quotes",
    ),
    Explanation(
        "mapping values are not allowed",
        "a second ': ' in one line makes the text ambiguous",
        "one `key: value` per line",
        "put the value in quotes",
    ),
    Explanation(
        "found undefined alias",
        "no anchor of this name stands before",
        "an anchor `&name` above its use `*name`",
        "if the text begins with a star, put it in quotes",
        ProblemCode.UNKNOWN_ANCHOR,
    ),
    Explanation(
        "could not find expected ':'",
        "this line is neither a `key: value` nor part of the value above",
        "a colon after a key",
        "add the colon, or indent the line deeper than the key whose text it continues",
        at_opening=True,
    ),
    Explanation(
        "did not find expected key",
        "this line does not line up with the keys above",
        "a key at the same indentation as its neighbours",
        "check the indentation, and quotes that close too early, in this line and the one above",
    ),
    Explanation(
        "did not find expected '-' indicator",
        "this line does not line up with the list above",
        "a further `- item`",
        "check the indentation of this line",
    ),
    Explanation(
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "a list on its own lines below the key",
        "move `- ` to the next line, indented",
    ),
    Explanation(
        "did not find expected ',' or ']'",
        "this list is not closed",
        "`,` or `]`",
        "close the list with `]`, or put text that begins with `[` in quotes",
        at_opening=True,
    ),
    Explanation(
        "did not find expected ',' or '}'",
        "this mapping is not closed",
        "`,` or `}`",
        "close it with `}`, or put text that begins with `{` in quotes",
        at_opening=True,
    ),
    Explanation(
        "unexpected end of stream",
        "a quoted text is not closed",
        "the closing quote",
        "close the quote; inside single quotes write '' for one quote",
        at_opening=True,
    ),
    Explanation(
        "unexpected document indicator",
        "a quoted text is not closed before `---`",
        "the closing quote",
        "close the quote",
        at_opening=True,
    ),
    Explanation(
        "unknown escape character",
        "this backslash escape does not exist",
        'an escape of YAML, such as \\n or \\"',
        "use single quotes, where a backslash is a backslash, or write it twice",
    ),
    Explanation(
        "did not find expected node content",
        "a value is missing",
        "a value",
        "write one, or put text that holds brackets in quotes",
    ),
    Explanation(
        "did not find expected <document start>",
        "this text stands outside the flow's mapping",
        "keys at the same indentation as the first one",
        "check the indentation of this line and of the first key",
    ),
    Explanation(
        "undefined tag handle",
        "an unquoted value begins with `!`",
        "text in quotes",
        "put the value in quotes",
        ProblemCode.UNKNOWN_TAG,
    ),
    Explanation(
        "while scanning an anchor",
        "an unquoted value begins with `&`",
        "text in quotes",
        "put the value in quotes",
    ),
    Explanation(
        "while scanning an alias",
        "an unquoted value begins with `*`",
        "text in quotes",
        "put the value in quotes",
    ),
    Explanation(
        "found a tab character",
        "a tab indents this line",
        "spaces",
        "replace the tab by spaces",
        ProblemCode.TAB_INDENTATION,
    ),
)


def explain(fault: SyntaxFault, text: str) -> Problem:
    """The parser's fault as a problem a person can act on."""
    lines = text.splitlines()
    position = Position(line=fault.line + 1, column=fault.column + 1)
    return _tab(fault, lines) or _indented(fault, lines, position) or _from_table(fault, position)


def _tab(fault: SyntaxFault, lines: list[str]) -> Problem | None:
    """Tabs are reported by the parser at the token after them, or in the line below."""
    for number in (fault.line, fault.line - 1):
        line = lines[number] if 0 <= number < len(lines) else ""
        indentation = line[: len(line) - len(line.lstrip())]
        if "\t" in indentation:
            return Problem(
                code=ProblemCode.TAB_INDENTATION,
                message="a tab indents this line",
                position=Position(line=number + 1, column=indentation.index("\t") + 1),
                expected="spaces",
                suggestion="replace the tab by spaces",
            )
    return None


def _indented(fault: SyntaxFault, lines: list[str], position: Position) -> Problem | None:
    """`key: value` below another `key: value`, but deeper: YAML reads it as more text of the first."""
    if "mapping values are not allowed" not in fault.problem or not 0 < fault.line < len(lines):
        return None
    found = KEY.match(lines[fault.line])
    above = next((line for line in reversed(lines[: fault.line]) if line.strip()), "")
    outer = KEY.match(above)
    if not found or not outer or found.end() - 1 != fault.column or not above[outer.end() :].strip():
        return None
    if len(found["indent"]) <= len(outer["indent"]):
        return None
    return Problem(
        code=ProblemCode.YAML_SYNTAX,
        message=f"'{found['key']}' is indented deeper than '{outer['key']}', whose value it would continue",
        position=Position(line=position.line, column=len(found["indent"]) + 1),
        expected=f"'{found['key']}' at column {len(outer['indent']) + 1}",
        suggestion=f"indent this line and those below it like '{outer['key']}'",
    )


def _from_table(fault: SyntaxFault, position: Position) -> Problem:
    said = f"{fault.context} {fault.problem}"
    for row in EXPLANATIONS:
        if row.fragment in said:
            opened = fault.opened if row.at_opening else None
            return Problem(
                code=row.code,
                message=row.message,
                position=Position(line=opened[0] + 1, column=opened[1] + 1) if opened else position,
                expected=row.expected,
                suggestion=row.suggestion,
            )
    return Problem(
        code=ProblemCode.YAML_SYNTAX,
        message=f"this is not YAML: {fault.problem}",
        position=position,
        expected="YAML",
        suggestion="check quotes, brackets and indentation here and in the line above",
    )
