"""Plugins in a folder `plugins/` beside a flow: installed ones with their index, and unpacked ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.plugins.tables import make_catalogue

__all__ = ["INDEX", "LAYERS", "catalogue_beside", "find_plugins"]

INDEX = "plugins.json"
"""Where a folder says which plugins are installed in it."""
LAYERS = ".layers"
"""Where in it the packages are that they require."""
SIGNS = ("manifest.json", "pyproject.toml")


def catalogue_beside(folder: Path) -> Catalogue:
    """What a flow can name whose plugins are in this folder. Raises InputInvalid for an index that cannot be read."""
    return make_catalogue(find_plugins(folder))


def find_plugins(folder: Path) -> list[InstalledPlugin]:
    """The plugins in a folder, by name. What is unpacked beside the index runs on the packages of this Python."""
    place = folder.absolute()
    rows = read_index(place)
    found = [make_installed(place, name, row) for name, row in sorted(rows.items())]
    return found + [plugin for plugin in unpacked(place) if plugin.name not in rows]


def read_index(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """`plugins.json`: name -> row."""
    try:
        rows = json.loads((folder / INDEX).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        raise InputInvalid(f"{folder / INDEX} cannot be read: {fault}") from fault
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise InputInvalid(f"{folder / INDEX} is not an index of plugins")
    return rows


def make_installed(folder: Path, name: str, row: Mapping[str, Any]) -> InstalledPlugin:
    """A row as a plugin; its files are named relative to the index."""
    files = str(row.get("folder") or f"{name}/{str(row.get('digest')).removeprefix('sha256:')}")
    layer = row.get("layer")
    return InstalledPlugin(
        name=name, folder=str(folder / files), layer=str(folder / LAYERS / str(layer)) if layer else None
    )


def unpacked(folder: Path) -> Iterator[InstalledPlugin]:
    """Folders with a manifest, a project or Python in them, and single Python files."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_", "test_")) or path.name == "conftest.py":
            continue
        if is_plugin(path):
            yield InstalledPlugin(name=path.stem if path.is_file() else path.name, folder=str(path))


def is_plugin(path: Path) -> bool:
    """A Python file; or a folder that says that it is a plugin, or has Python in it."""
    if path.is_file():
        return path.suffix == ".py"
    return any((path / name).is_file() for name in SIGNS) or next(path.glob("*.py"), None) is not None
