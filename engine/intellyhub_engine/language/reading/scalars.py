"""Plain YAML scalars as values, by the YAML 1.2 core schema.

So `on`, `yes`, `12:30:00` and `2024-01-31` are text, `0o17` is 15 and `017` is 17.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from string import ascii_letters
from typing import Any

__all__ = ["FIRST_OF_TEXT", "TagInvalid", "resolve_plain", "resolve_tagged"]

CONSTANTS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
FIRST_OF_NUMBER = frozenset("0123456789+-.")
FIRST_OF_TEXT = frozenset(ascii_letters) - {text[:1] for text in CONSTANTS}
"""An unquoted scalar that begins so is text and nothing else."""
INTEGER = re.compile(r"[-+]?[0-9]+")
BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MAX_DIGITS = 4000
"""Python refuses to read longer integers; they stay text."""

YAML_TAG = "tag:yaml.org,2002:"
TEXT_TAGS = frozenset(("!", YAML_TAG + "str", YAML_TAG + "timestamp"))
KINDS: dict[str, tuple[type, ...]] = {
    YAML_TAG + "int": (int,),
    YAML_TAG + "float": (int, float),
    YAML_TAG + "bool": (bool,),
    YAML_TAG + "null": (type(None),),
}


class TagInvalid(ValueError):
    """A tag this language does not know, or a value it does not fit; `unknown` tells which."""

    def __init__(self, message: str, *, unknown: bool) -> None:
        self.unknown = unknown
        super().__init__(message)


def resolve_plain(text: str) -> Any:
    """The value of an unquoted scalar."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] in FIRST_OF_NUMBER:
        return _resolve_number(text)
    return text


def _resolve_number(text: str) -> Any:
    if INTEGER.fullmatch(text):
        return int(text) if len(text) <= MAX_DIGITS else text
    if BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if FLOAT.fullmatch(text):
        return float(text)
    special = SPECIAL_FLOAT.fullmatch(text)
    if special:
        return float("nan") if special[3] else float(special[1] + "inf")
    return text


def resolve_tagged(tag: str, text: str) -> Any:
    """The value of a scalar with a tag. Raises TagInvalid."""
    if tag in TEXT_TAGS:
        return text
    kinds = KINDS.get(tag)
    if kinds is None:
        raise TagInvalid(f"the tag {short_tag(tag)} is not allowed", unknown=True)
    value = resolve_plain(text)
    if type(value) not in kinds:
        raise TagInvalid(f"{text!r} is not {short_tag(tag)}", unknown=False)
    return float(value) if float in kinds else value


def short_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(YAML_TAG) if tag.startswith(YAML_TAG) else tag
