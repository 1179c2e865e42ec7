"""Operators that make something, bounded so that no expression makes something huge."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.comparison import alike, number_of
from intellyhub_engine.language.expressions.limits import MAX_BITS, check_format_spec, check_strftime, spend, spend_text
from intellyhub_engine.language.values.records import TextRecord
from intellyhub_engine.language.values.values import text_of

__all__ = ["BINARY", "UNARY", "add", "format_value", "modulo", "plain_decimal"]

_SIZED = (str, bytes, list, tuple)
_MAX_DECIMAL_EXPONENT = 5_000


def _text_or_same(value: Any) -> Any:
    return str(value) if isinstance(value, TextRecord) else value


def add(budget: list[int], left: Any, right: Any) -> Any:
    """`left + right`; a text that spells a number is one beside a number."""
    left, right = _text_or_same(left), _text_or_same(right)
    if isinstance(left, _SIZED) and isinstance(right, _SIZED):
        _pay_for(budget, left, len(left) + len(right))
        return operator.add(left, right)
    return _numeric(operator.add)(budget, left, right)


def _pay_for(budget: list[int], like: Any, length: int) -> None:
    if isinstance(like, (str, bytes)):
        spend_text(budget, length)
    else:
        spend(budget, length)


def _numeric(operate: Callable[[Any, Any], Any]) -> Callable[[list[int], Any, Any], Any]:
    def guarded(budget: list[int], left: Any, right: Any) -> Any:
        if type(left) is not type(right):
            left, right = _as_number(left, right), _as_number(right, left)
        return _bounded(operate(left, right))

    return guarded


def _as_number(value: Any, beside: Any) -> Any:
    if isinstance(value, str) and isinstance(beside, (int, float, Decimal)):
        number = number_of(value)
        return value if number is None else number
    return value


def _bounded(value: Any) -> Any:
    if type(value) is int and value.bit_length() > MAX_BITS:
        raise EvaluationFailed(f"an integer of {value.bit_length():,} bits is too big; {MAX_BITS:,} are the limit")
    return value


def _too_big() -> EvaluationFailed:
    return EvaluationFailed(f"an integer of more than {MAX_BITS:,} bits is too big")


def _multiply(budget: list[int], left: Any, right: Any) -> Any:
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, _SIZED) and isinstance(times, int):
            _pay_for(budget, sequence, len(sequence) * max(times, 0))
            return sequence * times
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > MAX_BITS:
        raise _too_big()
    return _bounded(left * right)


def _power(budget: list[int], left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MAX_BITS:
        raise _too_big()
    result = left**right
    if isinstance(result, complex):
        raise EvaluationFailed("the power is not a real number")
    return result


def _shift_left(budget: list[int], left: Any, right: Any) -> Any:
    if not (isinstance(left, int) and isinstance(right, int)):
        raise EvaluationFailed("<< works on integers")
    if left.bit_length() + right > MAX_BITS:
        raise _too_big()
    return left << right


def _modulo(budget: list[int], left: Any, right: Any) -> Any:
    left = _text_or_same(left)
    if isinstance(left, bytes):
        raise EvaluationFailed("% does not work on bytes")
    if isinstance(left, str) and (not isinstance(right, (int, float)) or number_of(left) is None):
        return _percent(budget, left, right)
    return _numeric(operator.mod)(budget, left, right)


def modulo(left: Any, right: Any) -> Any:
    """`left % right` of numbers."""
    if not isinstance(left, (int, float, Decimal)):
        raise EvaluationFailed(f"a {type(left).__name__} is not a number")
    return left % right


def _percent(budget: list[int], pattern: str, value: Any) -> str:
    """`'%s of %d' % values`, where no directive asks for more than three digits of width."""
    from intellyhub_engine.language.expressions.patterns import compiled

    if compiled(r"%(?:\([^()]*\))?[-#0 +]*(?:\*|\d{4,}|\d*\.(?:\*|\d{4,}))").search(pattern):
        raise EvaluationFailed("a format of more than 999 characters is refused")
    values = value if isinstance(value, tuple) else (value,)
    texts = [len(text_of(item)) for item in (value.values() if isinstance(value, dict) else values)]
    spend_text(budget, len(pattern) * (1_000 + max(texts, default=0)) // 2)
    return str(pattern % value)


def _join_sets(operate: Callable[[Any, Any], Any]) -> Callable[[list[int], Any, Any], Any]:
    def guarded(budget: list[int], left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, (dict, set, frozenset)):
                spend(budget, len(value))
        return operate(left, right)

    return guarded


def format_value(budget: list[int], value: Any, spec: str) -> str:
    """The value by a format specification of bounded width, or a date by a date pattern."""
    if not spec:
        return text_of(value)
    if hasattr(value, "strftime"):
        return format(value, check_strftime(spec))
    check_format_spec(spec)
    if isinstance(value, str) and spec[-1:] in "bcdeEfFgGnoxX%":
        value = alike(value, 0)[0]
    if isinstance(value, Decimal):
        value = plain_decimal(value)
    text = format(value if isinstance(value, (int, float, Decimal, str)) else text_of(value), spec)
    spend_text(budget, len(text))
    return text


def plain_decimal(value: Decimal) -> Decimal:
    """The decimal, when its digits can be written out."""
    if value.is_finite() and abs(value.adjusted()) > _MAX_DECIMAL_EXPONENT:
        raise EvaluationFailed("the decimal number is too big or too small to be written out")
    return value


BINARY: dict[str, Callable[[list[int], Any, Any], Any]] = {
    "Add": add,
    "Sub": _numeric(operator.sub),
    "Mult": _multiply,
    "Div": _numeric(operator.truediv),
    "FloorDiv": _numeric(operator.floordiv),
    "Mod": _modulo,
    "Pow": _power,
    "LShift": _shift_left,
    "RShift": _numeric(operator.rshift),
    "BitAnd": _join_sets(operator.and_),
    "BitOr": _join_sets(operator.or_),
    "BitXor": _join_sets(operator.xor),
}
"""Node class of a binary operator -> its guarded function."""

UNARY: dict[str, Callable[[Any], Any]] = {"UAdd": operator.pos, "USub": operator.neg, "Invert": operator.invert}
