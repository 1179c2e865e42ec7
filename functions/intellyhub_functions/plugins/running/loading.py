"""A plugin's code: its layer, its modules, the class or function that is meant."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from intellyhub_functions.plugins.plugin import spelled
from intellyhub_functions.plugins.running.house import furnish

__all__ = ["find_class", "find_function", "open_plugin"]

NATIVE_PACKAGE = "intellyhub_plugins"


def open_plugin(folder: str, layer: str | None, *, native: bool) -> None:
    """Make a plugin's folder, its layer and what it derives from importable."""
    home = folder if Path(folder).is_dir() else str(Path(folder).parent)
    if layer:
        forget_what_is_in(layer)
        sys.path.insert(0, layer)
    sys.path.append(home)
    if native:
        package = ModuleType(NATIVE_PACKAGE)
        package.__path__ = [home]
        sys.modules[NATIVE_PACKAGE] = package
    else:
        furnish(home)


def forget_what_is_in(layer: str) -> None:
    """Let the plugin import its own versions of what this process has imported already. Who has, keeps what it has."""
    names = {entry.name.partition(".")[0] for entry in os.scandir(layer) if not entry.name.endswith(".dist-info")}
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        if not name.startswith(("intellyhub", "encodings")):
            del sys.modules[name]


def find_function(folder: str, module: str, name: str) -> Any:
    """A function written with `intellyhub`."""
    return getattr(load(folder, module, NATIVE_PACKAGE), name)


def find_class(folder: str, module: str, name: str | None, kind: str, *, listener: bool) -> type:
    """A published class: the one that is named, else the one that registered itself. Raises LookupError."""
    from intellyhub_functions.plugins.running.listener_class import LISTENER_REGISTRY, BaseListener
    from intellyhub_functions.plugins.running.state_class import STATE_REGISTRY, BaseState

    registry, base = (LISTENER_REGISTRY, BaseListener) if listener else (STATE_REGISTRY, BaseState)
    loaded = load(folder, module, "flow.listeners" if listener else "flow.states")
    found = getattr(loaded, name, None) if name else None
    if isinstance(found, type):
        return found
    by_id = {spelled(identity, listener=listener): each for identity, each in registry.items()}
    own = {each for each in registry.values() if each.__module__ == loaded.__name__ and issubclass(each, base)}
    chosen = by_id.get(spelled(kind, listener=listener)) or (own.pop() if len(own) == 1 else None)
    if chosen is None:
        raise LookupError(f"{module} has no class for {kind!r}; registered are {', '.join(registry) or 'none'}")
    return chosen


def load(folder: str, module: str, package: str) -> ModuleType:
    """A file as a module of a package, whatever characters its name has."""
    path = Path(folder) if Path(folder).is_file() else Path(folder) / module
    stem = path.parent.name if path.name == "__init__.py" else path.stem
    name = f"{package}.{stem}"
    importlib.import_module(package)
    places = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a module")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded
