"""What an author gives a function: a parameter, or the variable of the tenant that stands in for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["find_address", "find_secret", "find_text", "is_unfilled", "needed"]

UNFILLED = re.compile(r"\$?\{\s*[\w.]+\s*\}|\{\{\s*[\w.]+\s*\}\}")


def is_unfilled(text: str) -> bool:
    """Whether a text is a placeholder that nothing has filled."""
    return UNFILLED.fullmatch(text.strip()) is not None


def needed(parameters: Mapping[str, Any], name: str) -> str:
    """A parameter's text. Raises PermanentError where it is empty, or a variable that is not set."""
    text = text_of(parameters.get(name)).strip()
    if not text:
        raise PermanentError(f"{name} is missing")
    if is_unfilled(text):
        raise PermanentError(f"{name} is {text}, a variable that is not set")
    return text


def find_text(parameters: Mapping[str, Any], name: str, names: Mapping[str, Any], *variables: str) -> str:
    """A parameter's text, else that of the first variable that is set; empty where there is none."""
    given = (parameters.get(name), *(names.get(variable) for variable in variables))
    return text_of(next((value for value in given if value not in (None, "")), None)).strip()


def find_secret(parameters: Mapping[str, Any], name: str, names: Mapping[str, Any], *variables: str) -> str:
    """A key or a token: the parameter's, else that of the first variable that is set. Raises PermanentError where there
    is none."""
    text = find_text(parameters, name, names, *variables)
    if not text:
        raise PermanentError(f"{name} is missing; set it, or the variable {variables[0]}")
    return needed({name: text}, name)


def find_address(
    parameters: Mapping[str, Any], name: str, names: Mapping[str, Any], variable: str, default: str
) -> str:
    """A service's address, without a slash at its end: the parameter's, else the variable's, else its own."""
    return text_of(parameters.get(name) or names.get(variable) or default).strip().rstrip("/")
