"""Answers of a given shape: asked for, read out of what the model wrote, checked, complained about."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.schemas import find_faults, schema_faults
from intellyhub_functions.models.shapes import is_strict

__all__ = ["Shape", "make_shape"]

FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
WRAPPED = "answer"
"""The key of an answer that is no object: interfaces ask for objects only."""


def make_shape(parameters: Mapping[str, Any]) -> Shape | None:
    """The shape of `schema`. Raises PermanentError for what is no JSON Schema."""
    schema = parameters.get("schema")
    return None if not schema else Shape(schema)


class Shape:
    """One JSON Schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        for fault in schema_faults(schema):
            raise PermanentError(f"schema is no JSON Schema: {fault}")
        self._is_wrapped = schema.get("type") != "object" and "properties" not in schema

    @property
    def asked(self) -> Mapping[str, Any]:
        """The schema that the interface is given."""
        if not self._is_wrapped:
            return self._schema
        return {
            "type": "object",
            "properties": {WRAPPED: self._schema},
            "required": [WRAPPED],
            "additionalProperties": False,
        }

    def hint(self, interface: str) -> str:
        """What stands in the instructions, where the interface alone does not hold the model to the schema."""
        if is_strict(self.asked) and interface == "responses":
            return ""
        return f"Answer with nothing but JSON, without explanation, that fits this JSON Schema:\n{self._written()}"

    def complaint(self, fault: str) -> str:
        """What the model is told of an answer that does not fit."""
        return (
            f"Your answer does not fit: {fault}\n"
            f"Give it once more, as nothing but JSON that fits this JSON Schema:\n{self._written()}"
        )

    def read(self, text: str) -> tuple[Any, str | None]:
        """The value that the text holds, and what is wrong with it."""
        try:
            value = find_json(text)
        except ValueError as told:
            return None, f"it is no JSON ({told})"
        if self._is_wrapped and isinstance(value, dict) and set(value) == {WRAPPED}:
            value = value[WRAPPED]
        faults = find_faults(self._schema, value)
        return (None, "; ".join(faults)) if faults else (value, None)

    def _written(self) -> str:
        return json.dumps(self.asked, ensure_ascii=False)


def find_json(text: str) -> Any:
    """The JSON in an answer: all of it, a fenced block, or what stands between the first and the last bracket. Raises
    ValueError."""
    stripped = text.strip()
    candidates = [stripped, *(block.strip() for block in FENCE.findall(stripped))]
    for opening, closing in ("{}", "[]"):
        start, end = stripped.find(opening), stripped.rfind(closing)
        if 0 <= start < end:
            candidates.append(stripped[start : end + 1])
    told = "it is empty"
    for candidate in filter(None, candidates):
        try:
            return json.loads(candidate)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        except ValueError as fault:
            told = str(fault)
    raise ValueError(told)
