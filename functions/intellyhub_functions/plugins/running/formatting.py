"""`format_recursive`: the placeholders of a plugin's own texts, and of no other.

A state's configuration was resolved before the plugin got it. What still looks like a placeholder in there is data: a
chat message with `{OPENAI_API_KEY}` in it stays that text, however often a plugin formats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from intellyhub_engine.errors import EngineError
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.templates import compile_template
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import text_of

__all__ = ["format_value", "keep"]

GROUP = re.compile(r"\{[^{}]*\}|\{\{|\}\}|\{%|%\}")
KEPT: set[str] = set()
"""Groups in braces that are data. A process runs one state, or one listener."""
MAX_DEPTH = 60


def keep(value: Any, depth: int = 0) -> None:
    """Note what stands in braces anywhere in a resolved value."""
    if isinstance(value, str):
        KEPT.update(GROUP.findall(value))
    elif isinstance(value, Mapping) and depth < MAX_DEPTH:
        keep_all((*value.keys(), *value.values()), depth)
    elif isinstance(value, list | tuple | set) and depth < MAX_DEPTH:
        keep_all(value, depth)


def keep_all(values: Iterable[Any], depth: int) -> None:
    for value in values:
        keep(value, depth + 1)


def format_value(value: Any, variables: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """Texts in lists and dicts too; other values, None among them, come back as they are."""
    if isinstance(value, str):
        return format_text(value, variables, context)
    if isinstance(value, dict):
        return {key: format_value(each, variables, context) for key, each in value.items()}
    if isinstance(value, list):
        return [format_value(each, variables, context) for each in value]
    return value


def format_text(text: str, variables: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """A text with its placeholders filled in; one that is a single placeholder gives a list or a dict as it is."""
    if "{" not in text:
        return text
    scope = Scope(dict(variables), outer=context)
    data = [group for group in set(GROUP.findall(text)) if group in KEPT]
    if not data:
        return filled(text, scope)
    parts = re.split("(" + "|".join(map(re.escape, sorted(data, key=len, reverse=True))) + ")", text)
    return "".join(part if part in KEPT else text_of(filled(part, scope)) for part in parts)


def filled(text: str, scope: Scope) -> Any:
    """One text; what cannot be made of it stays as written."""
    try:
        value = link(compile_template(text))(scope)
    except EngineError:
        return text
    return value if isinstance(value, list | dict) else text_of(value)
