"""How much one evaluation may do. A budget is a list of one number, spent by whatever loops or makes text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from intellyhub_engine.errors import EvaluationFailed

__all__ = [
    "BUDGET",
    "MAX_BITS",
    "MAX_CODE_NODES",
    "MAX_CODE_TEXT",
    "MAX_TEXT",
    "check_format_spec",
    "check_strftime",
    "kind_of",
    "paid",
    "spend",
    "spend_text",
    "ticks",
    "weigh",
]

BUDGET = 1_000_000
"""Units per evaluation: one per pass of a comprehension or item made, one per `_TEXT_PER_UNIT` characters made."""
MAX_TEXT = 16 * 1024 * 1024
"""Characters of one text."""
MAX_BITS = 10_000
"""Size of an integer that arithmetic makes: about 3,000 digits."""
MAX_CODE_TEXT = 20_000
"""Characters of one condition or placeholder."""
MAX_CODE_NODES = 2_000
"""Parts of one condition or placeholder."""

MAX_PARTS = 1_000_000
"""Values in one value that is compared, hashed or written."""

_KINDS = {
    "NoneType": "an empty value (None)",
    "Record": "a record",
    "TextRecord": "a text record",
    "bool": "a truth value",
    "float": "a number",
    "int": "a number",
    "str": "a text",
}

_CONTAINERS = (list, tuple, dict, set, frozenset)
_TEXT_PER_UNIT = 32
_COMPARED_PER_UNIT = 512
_PARTS_PER_UNIT = 16
_MAX_WIDTH = 1_000

_FORMAT_SPEC = re.compile(r"(?:.?[<>=^])?[+\- ]?z?#?0?(\d*)[,_]?(?:\.(\d+))?[bcdeEfFgGnosxX%]?", re.DOTALL)
_STRFTIME = re.compile(r"(?:[^%]|%[-_0^#:E]?[A-Za-z%])*", re.DOTALL)


def kind_of(value: Any) -> str:
    """The kind of a value, in words for a message: `a text`, `a list`."""
    return _KINDS.get(type(value).__name__, f"a {type(value).__name__}")


def spend(budget: list[int], units: int) -> None:
    """Take units from the budget. Raises `EvaluationFailed` when it is used up."""
    budget[0] -= units
    if budget[0] < 0:
        raise EvaluationFailed("the expression does too much work; do it in a Python block")


def spend_text(budget: list[int], length: int) -> None:
    """Take what a text of `length` characters costs, before it is made."""
    if length > MAX_TEXT:
        raise EvaluationFailed(f"the text would have {length:,} characters; {MAX_TEXT:,} are the limit")
    spend(budget, length // _TEXT_PER_UNIT)


def weigh(*values: Any) -> int:
    """How many parts the values have, with those of their parts. Raises `EvaluationFailed` for values that would take
    for ever to compare, hash or write: few lists that hold one another can look like very many."""
    room, waiting = MAX_PARTS, list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, _CONTAINERS):
            parts = dict.values(value) if isinstance(value, dict) else value
            room -= len(parts)
            if room < 0:
                raise EvaluationFailed("the value has too many parts to be worked with in an expression")
            waiting.extend(parts)
    return MAX_PARTS - room


def paid(budget: list[int], compare: Callable[..., Any], *operands: Any) -> Any:
    """A comparison that is made again and again, paid for by what there is to look at."""
    if isinstance(operands[0], (list, tuple, dict)):
        spend(budget, weigh(*operands) // _PARTS_PER_UNIT)
    for operand in operands:
        if isinstance(operand, (str, bytes)):
            spend(budget, len(operand) // _COMPARED_PER_UNIT)
        elif isinstance(operand, (list, tuple)):
            spend(budget, len(operand) // _PARTS_PER_UNIT)
    return compare(*operands)


def ticks(budget: list[int], items: Any) -> Iterator[Any]:
    """The items of a value that may be looped over, each paid for."""
    if isinstance(items, bytes) or not hasattr(type(items), "__iter__"):
        raise EvaluationFailed(f"{kind_of(items)} cannot be looped over")
    for item in items:
        spend(budget, 1)
        yield item


def check_format_spec(spec: str) -> str:
    """The format specification, when it is one and asks for no more than `_MAX_WIDTH` characters."""
    match = _FORMAT_SPEC.fullmatch(spec)
    if match is None:
        raise EvaluationFailed(f"{spec!r} is not a format specification")
    if any(len(size) > 4 or int(size) > _MAX_WIDTH for size in match.groups() if size):
        raise EvaluationFailed(f"a format of more than {_MAX_WIDTH} characters is refused: {spec!r}")
    return spec


def check_strftime(pattern: str) -> str:
    """The date pattern, when it has no widths; some C libraries obey them without limit."""
    if len(pattern) > _MAX_WIDTH or _STRFTIME.fullmatch(pattern) is None:
        raise EvaluationFailed(f"{pattern[:100]!r} is not a date pattern")
    return pattern
