"""What this installation offers: the machine's own state types and the tables of the installed function packages."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

from intellyhub_engine.catalogue.load import combine
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid

__all__ = ["ENTRY_POINT_GROUP", "VARIABLE", "installed", "installed_beside"]

ENTRY_POINT_GROUP = "intellyhub.catalogue"
PLUGINS = "plugins"
"""The folder beside a flow in which its plugins are."""
VARIABLE = "INTELLYHUB_CATALOGUE"
"""`module:ATTRIBUTE[,module:ATTRIBUTE]`: names the tables outright, which spares the scan of installed packages
(about 10 ms). An empty value means: the machine's own state types only."""


@functools.cache
def installed() -> Catalogue:
    """Everything a flow can name here. Found once per process; a manifest is read when its type is looked up."""
    from intellyhub_engine.catalogue.control import CONTROL

    return combine(Catalogue(states=CONTROL), *_tables())


def installed_beside(flow: str | Path) -> Catalogue:
    """What the flow in this file can name: everything installed, and what the plugins in `plugins/` beside it bring.
    `-`, which is no file, is in the working folder."""
    return _beside(str((Path.cwd() if str(flow) in ("", "-") else Path(flow).absolute().parent) / PLUGINS))


@functools.cache
def _beside(folder: str) -> Catalogue:
    catalogue = installed()
    if catalogue.beside is None or not Path(folder).is_dir():
        return catalogue
    module, _, name = catalogue.beside.partition(":")
    made = getattr(importlib.import_module(module), name)(Path(folder))
    assert isinstance(made, Catalogue)
    return made


def _tables() -> Iterator[Catalogue]:
    named = os.environ.get(VARIABLE)
    if named is not None:
        yield from (_import(path.strip(), VARIABLE) for path in named.split(",") if path.strip())
        return
    from importlib import metadata  # its imports cost as much as all the rest of a small worker

    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        yield _import(entry_point.value, f"the entry point {entry_point.name!r}")


def _import(path: str, origin: str) -> Catalogue:
    module, _, attribute = path.partition(":")
    try:
        catalogue = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as fault:
        raise InputInvalid(f"{origin} names {path!r}, which cannot be imported: {fault}") from fault
    if not isinstance(catalogue, Catalogue):
        raise InputInvalid(f"{origin} names {path!r}, which is not a Catalogue")
    return catalogue
