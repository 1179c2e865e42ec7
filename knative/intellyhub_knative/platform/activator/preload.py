"""Everything a worker can need, imported once in the warm parent: no worker imports it again."""

from __future__ import annotations

import importlib
import logging
import sys

__all__ = ["MODULES", "preload"]

MODULES = (
    # What a worker's own modules import late, so that a small worker starts fast.
    "concurrent.futures.thread",
    "ctypes",
    "encodings.idna",
    "http.client",
    "logging",
    "intellyhub_engine.blocks.child",
    "intellyhub_engine.blocks.evaluation",
    "intellyhub_engine.blocks.python",
    "intellyhub_engine.catalogue.control",
    "intellyhub_engine.journal.memory",
    "intellyhub_engine.journal.remote",
    "intellyhub_engine.language.compile",
    "intellyhub_engine.language.load",
    "intellyhub_engine.language.texts.python_blocks",
    "intellyhub_engine.language.texts.shell",
    "intellyhub_engine.language.values.projection",
    "intellyhub_engine.machine.copies",
    "intellyhub_engine.machine.hiding",
    "intellyhub_engine.machine.recovery",
    "intellyhub_engine.machine.run",
    "intellyhub_engine.walls.enclosure",
    "intellyhub.calling",
    "intellyhub_functions.catalogue",
    "intellyhub_functions.plugins.running.house",
    "intellyhub_functions.plugins.running.loading",
    "intellyhub_functions.plugins.running.state_class",
    "intellyhub_functions.plugins.running.states",
    "intellyhub_functions.plugins.running.variables",
    "intellyhub_functions.plugins.tables",
    "intellyhub_functions.states.command.command",
    "intellyhub_functions.states.command.shell",
    "intellyhub_functions.states.file.file",
    "intellyhub_functions.states.http.http",
    "intellyhub_knative.platform.activator.rehearsal",
    "intellyhub_knative.platform.activator.worker",
    # What authors' Python uses most.
    "base64",
    "collections",
    "csv",
    "datetime",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "random",
    "re",
    "statistics",
    "string",
    "textwrap",
    "urllib.parse",
    "uuid",
    "zoneinfo",
)


def preload() -> None:
    """Import everything; after it, and a rehearsal, nothing is imported for a request any more."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    for module in MODULES:
        importlib.import_module(module)
