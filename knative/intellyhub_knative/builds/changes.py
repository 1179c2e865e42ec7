"""Which flows of a folder a change touches. Pure: files are given as texts.

A flow changes with its text, its tests, a flow that it calls, and the plugins of its folder (`plugins.yaml`,
`plugins/`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from intellyhub_engine.language.load import examine
from intellyhub_functions.plugins.tables import make_catalogue
from intellyhub_knative.builds.order import names_called

__all__ = ["find_changed", "is_flow_file", "looks_like_flow"]

SUFFIXES = (".yaml", ".yml")
TESTS = (".test.yaml", ".test.yml")
PLUGINS_FILE, PLUGINS_FOLDER = "plugins.yaml", "plugins"
STATES = re.compile(rb"^(?:states|\"states\"|'states')\s*:", re.MULTILINE)
CALLS = re.compile(rb"\b(?:flow|call|subflow|tools)\b")


def is_flow_file(path: str) -> bool:
    """Whether a file may be a flow, by its name."""
    name = PurePosixPath(path).name
    return name.endswith(SUFFIXES) and not name.endswith(TESTS) and name != PLUGINS_FILE and not name.startswith(".")


def looks_like_flow(text: bytes) -> bool:
    """Whether a YAML file is a flow, or was to be one: at its top level it has `states`."""
    return STATES.search(text) is not None


def find_changed(flows: Mapping[str, bytes], changed: Collection[str]) -> list[str]:
    """The flows, by path, that a change of these paths touches, in order. Paths are relative to one folder."""
    calls = {path: set(called_paths(path, text, flows)) for path, text in flows.items()}
    touched = {path for path in flows if touches(path, changed)}
    while more := {path for path, called in calls.items() if path not in touched and called & touched}:
        touched |= more
    return sorted(touched)


def touches(path: str, changed: Iterable[str]) -> bool:
    """Whether one of the changed files is a flow's own."""
    place = PurePosixPath(path)
    own = {path, *(str(place.with_suffix(suffix)) for suffix in TESTS), str(place.with_name(PLUGINS_FILE))}
    plugins = f"{place.with_name(PLUGINS_FOLDER)}/"
    return any(each in own or each.startswith(plugins) for each in changed)


def called_paths(path: str, text: bytes, flows: Mapping[str, bytes]) -> Iterable[str]:
    """The flows beside it that it calls itself."""
    if not CALLS.search(text):
        return
    flow, _ = examine(text, make_catalogue(()), name="flow")
    folder = PurePosixPath(path).parent
    for name in names_called(flow) if flow else ():
        for spot in (name, f"{name}.yaml", f"{name}.yml"):
            if (found := str(folder / spot)) in flows:
                yield found
