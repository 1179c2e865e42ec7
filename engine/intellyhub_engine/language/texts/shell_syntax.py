"""Where in a shell text a placeholder stands: a bare word, double or single quotes, a here-document, arithmetic.

Follows the token rules of POSIX section 2.3 and what bash adds to them. Nothing is executed or expanded here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.texts.placeholders import Group, parse_group

__all__ = ["Context", "Place", "split_script"]


class Context(StrEnum):
    WORD = "word"  # unquoted
    DOUBLE = "double"  # inside "…", or in a here-document that expands
    SINGLE = "single"  # inside '…'
    NUMBER = "number"  # inside $((…)): whatever stands there is evaluated
    COMPARED = "compared"  # beside -eq and the like inside bash's [[…]], which evaluates too


class Place(NamedTuple):
    """A placeholder and where it stands."""

    group: Group
    context: Context
    within_subscript: bool = False
    """It stands in `name[…]`."""


class _Heredoc(NamedTuple):
    delimiter: str
    quoted: bool
    strips_tabs: bool
    piece: int
    """The index of the piece that is the operator and its delimiter."""


_GROUP = re.compile(r"\{[^{}\n\r]*\}")
_HEREDOC = re.compile(r"""<<(-?)[ \t]*((?:\\.|'[^'\n]*'|"[^"\n]*"|[^\s;&|<>()'"\\])+)""")
_BEFORE_COMMAND = re.compile(r"(?:^|[;&|({\n`!]|\b(?:then|do|else|elif|if|while|until))[ \t]*\Z")
_COMPARED = re.compile(r"[ \t]+-(?:eq|ne|lt|le|gt|ge)\b")
_COMPARED_TO = re.compile(r"-(?:eq|ne|lt|le|gt|ge)[ \t]+\"?\Z")
_SUBSCRIPT = re.compile(r"\w\[[^\]\n]*\Z")
_NEAR = 200
"""Characters before a placeholder that are looked at for the subscript it may stand in."""
_PLAIN_DELIMITER = re.compile(r"[A-Za-z0-9_.-]+")
_EXPANDED = re.compile(r"[\\$`]")


def split_script(text: str) -> list[str | Place]:
    """The script in order: literal parts, and placeholders with their contexts. Placeholders in comments stay text.
    Raises RecursionError for quotes nested beyond reason."""
    scanner = _Scanner(text)
    scanner.code("")
    return scanner.pieces


class _Scanner:
    """Walks over one script; every method begins at `position` and leaves it behind what it read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.pieces: list[str | Place] = []
        self._heredocs: list[_Heredoc] = []
        self._is_bash = "[[" in text

    def code(self, end: str) -> None:
        """Commands, until the character that ends them: `)`, a backtick, or nothing."""
        cases = 0
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == end and not (end == ")" and cases):
                return self._take(1)
            if character in _CODE:
                _CODE[character](self)
            elif character == "\n":
                self._take(1)
                self._bodies()
            else:
                cases += self._case()
                self._other(Context.WORD)
        return None

    def _case(self) -> int:
        """+1 where `case` begins a command, -1 at its `esac`: between them a `)` ends a pattern."""
        rest = self.text[self.position : self.position + 5]
        if rest[:4] not in ("case", "esac") or rest[4:5].isalnum():
            return 0
        if not _BEFORE_COMMAND.search(self.text[max(self.position - 50, 0) : self.position]):
            return 0
        return 1 if rest.startswith("case") else -1

    def quoted(self) -> None:
        self._take(1)
        self._expanding('"')

    def _expanding(self, end: str) -> None:
        """Text in which `$` and backticks work, until `end`."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == end:
                return self._take(1)
            if character in "\\$`":
                self.dollar(quoted=True) if character == "$" else _CODE[character](self)
            else:
                self._other(Context.DOUBLE)
        return None

    def single(self, *, escapes: bool = False) -> None:
        self._take(1)
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "'":
                return self._take(1)
            if escapes and character == "\\":
                self._take(2)
            else:
                self._other(Context.SINGLE)
        return None

    def escaped(self) -> None:
        self._take(2)

    def backticks(self) -> None:
        self._take(1)
        self.code("`")

    def parenthesis(self) -> None:
        if self.text.startswith("((", self.position):
            self._take(2)
            return self._arithmetic()
        self._take(1)
        return self.code(")")

    def dollar(self, *, quoted: bool = False) -> None:
        if self.text.startswith("$((", self.position):
            self._take(3)
            self._arithmetic()
        elif self.text.startswith("$(", self.position):
            self._take(2)
            self.code(")")
        elif self.text.startswith("${", self.position):
            self._take(2)
            self._parameter(quoted=quoted)
        elif self.text.startswith("$'", self.position) and not quoted:
            self._take(1)
            self.single(escapes=True)
        else:
            self._take(1)

    def _parameter(self, *, quoted: bool) -> None:
        """`${name:-word}`; the braces are the shell's."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "}":
                return self._take(1)
            if character == "$":
                self.dollar(quoted=quoted)
            elif character in '\\"`' or (character == "'" and not quoted):
                _CODE[character](self)
            else:
                self._other(Context.DOUBLE if quoted else Context.WORD)
        return None

    def _arithmetic(self) -> None:
        depth = 2
        while self.position < len(self.text) and depth:
            character = self.text[self.position]
            if character in "$\\`":
                _CODE[character](self)
            elif character in "()":
                depth += 1 if character == "(" else -1
                self._take(1)
            else:
                self._other(Context.NUMBER)

    def comment(self) -> None:
        if self.position and self.text[self.position - 1] not in " \t\n;&|()`":
            return self._take(1)
        end = self.text.find("\n", self.position)
        return self._take((len(self.text) if end < 0 else end) - self.position)

    def redirection(self) -> None:
        match = _HEREDOC.match(self.text, self.position)
        if match is None or self.text.startswith("<<<", self.position):
            return self._take(3 if self.text.startswith("<<<", self.position) else 1)
        word = match[2]
        delimiter = re.sub(r"\\(.)|['\"]", lambda part: part[1] or "", word)
        self.pieces.append(match[0])
        self.position = match.end()
        self._heredocs.append(_Heredoc(delimiter, delimiter != word, bool(match[1]), len(self.pieces) - 1))
        return None

    def _bodies(self) -> None:
        """The here-documents that were announced on the line before."""
        waiting, self._heredocs = self._heredocs, []
        for heredoc in waiting:
            begin = self.position
            while self.position < len(self.text):
                end = self.text.find("\n", self.position)
                line = self.text[self.position : end if end >= 0 else len(self.text)]
                if (line.lstrip("\t") if heredoc.strips_tabs else line) == heredoc.delimiter:
                    break
                self.position = end + 1 if end >= 0 else len(self.text)
            self._body(self.text[begin : self.position], heredoc)

    def _body(self, body: str, heredoc: _Heredoc) -> None:
        """A body; one that does not expand is made to, where it has placeholders, with its own text escaped."""
        inner = _Scanner(body)
        if not heredoc.quoted:
            inner._expanding("")
            self.pieces.extend(inner.pieces)
            return
        while inner.position < len(body):
            inner._other(Context.DOUBLE)
        if not any(isinstance(piece, Place) for piece in inner.pieces):
            self.pieces.append(body)
            return
        if not _PLAIN_DELIMITER.fullmatch(heredoc.delimiter):
            raise ExpressionInvalid(f"the here-document's delimiter {heredoc.delimiter!r} must be a plain word")
        self.pieces.extend(
            piece if isinstance(piece, Place) else _EXPANDED.sub(r"\\\g<0>", piece) for piece in inner.pieces
        )
        self.pieces[heredoc.piece] = f"<<{'-' if heredoc.strips_tabs else ''}{heredoc.delimiter}"

    def _other(self, context: Context) -> None:
        """One character, or a placeholder."""
        match = _GROUP.match(self.text, self.position) if self.text[self.position] == "{" else None
        group = parse_group(match[0]) if match else None
        if match is None or group is None:
            return self._take(1)
        if self._is_bash and self._is_compared(match):
            context = Context.COMPARED
        before = self.text[max(match.start() - _NEAR, 0) : match.start()]
        self.pieces.append(Place(group, context, _SUBSCRIPT.search(before) is not None))
        self.position = match.end()
        return None

    def _is_compared(self, match: re.Match[str]) -> bool:
        """Whether bash would evaluate it: `[[ {a} -eq 1 ]]`."""
        after = self.text[match.end() :].removeprefix('"')
        return bool(_COMPARED.match(after) or _COMPARED_TO.search(self.text[: match.start()]))

    def _take(self, count: int) -> None:
        taken = self.text[self.position : self.position + count]
        if self.pieces and isinstance(self.pieces[-1], str) and not self.pieces[-1].startswith("<<"):
            self.pieces[-1] += taken
        else:
            self.pieces.append(taken)
        self.position += count


_CODE: dict[str, Callable[[_Scanner], None]] = {
    "\\": _Scanner.escaped,
    "'": _Scanner.single,
    '"': _Scanner.quoted,
    "`": _Scanner.backticks,
    "$": _Scanner.dollar,
    "(": _Scanner.parenthesis,
    "#": _Scanner.comment,
    "<": _Scanner.redirection,
}
"""What begins something in shell code."""
