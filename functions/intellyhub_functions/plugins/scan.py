"""What a Python file offers to flows, read from its text: functions under `@state` and `@source`, published classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.annotations import UNKNOWN, Annotations, literal
from intellyhub_functions.plugins.docstrings import describe, sentence
from intellyhub_functions.plugins.plugin import Offer

__all__ = ["Scanned", "scan"]

NATIVE = {"state": "states", "source": "listeners"}
PUBLISHED = {"BaseState": "states", "BaseListener": "listeners"}
KEYS = {"states": "state_type", "listeners": "listener_type"}


class Scanned:
    """The offers of one file."""

    def __init__(self) -> None:
        self.states: list[Offer] = []
        self.listeners: list[Offer] = []

    def add(self, room: str, offer: Offer) -> None:
        """One more; `room` is `states` or `listeners`."""
        (self.states if room == "states" else self.listeners).append(offer)


def scan(text: str, module: str) -> Scanned:
    """Read a file's text. Raises InputInvalid where it is no Python."""
    try:
        tree = ast.parse(text, filename=module)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        line = getattr(fault, "lineno", None)
        raise InputInvalid(f"{module}{f':{line}' if line else ''}: not Python: {fault}") from fault
    found = Scanned()
    annotations = Annotations(tree)
    spellings = decorator_names(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for kind, options in decorations(node, spellings):
                found.add(NATIVE[kind], make_native(node, kind, options, annotations, module))
        elif isinstance(node, ast.ClassDef):
            for room in published_room(node, tree):
                found.add(room, make_published(node, room, module))
    add_registered_by_hand(found, tree, module)
    return found


def decorator_names(tree: ast.Module) -> dict[str, str]:
    """What `state` and `source` of `intellyhub` are called in this file."""
    names: dict[str, str] = {}
    for line in ast.walk(tree):
        if isinstance(line, ast.ImportFrom) and line.module == "intellyhub" and not line.level:
            names |= {each.asname or each.name: each.name for each in line.names if each.name in NATIVE}
        elif isinstance(line, ast.Import):
            roots = [each.asname or each.name for each in line.names if each.name == "intellyhub"]
            names |= {f"{root}.{kind}": kind for root in roots for kind in NATIVE}
    return names


def decorations(
    node: ast.FunctionDef | ast.AsyncFunctionDef, spellings: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Which of ours stand above the function, with what they say."""
    for decorator in node.decorator_list:
        called = isinstance(decorator, ast.Call)
        kind = spellings.get(ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator))
        if kind is not None:
            keywords = decorator.keywords if called and isinstance(decorator, ast.Call) else []
            yield kind, {each.arg: literal(each.value) for each in keywords if each.arg}


def make_native(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    kind: str,
    options: dict[str, Any],
    annotations: Annotations,
    module: str,
) -> Offer:
    """The offer of a function. Raises InputInvalid where the decorator says what cannot be read."""
    unreadable = [name for name, value in options.items() if value is UNKNOWN]
    if unreadable:
        raise InputInvalid(f"{module}:{node.lineno}: `{unreadable[0]}` of @{kind} must be a constant: it is only read")
    told = describe(ast.get_docstring(node))
    timeout, aliases = options.get("timeout_seconds"), options.get("aliases") or ()
    if isinstance(timeout, bool) or not isinstance(timeout, int | float | None):
        raise InputInvalid(f"{module}:{node.lineno}: `timeout_seconds` of @{kind} is no number")
    if not isinstance(aliases, tuple | list) or not all(isinstance(each, str) for each in aliases):
        raise InputInvalid(f"{module}:{node.lineno}: `aliases` of @{kind} are no tuple of texts")
    return Offer(
        type=str(options.get("name") or node.name),
        aliases=tuple(aliases),
        module=module,
        name=node.name,
        native=True,
        description=told.summary,
        parameters=dict(read_parameters(node.args, told.parameters, annotations)),
        fields=annotations.keys_of_events(node.returns) if kind == "source" else (),
        pure=bool(options.get("pure")),
        timeout_seconds=float(timeout) if timeout is not None else None,
    )


def read_parameters(
    arguments: ast.arguments, told: dict[str, str], annotations: Annotations
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parameters that flows give, as a manifest has them."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults)) + [*arguments.defaults]
    pairs = [*zip(plain, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    for argument, default in pairs:
        schema = annotations.schema(argument.annotation)
        if schema is None:
            continue
        nullable = schema.pop("nullable", False)
        schema["required"] = default is None and not nullable
        value = annotations.value(default)
        if value is not UNKNOWN and value is not None and not isinstance(value, set | bytes):
            schema["default"] = list(value) if isinstance(value, tuple) else value
        written = schema.get("description") or told.get(argument.arg, "")
        schema["description"] = sentence(written) or sentence(argument.arg.replace("_", " ").capitalize())
        yield argument.arg, schema


def published_room(node: ast.ClassDef, tree: ast.Module) -> Iterator[str]:
    """Where a class of the published interface belongs; classes may derive from others of the file."""
    seen: set[str] = set()
    names = [ast.unparse(each).rpartition(".")[2] for each in node.bases]
    classes = {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}
    while names:
        name = names.pop()
        if name in PUBLISHED:
            yield PUBLISHED[name]
            return
        if name in classes and name not in seen:
            seen.add(name)
            names += [ast.unparse(each).rpartition(".")[2] for each in classes[name].bases]


def make_published(node: ast.ClassDef, room: str, module: str) -> Offer:
    """The offer of a class: its id is its class attribute, else made of its name (FLOW_LANGUAGE section 9.2)."""
    told = describe(ast.get_docstring(node))
    return Offer(
        type=class_attribute(node, KEYS[room]) or default_id(node.name, room),
        module=module,
        name=node.name,
        description=told.summary,
    )


def class_attribute(node: ast.ClassDef, key: str) -> str:
    """A class attribute that is a text."""
    for line in node.body:
        targets = (
            line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == key for target in targets):
            value = literal(line.value) if isinstance(line, ast.Assign | ast.AnnAssign) and line.value else None
            return value if isinstance(value, str) else ""
    return ""


def default_id(name: str, room: str) -> str:
    """The id of a class that names none: a state's without `State`, a listener's as it is; in lower case."""
    lowered = name.lower()
    return lowered.removesuffix("state") or lowered if room == "states" else lowered


def add_registered_by_hand(found: Scanned, tree: ast.Module, module: str) -> None:
    """`STATE_REGISTRY['x'] = Class`, which older guides teach."""
    rooms = {"STATE_REGISTRY": "states", "LISTENER_REGISTRY": "listeners"}
    for line in tree.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else None
        if not (
            isinstance(line, ast.Assign) and isinstance(target, ast.Subscript) and isinstance(line.value, ast.Name)
        ):
            continue
        room, key = rooms.get(ast.unparse(target.value).rpartition(".")[2]), literal(target.slice)
        if room and isinstance(key, str):
            found.add(room, Offer(type=key, module=module, name=line.value.id))
