"""Annotations into JSON types, read from a file's text: nothing of the file is run.

What cannot be known without running it (a type of another module) is `any`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

__all__ = ["Annotations", "literal"]

PLAIN = {
    "str": "string",
    "Path": "string",
    "date": "string",
    "datetime": "string",
    "UUID": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "List": "array",
    "Sequence": "array",
    "Iterable": "array",
    "set": "array",
    "frozenset": "array",
    "tuple": "array",
    "Tuple": "array",
    "dict": "object",
    "Dict": "object",
    "Mapping": "object",
    "Any": "any",
    "object": "any",
    "None": "null",
}
OF_VALUES = {str: "string", bool: "boolean", int: "integer", float: "number"}
CONTEXTS = frozenset(("Context", "SourceContext"))
STREAMS = frozenset(("Iterator", "Iterable", "Generator", "AsyncIterator", "AsyncGenerator"))
MAX_DEPTH = 12
UNKNOWN = object()


class Annotations:
    """The annotations of one file. Classes and names that it defines itself are followed."""

    def __init__(self, module: ast.Module) -> None:
        self._classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
        self._values = dict(assigned(module))
        self._spellings = dict(imported(module))

    def schema(self, annotation: ast.expr | None, depth: int = 0) -> dict[str, Any] | None:
        """`{type, enum?, minimum?, maximum?, secret?, aliases?, description?, items?, properties?}`; None for a
        context, which flows do not give."""
        if annotation is None or depth > MAX_DEPTH:
            return {"type": "any"}
        if isinstance(annotation, ast.Constant):
            return self._of_constant(annotation, depth)
        if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            return self._union([annotation.left, annotation.right], depth)
        if isinstance(annotation, ast.Subscript):
            return self._of_subscript(annotation, depth)
        name = self._name(annotation)
        if name in CONTEXTS:
            return None
        if name == "Secret":
            return {"type": "string", "secret": True}
        if name in PLAIN:
            return {"type": PLAIN[name]}
        if name in self._classes:
            return self._of_class(self._classes[name], depth)
        if name in self._values:
            return self.schema(self._values[name], depth + 1)
        return {"type": "any"}

    def value(self, node: ast.expr | None) -> Any:
        """The value of a constant expression, a member of an enumeration, or a name for one; UNKNOWN else."""
        if node is None:
            return UNKNOWN
        found = literal(node)
        if found is not UNKNOWN:
            return found
        if isinstance(node, ast.Name) and node.id in self._values:
            return literal(self._values[node.id])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self._classes:
            return dict(members(self._classes[node.value.id])).get(node.attr, UNKNOWN)
        return UNKNOWN

    def keys_of_events(self, returns: ast.expr | None) -> tuple[str, ...]:
        """The keys of what a generator yields, where its annotation names a class of this file that says them."""
        if isinstance(returns, ast.Subscript) and self._name(returns.value) in STREAMS:
            inner = returns.slice.elts[0] if isinstance(returns.slice, ast.Tuple) else returns.slice
            schema = self.schema(inner)
            return tuple(schema.get("properties", ())) if schema else ()
        return ()

    def _name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute):
            return node.attr
        return self._spellings.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def _of_constant(self, node: ast.Constant, depth: int) -> dict[str, Any] | None:
        if node.value is None:
            return {"type": "null"}
        if not isinstance(node.value, str):
            return {"type": "any"}
        try:
            return self.schema(ast.parse(node.value, mode="eval").body, depth + 1)
        except SyntaxError:
            return {"type": "any"}

    def _of_subscript(self, node: ast.Subscript, depth: int) -> dict[str, Any] | None:
        name = self._name(node.value)
        inside = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            return of_choices([literal(each) for each in inside])
        if name == "Annotated":
            return self._annotated(inside, depth)
        if name == "Optional":
            return self._union([*inside, ast.Constant(None)], depth)
        if name == "Union":
            return self._union(inside, depth)
        kind = PLAIN.get(name, "any")
        items = self.schema(inside[0], depth + 1) if kind == "array" else None
        return {"type": kind} | ({"items": items} if items and items["type"] != "any" else {})

    def _annotated(self, inside: list[ast.expr], depth: int) -> dict[str, Any] | None:
        schema = self.schema(inside[0], depth + 1)
        if schema is None:
            return None
        for mark in inside[1:]:
            schema |= self._mark(mark)
        return schema

    def _mark(self, mark: ast.expr) -> dict[str, Any]:
        text = literal(mark)
        if isinstance(text, str):
            return {"description": text}
        if not isinstance(mark, ast.Call):
            return {}
        given = [self.value(each) for each in mark.args]
        named = {each.arg: self.value(each.value) for each in mark.keywords if each.arg}
        if self._name(mark.func) == "Range":
            bounds = dict(zip(("minimum", "maximum"), given, strict=False)) | named
            return {name: bound for name, bound in bounds.items() if isinstance(bound, int | float)}
        if self._name(mark.func) == "Alias":
            return {"aliases": [name for name in given if isinstance(name, str)]}
        return {}

    def _union(self, members_: list[ast.expr], depth: int) -> dict[str, Any]:
        schemas = [self.schema(each, depth + 1) or {"type": "any"} for each in members_]
        known = [schema for schema in schemas if schema["type"] != "null"]
        merged: dict[str, Any] = {}
        for schema in known:
            merged |= schema
        types = dict.fromkeys(part for schema in known for part in schema["type"].split("|"))
        merged["type"] = "any" if "any" in types or not types else "|".join(types)
        if len(known) > 1:
            choices = [schema.get("enum") for schema in known]
            merged.pop("enum", None)
            if all(choices):
                merged["enum"] = [choice for each in choices for choice in each or ()]
        if len(known) < len(schemas):
            merged["nullable"] = True
        return merged

    def _of_class(self, node: ast.ClassDef, depth: int) -> dict[str, Any]:
        if any(self._name(each) in ("Enum", "StrEnum", "IntEnum") for each in node.bases):
            return of_choices([value for _, value in members(node)])
        properties = {
            line.target.id: self.schema(line.annotation, depth + 1)
            for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        }
        return {"type": "object", "properties": {name: each for name, each in properties.items() if each}}


def of_choices(values: list[Any]) -> dict[str, Any]:
    """A value out of a list."""
    known = [value for value in values if value is not UNKNOWN and value is not None]
    types = dict.fromkeys(OF_VALUES.get(type(value), "any") for value in known)
    schema: dict[str, Any] = {"type": "|".join(types) or "any"}
    return schema | ({"enum": known} if known and len(known) == len(values) - values.count(None) else {})


def literal(node: ast.expr) -> Any:
    """The value of a constant expression; UNKNOWN for any other."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def members(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """The members of an enumeration; an `auto()` of a StrEnum is its name in lower case."""
    for line in node.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            value = literal(line.value)
            yield line.targets[0].id, line.targets[0].id.lower() if value is UNKNOWN else value


def assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names that stand for something: `Tone = Literal[...]`, `type Tone = ...`, `LIMIT: Final = 5`."""
    for line in module.body:
        if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
            yield line.targets[0].id, line.value
        elif isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
            yield line.target.id, line.value
        elif type(line).__name__ == "TypeAlias":  # Python 3.12
            yield line.name.id, line.value  # type: ignore[attr-defined]


def imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Names given at an import, with what they are called where they come from."""
    for line in module.body:
        if isinstance(line, ast.ImportFrom):
            for each in line.names:
                if each.asname:
                    yield each.asname, each.name
