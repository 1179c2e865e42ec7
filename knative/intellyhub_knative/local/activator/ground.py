"""What every worker of this installation may read, and what none may see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import intellyhub_engine
import intellyhub_functions
import intellyhub_knative
from intellyhub_engine.walls.enclosure import Ground
from intellyhub_knative.local.layout import Layout

__all__ = ["make_ground"]

PACKAGES = (intellyhub_engine, intellyhub_functions, intellyhub_knative)


def make_ground(layout: Layout) -> Ground:
    """The Python installation and the folders that modules come from; nothing of the data folder."""
    installation = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    folders = {Path(place) for package in PACKAGES for place in package.__path__}
    searched = {Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    return Ground(
        readable=tuple(sorted(each.absolute() for each in installation | folders | searched)),
        hidden=(layout.data, layout.sockets),
    )
