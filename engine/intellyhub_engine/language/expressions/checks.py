"""Jinja's tests: `{% if x is divisibleby 3 %}`."""

from __future__ import annotations

from collections.abc import Callable

from intellyhub_engine.language.expressions import arithmetic, comparison
from intellyhub_engine.language.values.records import TextRecord

__all__ = ["CHECKS"]

CHECKS: dict[str, Callable[..., bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "defined": lambda value: value is not None,
    "divisibleby": lambda value, number: arithmetic.modulo(value, number) == 0,
    "eq": comparison.eq,
    "equalto": comparison.eq,
    "even": lambda value: arithmetic.modulo(value, 2) == 0,
    "false": lambda value: value is False,
    "ge": comparison.ge,
    "gt": comparison.gt,
    "in": comparison.inside,
    "iterable": lambda value: isinstance(value, (str, list, tuple, dict, set, frozenset)),
    "le": comparison.le,
    "lower": lambda value: str(value).islower(),
    "lt": comparison.lt,
    "mapping": lambda value: isinstance(value, dict),
    "ne": comparison.ne,
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "odd": lambda value: arithmetic.modulo(value, 2) == 1,
    "sequence": lambda value: isinstance(value, (str, list, tuple, dict)),
    "string": lambda value: isinstance(value, (str, TextRecord)),
    "true": lambda value: value is True,
    "undefined": lambda value: value is None,
    "upper": lambda value: str(value).isupper(),
}
"""Name -> the test of a value. A missing value is None here, so `defined` means that there is one."""
