"""The packages of flows that run on a terminal: resolved, pinned and installed once, in the user's cache."""

from __future__ import annotations

from collections.abc import Sequence

from intellyhub_engine.machine.step import Step
from intellyhub_functions.layers.layers import LayerStore
from intellyhub_functions.settings import settings

__all__ = ["provide"]

SECONDS = 300.0


def provide(requirements: Sequence[str], step: Step) -> str | None:
    """The folder with these requirements' packages. Raises InputInvalid where they cannot be resolved or installed."""
    folder = settings().layers.expanduser()
    store = LayerStore(layers=folder, locks=folder / "locks.json")
    found = store.find(requirements)
    if found is None:
        step.log("info", f"installing {', '.join(requirements)}; this is done once")
        seconds = SECONDS if step.timeout_seconds is None else min(SECONDS, step.timeout_seconds)
        found = store.provide(requirements, seconds=seconds)
    return str(found.folder) if found is not None else None
