"""`plugins.yaml`: which plugins a folder of flows wants, loosely by name and version, or pinned to the last byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from intellyhub_control_plane.plugins.candidates import plugin_name
from intellyhub_control_plane.plugins.origins import Origin, read_origin
from intellyhub_control_plane.plugins.repositories import Repository
from intellyhub_control_plane.plugins.store import Choices
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass

__all__ = ["FILE", "Wanted", "WantedPlugin", "read_wanted", "write_wanted"]

FILE = "plugins.yaml"
LOOSE = re.compile(r"^\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._ -]*?)\s*(?P<bounds>[<>=!~].*)?$")
KEYS = frozenset(("name", "version", "source", "digest", "key", "without", "constraints", "lock", "builds"))
HEADER = "# Plugins, pinned: `intellyhub plugins install` brings back just these.\n"


@dataclass(frozen=True, kw_only=True)
class WantedPlugin:
    """One entry."""

    origin: Origin
    bounds: str
    choices: Choices


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The file."""

    repositories: tuple[Repository, ...] = ()
    plugins: tuple[WantedPlugin, ...] = ()


def read_wanted(text: str) -> Wanted:
    """Its content. Raises `InputInvalid` with every fault."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise InputInvalid(f"{FILE} is no YAML: {fault}") from fault
    if document is None:
        return Wanted()
    if not isinstance(document, dict):
        raise InputInvalid(f"{FILE} has no `dependencies:` with a list below it")
    faults: list[str] = []
    plugins = [read_entry(entry, faults) for entry in rows(document, "dependencies", faults)]
    repositories = [read_repository(entry, faults) for entry in rows(document, "repositories", faults)]
    if faults:
        raise InputInvalid(f"{FILE}: {'; '.join(faults)}")
    return Wanted(repositories=tuple(filter(None, repositories)), plugins=tuple(filter(None, plugins)))


def rows(document: Mapping[str, Any], key: str, faults: list[str]) -> list[Any]:
    value = document.get(key) or []
    if not isinstance(value, list):
        faults.append(f"`{key}` is no list")
        return []
    return value


def read_entry(entry: Any, faults: list[str]) -> WantedPlugin | None:
    """`name>=1.0`, a source, or a mapping with pins."""
    try:
        if isinstance(entry, str):
            origin = read_origin(entry)
            return WantedPlugin(origin=origin, bounds=origin.bounds, choices=Choices())
        if isinstance(entry, dict):
            return read_pinned(entry)
    except InputInvalid as fault:
        faults.append(str(fault))
        return None
    faults.append(f"{str(entry)[:100]!r} is neither a name with a version nor a mapping")
    return None


def read_pinned(entry: Mapping[str, Any]) -> WantedPlugin:
    unknown = entry.keys() - KEYS
    if unknown or not isinstance(entry.get("name"), str):
        raise InputInvalid(f"{str(dict(entry))[:100]} must have a `name`, and beside it only {', '.join(sorted(KEYS))}")
    name, bounds = plugin_name(entry["name"]), read_bounds(entry.get("version"))
    source = entry.get("source")
    origin = read_origin(source if isinstance(source, str) else f"{name}{bounds}")
    choices = Choices(
        digest=entry.get("digest"),
        key=entry.get("key"),
        builds=bool(entry.get("builds", False)),
        without=texts(entry, "without"),
        constraints=texts(entry, "constraints"),
        lock=texts(entry, "lock"),
    )
    return WantedPlugin(origin=origin, bounds=bounds, choices=choices)


def read_bounds(version: Any) -> str:
    """`1.0` is that very version, `>=1.0` a bound."""
    text = "" if version is None else str(version).replace(" ", "")
    return text if not text or text[0] in "<>=!~" else f"=={text}"


def read_repository(entry: Any, faults: list[str]) -> Repository | None:
    if isinstance(entry, str):
        return Repository(address=entry)
    if isinstance(entry, dict) and isinstance(entry.get("url"), str):
        return Repository(address=entry["url"], key=entry.get("key"))
    faults.append(f"{str(entry)[:100]!r} is neither the address of a repository nor a mapping with `url`")
    return None


def texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = entry.get(key) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputInvalid(f"{entry.get('name')}: `{key}` is no list of texts")
    return tuple(value)


def write_wanted(plugins: Sequence[Mapping[str, Any]], repositories: Sequence[Repository] = ()) -> str:
    """The file's text. `plugins` have the keys of a pinned entry; empty ones are left out."""
    document: dict[str, Any] = {}
    if repositories:
        document["repositories"] = [
            {"url": each.address, "key": each.key} if each.key else each.address for each in repositories
        ]
    document["dependencies"] = [{key: value for key, value in each.items() if value} for each in plugins]
    return HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200)
