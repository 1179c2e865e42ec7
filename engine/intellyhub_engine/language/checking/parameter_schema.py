"""A manifest's parameters as JSON Schema: the literal types, and text wherever a placeholder may stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Parameter, Syntax

__all__ = ["make_parameter_schema", "make_parameters_schema", "spelling_pattern"]

JSON_TYPES: Mapping[str, tuple[str, ...]] = {
    "string": ("string", "number", "boolean"),
    "integer": ("integer", "string"),
    "number": ("number", "string"),
    "boolean": ("boolean", "string", "integer"),
    "array": ("array", "string"),
    "object": ("object", "string"),
}
SYNTAX_NOTES: Mapping[Syntax, str] = {
    Syntax.LITERAL: "Taken as written.",
    Syntax.CONDITION: "An expression.",
    Syntax.CODE: "Python.",
    Syntax.SHELL: "A shell script; placeholders are quoted for where they stand.",
    Syntax.TEMPLATE: "",
}


def make_parameters_schema(parameters: Mapping[str, Parameter], *, strict: bool) -> dict[str, Any]:
    """An object's `properties`, and, where `strict`, what it must have under any of its spellings."""
    properties: dict[str, Any] = {}
    needed: list[dict[str, Any]] = []
    for parameter in parameters.values():
        schema = make_parameter_schema(parameter)
        for spelling in (parameter.name, *parameter.aliases):
            properties.setdefault(spelling, schema)
        if parameter.required and strict:
            spellings = (parameter.name, *parameter.aliases)
            needed.append({"anyOf": [{"required": [spelling]} for spelling in spellings]})
    return {"properties": properties, **({"allOf": needed} if needed else {})}


def make_parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """One parameter. Null stands for «not given»."""
    notes = (parameter.description, SYNTAX_NOTES[parameter.syntax])
    schema: dict[str, Any] = {"description": " ".join(note for note in notes if note)}
    if parameter.default is not None:
        schema["default"] = parameter.default
    if parameter.secret:
        schema["writeOnly"] = True
    if parameter.enum:
        return {**schema, "anyOf": _choices(parameter)}
    if "any" not in parameter.types:
        schema["type"] = sorted({json for type_ in parameter.types for json in JSON_TYPES[type_]} | {"null"})
    if parameter.minimum is not None:
        schema["minimum"] = parameter.minimum
    if parameter.maximum is not None:
        schema["maximum"] = parameter.maximum
    return schema


def _choices(parameter: Parameter) -> list[dict[str, Any]]:
    texts = [str(choice) for choice in parameter.enum]
    return [
        {"enum": list(parameter.enum)},
        {"type": "string", "pattern": spelling_pattern(texts)},
        {"type": "string", "pattern": "[{$]"},
        {"type": "null"},
    ]


def spelling_pattern(names: Iterable[str]) -> str:
    """A pattern for every spelling of the names: JSON Schema's patterns know no «ignore case»."""
    return "^(" + "|".join("".join(map(_any_spelling, name)) for name in names) + ")$"


def _any_spelling(character: str) -> str:
    if character in "-_ ":
        return "[-_ ]"
    if character.isascii() and character.isalpha():
        return f"[{character.lower()}{character.upper()}]"
    return character if character.isalnum() else "\\" + character
