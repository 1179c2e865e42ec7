"""Comparison as flow authors mean it, and the operators they write in words.

Two values of one class compare as in Python. Text beside a number or a truth value compares as what it spells, because
flows were written for an engine that pasted values into the condition (section 7): `'True' == True`, `'5' < 10`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.limits import weigh
from intellyhub_engine.language.expressions.patterns import matches
from intellyhub_engine.language.values.records import TextRecord

__all__ = [
    "NATURAL",
    "UNARY_NATURAL",
    "alike",
    "eq",
    "ge",
    "gt",
    "inside",
    "is_",
    "is_not",
    "le",
    "lt",
    "ne",
    "not_inside",
]

_TRUTHS = {"true": True, "false": False}
_NUMBERS = (int, float, Decimal)
_CONTAINERS = (list, tuple, set, frozenset)
_DEEP = (list, tuple, dict)
_MAX_NUMBER_TEXT = 400
_MAX_SEARCHED = 1 << 28
"""Characters looked at by one `contains any`, each part anew; about a second's work."""
_ITEM_SIZE = 64
"""Characters that cost as much as an item of a list."""


def number_of(text: str) -> int | float | None:
    """The number a text spells, if it does."""
    text = text.strip()
    if not text or len(text) > _MAX_NUMBER_TEXT or text[0] not in "+-.0123456789" or "_" in text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both values as ones that Python compares: a text beside a number or truth value becomes what it spells."""
    if isinstance(left, TextRecord) and not isinstance(right, dict):
        left = str(left)
    if isinstance(right, TextRecord) and not isinstance(left, dict):
        right = str(right)
    if isinstance(left, str) and not isinstance(right, str):
        return _spelled(left, right), right
    if isinstance(right, str) and not isinstance(left, str):
        return left, _spelled(right, left)
    return left, right


def _spelled(text: str, beside: Any) -> Any:
    if isinstance(beside, bool):
        return _TRUTHS.get(text.strip().lower(), text)
    if isinstance(beside, _NUMBERS):
        number = number_of(text)
        return text if number is None else number
    return text


def _both_numbers(left: str, right: str) -> tuple[Any, Any]:
    """Two texts in order: as the numbers they spell (`{read} > {limit}`, where both came as text), else as texts."""
    one = number_of(left)
    other = number_of(right) if one is not None else None
    return (left, right) if one is None or other is None else (one, other)


def eq(left: Any, right: Any) -> bool:
    """`==`, loosely."""
    if type(left) is not type(right):
        left, right = alike(left, right)
    if isinstance(left, _DEEP):
        weigh(left, right)
    return bool(left == right)


def ne(left: Any, right: Any) -> bool:
    """`!=`, loosely."""
    return not eq(left, right) if isinstance(left, _DEEP) else _ne(left, right)


def _ne(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        left, right = alike(left, right)
    return bool(left != right)


def _ordering(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        if type(left) is not type(right):
            left, right = alike(left, right)
        elif type(left) is str:
            left, right = _both_numbers(left, right)
        if isinstance(left, _DEEP):
            weigh(left, right)
        return bool(compare(left, right))

    return ordered


lt, le, gt, ge = (_ordering(compare) for compare in (operator.lt, operator.le, operator.gt, operator.ge))


def inside(item: Any, container: Any) -> bool:
    """`in`, loosely: also where a list holds `5` and the item is `'5'`."""
    if isinstance(container, str):
        return str(item) in container if isinstance(item, TextRecord) else item in container
    if isinstance(item, _DEEP):
        weigh(item, container)
    if not isinstance(container, _CONTAINERS):
        return item in container
    try:
        if item in container:
            return True
    except TypeError:  # not hashable, so not in a set
        return False
    kind = type(item)
    return any(type(other) is not kind and eq(item, other) for other in container)


def not_inside(item: Any, container: Any) -> bool:
    """`not in`, loosely."""
    return not inside(item, container)


def is_(left: Any, right: Any) -> bool:
    """`is`; between values that are not None, True or False it means `==`."""
    return (
        left is right if any(value is None or isinstance(value, bool) for value in (left, right)) else eq(left, right)
    )


def is_not(left: Any, right: Any) -> bool:
    """`is not`."""
    return not is_(left, right)


def _texts(value: Any) -> list[Any]:
    if isinstance(value, _CONTAINERS):
        return list(value)
    return [part for part in map(str.strip, value.split(",")) if part] if isinstance(value, str) else [value]


def _has(value: Any, part: Any, *, ignore_case: bool = False) -> bool:
    if value is None or part is None:
        return False
    if isinstance(value, _CONTAINERS) or (isinstance(value, dict) and not isinstance(value, TextRecord)):
        return any(_same(item, part, ignore_case=ignore_case) for item in value)
    whole, piece = str(value), str(part)
    return piece.casefold() in whole.casefold() if ignore_case else piece in whole


def _same(left: Any, right: Any, *, ignore_case: bool) -> bool:
    if ignore_case and isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return eq(left, right)


def _contains_any(value: Any, parts: Any) -> bool:
    return any(_has(value, part, ignore_case=True) for part in _searched(value, parts))


def _contains_all(value: Any, parts: Any) -> bool:
    return all(_has(value, part, ignore_case=True) for part in _searched(value, parts))


def _searched(value: Any, parts: Any) -> list[Any]:
    """The parts to look for. Raises `EvaluationFailed` where that would take for ever: an event may bring both."""
    texts = _texts(parts)
    size = len(value) if isinstance(value, str) else _ITEM_SIZE * len(value) if isinstance(value, _CONTAINERS) else 0
    if size * len(texts) > _MAX_SEARCHED:
        raise EvaluationFailed(f"{len(texts):,} texts are too many to be looked for in so large a value")
    return texts


def _is_empty(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (hasattr(value, "__len__") and not len(value))
    )


def _text(value: Any) -> str:
    if isinstance(value, (dict, *_CONTAINERS)) and not isinstance(value, TextRecord):
        raise EvaluationFailed(f"a {type(value).__name__} is not a text")
    return "" if value is None else str(value)


NATURAL: dict[str, Callable[..., bool]] = {
    "contains": _has,
    "not contains": lambda value, part: not _has(value, part),
    "contains any": _contains_any,
    "contains all": _contains_all,
    "contains none": lambda value, parts: not _contains_any(value, parts),
    "starts with": lambda value, part: _text(value).startswith(_text(part)),
    "ends with": lambda value, part: _text(value).endswith(_text(part)),
    "matches": lambda value, pattern: matches(_text(value), _text(pattern)),
    "is empty": _is_empty,
    "is not empty": lambda value: not _is_empty(value),
}
"""Operators in words -> what they do. Those with `any`, `all` and `none` ignore case, look for parts of words (so 'AI'
is found in 'said') and take a list or a text with commas."""

UNARY_NATURAL = frozenset({"is empty", "is not empty"})
"""Those that stand behind their one operand."""
