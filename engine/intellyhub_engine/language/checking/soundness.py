"""Texts that cannot be at fault, told at a glance, so that checking a flow need not compile all of it.

Braces that hold no expression are text, so a template or a script can only be wrong in Jinja, in a here-document or by
nesting beyond reason; the usual conditions are of one shape; of short Python, Python itself says whether it compiles.
"""

from __future__ import annotations

import keyword
import re
import warnings
from collections.abc import Callable

from intellyhub_engine.catalogue.manifest import Syntax
from intellyhub_engine.language.expressions.expressions import MARK

__all__ = ["is_sound"]

SHORT = 500
"""Characters of Python or of a condition in which nothing can be nested too deeply to be compiled."""
MAX_OPENED = 150
"""Quotes, brackets and expansions of a script that may all stand inside one another."""

_LONG_GROUP = re.compile(r"\{[^{}\n\r]{150}")
_OPENING = re.compile(r"[\"`($]")

_OPERATORS = ("AND", "OR", "NOT", "contains", "matches", "starts", "ends", "empty", "(?i:any|all|none)")
# No group repeats possessively: before 3.11.5 Python gets those wrong (gh-106052).
_NAME = rf"(?!(?:{'|'.join((*keyword.kwlist, *_OPERATORS))})\b|__)[A-Za-z_]\w*+"
_PATH = rf"(?<!\w){_NAME}(?:\.{_NAME})*(?!\.)"
_TEXT = rf"(['\"])(?:[^'\"\\{{}}$\n\r]|\{{{_PATH}\}})*\1"
_NUMBER = r"(?<![\w.])-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?(?![\w.])"
_OPERAND = re.compile(rf"\{{{_PATH}\}}|{_PATH}|{_TEXT}|{_NUMBER}|\b(?:True|False)\b", re.ASCII)
_MARK = "\0"
"""Stands for an operand in the shape of a condition."""
_SIGN = r"\s*+(?:[=!<>]=|[<>])\s*+(?:\0|None\b)"
_WORD = r"\s++(?:contains(?:\s++(?:any|all|none))?|not\s++contains|(?:starts|ends)\s++with|(?:not\s++)?in)\s++\0"
_TERM = rf"(?:(?:not|NOT)\s++)?\0(?:{_SIGN}|{_WORD}|\s++is\s++(?:not\s++)?empty\b)?"
_SHAPE = re.compile(rf"\s*{_TERM}(?:\s+(?:and|or|AND|OR|&&|\|\|)\s+{_TERM})*\s*", re.ASCII)


def is_sound(text: str, syntax: Syntax, *, dollar_names: bool) -> bool:
    """Whether the text is sure to compile. False means that only compiling it can tell."""
    sound = _SOUND.get(syntax)
    return sound is None or sound(text, dollar_names)


def _template(text: str, dollar_names: bool) -> bool:
    return "{" not in text or not ("{{" in text or "{%" in text or _LONG_GROUP.search(text))


def _script(text: str, dollar_names: bool) -> bool:
    return "<<" not in text and not _LONG_GROUP.search(text) and len(_OPENING.findall(text)) <= MAX_OPENED


def _condition(text: str, dollar_names: bool) -> bool:
    """Names, texts and numbers, compared, and joined by `and` and `or`."""
    if len(text) > SHORT or MARK in text or _MARK in text:
        return False
    return _SHAPE.fullmatch(_OPERAND.sub(_MARK, text)) is not None


def _python(source: str, dollar_names: bool) -> bool:
    from intellyhub_engine.language.texts.block_syntax import has_placeholders, unindented

    if len(source) > SHORT or has_placeholders(source, dollar_names=dollar_names):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(unindented(source), "<block>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # compiling it again tells where
    return True


_SOUND: dict[Syntax, Callable[[str, bool], bool]] = {
    Syntax.TEMPLATE: _template,
    Syntax.SHELL: _script,
    Syntax.CONDITION: _condition,
    Syntax.CODE: _python,
}
