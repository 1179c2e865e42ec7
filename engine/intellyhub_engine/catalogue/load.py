"""Manifests (JSON files) into `StateType` and `SourceType` values, each read when its type is first asked for."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from intellyhub_engine.catalogue.faults import Faults
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, SourceType, StateType, Syntax
from intellyhub_engine.catalogue.names import fold, fold_source
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass

__all__ = [
    "Row",
    "Table",
    "combine",
    "load_source",
    "load_state",
    "make_catalogue",
]


class Named(Protocol):
    """A line of a table, whatever else it says."""

    @property
    def aliases(self) -> tuple[str, ...]: ...


Kind_co = TypeVar("Kind_co", bound=StateType | SourceType, covariant=True)
Line = TypeVar("Line", bound=Named)
Entry_co = TypeVar("Entry_co", covariant=True)

TYPES = frozenset(("string", "integer", "number", "boolean", "array", "object", "any"))
TYPE_SPELLINGS = {
    "float": "number",
    "str": "string",
    "int": "integer",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}


@dataclass(frozen=True)
class Row:
    """One line of a package's table of functions; enough to know a type by name without reading its manifest."""

    manifest: Path
    aliases: tuple[str, ...] = ()
    code: str | None = None
    """`module:name` of what performs or listens; None where the code is not part of the installation."""
    examine: str | None = None
    """`module:name` of what finds more faults in the parameters than the manifest can."""
    hook: str | None = None
    """`module:name` of what reads the requests of a source whose events come over HTTP."""
    complete: str | None = None
    """`module:name` of what fetches, before a run, what an event of the source only names."""
    brought: bool = False
    """True: on a platform nobody listens for it (`SourceType.brought`)."""


class Table(Mapping[str, Kind_co], Generic[Line, Kind_co]):
    """Types by canonical name. Look-ups accept every spelling and alias; iteration gives canonical names only."""

    def __init__(
        self, rows: Mapping[str, Line], load: Callable[[str, Line], Kind_co], normalise: Callable[[str], str]
    ) -> None:
        self._rows = rows
        self._load = load
        self._normalise = normalise
        self._names = {normalise(spelling): name for name, row in rows.items() for spelling in (name, *row.aliases)}
        self._loaded: dict[str, Kind_co] = {}

    def __getitem__(self, spelling: str) -> Kind_co:
        found = self._loaded.get(spelling)
        if found is None:
            name = self._names[self._normalise(spelling)]
            found = self._loaded.get(name) or self._load(name, self._rows[name])
            self._loaded[name] = found
        return found

    def __contains__(self, spelling: object) -> bool:
        return isinstance(spelling, str) and self._normalise(spelling) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Joined(Mapping[str, Entry_co]):
    """Tables one after the other: the first that knows a name answers, and what it gave is kept by canonical name."""

    def __init__(self, tables: Sequence[Mapping[str, Entry_co]]) -> None:
        self._tables = tables
        self._names = tuple({name: None for table in reversed(tables) for name in table})
        self._found: dict[str, Entry_co] = {}

    def __getitem__(self, spelling: str) -> Entry_co:
        if spelling in self._found:
            return self._found[spelling]
        table = next((table for table in self._tables if spelling in table), None)
        if table is None:
            raise KeyError(spelling)
        found = table[spelling]
        if spelling in self._names:
            self._found[spelling] = found
        return found

    def __contains__(self, spelling: object) -> bool:
        return spelling in self._found or any(spelling in table for table in self._tables)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def make_catalogue(states: Mapping[str, Row], sources: Mapping[str, Row]) -> Catalogue:
    """Make a catalogue that reads a manifest when its type is first looked up."""
    return Catalogue(states=Table(states, load_state, fold), sources=Table(sources, load_source, fold_source))


def combine(*catalogues: Catalogue) -> Catalogue:
    """Join catalogues; where two have one type the earlier one counts, so that no package can replace `if`."""
    return Catalogue(
        states=Joined([catalogue.states for catalogue in catalogues]),
        sources=Joined([catalogue.sources for catalogue in catalogues]),
        values=Joined([catalogue.values for catalogue in catalogues]),
        hooks=Joined([catalogue.hooks for catalogue in catalogues]),
        seal="".join(catalogue.seal for catalogue in catalogues),
        beside=next((catalogue.beside for catalogue in catalogues if catalogue.beside), None),
    )


def load_state(name: str, row: Row) -> StateType:
    """Read one state type's manifest. Raises InputInvalid naming the file and every key at fault."""
    text = _read(row.manifest)
    faults = Faults(str(row.manifest))
    state = StateType(
        type=name,
        aliases=row.aliases,
        description=faults.text(text, "description"),
        parameters=_parameters(text, faults),
        effect=faults.boolean(text, "effect", True),
        open_parameters=faults.boolean(text, "open_parameters", False),
        error_default=faults.text(text, "error_default") or None,
        installed=row.code is not None,
        example=_example(text, faults),
        load=_loader(row.code),
        load_examine=_loader(row.examine),
    )
    _identify(text, "state_type", name, fold, faults)
    faults.raise_any()
    return state


def load_source(name: str, row: Row) -> SourceType:
    """Read one listener's manifest. Raises InputInvalid naming the file and every key at fault."""
    text = _read(row.manifest)
    faults = Faults(str(row.manifest))
    source = SourceType(
        type=name,
        aliases=row.aliases,
        description=faults.text(text, "description"),
        parameters=_parameters(text, faults),
        event_type=faults.text(text, "event_type", required=True),
        fields={field: faults.names(flat, f"fields.{field}") for field, flat in faults.mapping(text, "fields").items()},
        root=faults.text(text, "root") or None,
        spread=faults.text(text, "spread") or None,
        sample=faults.mapping(text, "sample"),
        open_parameters=faults.boolean(text, "open_parameters", False),
        installed=row.code is not None,
        load=_loader(row.code),
        load_examine=_loader(row.examine),
        load_hook=_loader(row.hook),
        load_complete=_loader(row.complete),
        brought=row.brought,
    )
    _identify(text, "listener_type", name, fold_source, faults)
    faults.raise_any()
    return source


def _read(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as fault:
        raise InputInvalid(f"{path}: the manifest cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise InputInvalid(f"{path}: the manifest is not JSON: {fault}") from fault
    if not isinstance(manifest, dict):
        raise InputInvalid(f"{path}: the manifest must be a JSON object")
    return manifest


def _identify(text: dict[str, Any], key: str, name: str, normalise: Callable[[str], str], faults: Faults) -> None:
    for required in ("name", "version"):
        faults.text(text, required, required=True)
    if normalise(faults.text(text, key, required=True)) != normalise(name):
        faults.add(key, f"must be {name!r}, the name it is installed under")


def _parameters(text: dict[str, Any], faults: Faults) -> dict[str, Parameter]:
    documentation = faults.mapping(text, "documentation")
    declared = faults.mapping(documentation, "parameters", "documentation.parameters")
    return {name: _parameter(name, body, faults) for name, body in declared.items()}


def _parameter(name: str, body: Any, faults: Faults) -> Parameter:
    place = f"documentation.parameters.{name}"
    if not isinstance(body, dict):
        faults.add(place, "must be an object")
        return Parameter(name=name)
    inner = faults.under(place)
    return Parameter(
        name=name,
        types=_types(body, inner),
        required=inner.boolean(body, "required", False),
        default=body.get("default"),
        enum=tuple(inner.array(body, "enum" if "enum" in body else "options")),
        aliases=inner.names(body.get("aliases", []), "aliases"),
        syntax=inner.choice(body, "syntax", Syntax, Syntax.TEMPLATE),
        minimum=inner.number(body, "minimum"),
        maximum=inner.number(body, "maximum"),
        secret=inner.boolean(body, "secret", False),
        description=inner.text(body, "description"),
    )


def _types(body: dict[str, Any], faults: Faults) -> tuple[str, ...]:
    """`array|string` of published manifests is a union; a type nobody knows is a fault."""
    written = faults.text(body, "type") or "any"
    types = tuple(TYPE_SPELLINGS.get(part.strip(), part.strip()) for part in written.split("|"))
    for unknown in set(types) - TYPES:
        faults.add("type", f"{unknown!r} is not one of {', '.join(sorted(TYPES))}")
    return types


def _example(text: dict[str, Any], faults: Faults) -> Mapping[str, Any] | None:
    """The first example's configuration: a state's body."""
    documentation = faults.mapping(text, "documentation")
    examples = faults.array(documentation, "examples", "documentation.examples")
    first = examples[0] if examples else None
    config = first.get("config") if isinstance(first, dict) else None
    return config if isinstance(config, dict) else None


def _loader(code: str | None) -> Callable[[], Any] | None:
    if code is None:
        return None
    module, _, name = code.partition(":")
    return lambda: getattr(importlib.import_module(module), name)
