"""What is wrong with a request's fields, in words for a person: pydantic's are for who wrote the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["word_fault"]

PATTERNS: Mapping[str, str] = {
    r"^[^@\s]+@[^@\s]+$": "is not an e-mail address",
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "is not made of small letters, digits and hyphens, 63 at most",
    r"^sha256:[0-9a-f]{64}$": "is no digest such as sha256:0123..., with 64 hexadecimal digits",
    r"^[A-Za-z_][A-Za-z0-9_]{0,127}$": "is not made of letters, digits and underscores, with no digit first",
}
"""What stands behind the patterns of `shapes`; a test finds one that is missing here."""
Facts = Mapping[str, Any]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


WORDS: Mapping[str, Callable[[Facts], str]] = {
    "missing": lambda facts: "is missing",
    "string_type": lambda facts: "is not a text",
    "string_too_short": lambda facts: f"needs at least {counted(facts['min_length'], 'character')}",
    "string_too_long": lambda facts: f"may have at most {counted(facts['max_length'], 'character')}",
    "too_short": lambda facts: f"needs at least {counted(facts['min_length'], 'character')}",
    "too_long": lambda facts: f"may have at most {counted(facts['max_length'], 'character')}",
    "string_pattern_mismatch": lambda facts: PATTERNS.get(facts["pattern"], f"is not as {facts['pattern']} says"),
    "int_type": lambda facts: "is not a whole number",
    "int_parsing": lambda facts: "is not a whole number",
    "int_from_float": lambda facts: "is not a whole number",
    "int_parsing_size": lambda facts: "is too large a number",
    "float_type": lambda facts: "is not a number",
    "float_parsing": lambda facts: "is not a number",
    "bool_type": lambda facts: "is neither true nor false",
    "bool_parsing": lambda facts: "is neither true nor false",
    "dict_type": lambda facts: "is not a JSON object",
    "list_type": lambda facts: "is not a list",
    "model_type": lambda facts: "is not a JSON object",
    "model_attributes_type": lambda facts: "is not a JSON object",
    "greater_than_equal": lambda facts: f"is below {facts['ge']}",
    "greater_than": lambda facts: f"is not above {facts['gt']}",
    "less_than_equal": lambda facts: f"is above {facts['le']}",
    "less_than": lambda facts: f"is not below {facts['lt']}",
    "enum": lambda facts: f"is none of {facts['expected']}",
    "literal_error": lambda facts: f"is none of {facts['expected']}",
    "datetime_parsing": lambda facts: "is not a time such as 2026-01-31T08:15:00Z",
    "datetime_from_date_parsing": lambda facts: "is not a time such as 2026-01-31T08:15:00Z",
    "datetime_type": lambda facts: "is not a time such as 2026-01-31T08:15:00Z",
    "timezone_aware": lambda facts: "does not say its time zone, such as the Z in 2026-01-31T08:15:00Z",
    "value_error": lambda facts: str(facts["error"]),
}
"""By pydantic's error type: https://docs.pydantic.dev/latest/errors/validation_errors/"""


def word_fault(fault: ErrorDetails, shape: type[BaseModel] | None) -> str:
    """What to say of one fault of a document of that shape. Values are not repeated: they may be secret."""
    if fault["type"] == "extra_forbidden":
        return word_unknown(str(fault["loc"][-1]), shape)
    words = WORDS.get(fault["type"])
    return words(fault.get("ctx", {})) if words else fault["msg"]


def word_unknown(name: str, shape: type[BaseModel] | None) -> str:
    """A key that nobody reads is a misspelling of one that somebody does."""
    known = [field.alias or key for key, field in shape.model_fields.items()] if shape else []
    meant = did_you_mean(name, known)
    return "is no field here" + (f"; {meant}" if meant else f" ({', '.join(known)})" if known else "")
