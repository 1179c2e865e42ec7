"""The names under which published plugins find what they derive from: `flow.flow`, `flow.states.base_state` and so on.

They exist only in a process that runs such a plugin, as modules made in memory: nothing called `flow` is installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["STATES_PACKAGE", "furnish"]

STATES_PACKAGE = "flow.states"
LISTENERS_PACKAGE = "flow.listeners"
HERE = __package__
OFFERED = {
    "flow": (),
    "flow.flow": (f"{HERE}.flow_diagram",),
    "flow.utils": (f"{HERE}.safe_logger",),
    "flow.states": (f"{HERE}.state_class",),
    "flow.states.base_state": (f"{HERE}.state_class",),
    "flow.listeners": (f"{HERE}.listener_class",),
    "flow.listeners.base_listener": (f"{HERE}.listener_class",),
}
"""Name -> the modules whose public names it has."""
PACKAGES = frozenset(("flow", STATES_PACKAGE, LISTENERS_PACKAGE))


class House(MetaPathFinder, Loader):
    """Finds and makes the modules. Files beside the plugin's own are modules of its package, as they were when all of
    them were copied into one folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module of ours; None for all others."""
        if fullname not in OFFERED:
            return None
        spec = ModuleSpec(fullname, self, origin="intellyhub", is_package=fullname in PACKAGES)
        if fullname in PACKAGES and fullname != "flow":
            spec.submodule_search_locations = [self._folder]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """An ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill it with what plugins look for."""
        for name in OFFERED[module.__name__]:
            provider = importlib.import_module(name)
            vars(module).update({each: getattr(provider, each) for each in provider.__all__})


def furnish(folder: str) -> None:
    """Make the names importable; `folder` is the plugin's."""
    for name in [name for name in sys.modules if name == "flow" or name.startswith("flow.")]:
        del sys.modules[name]
    sys.meta_path.insert(0, House(folder))
