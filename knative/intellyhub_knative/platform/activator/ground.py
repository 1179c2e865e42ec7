"""What every worker of this installation may read, and what none may see."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import intellyhub
import intellyhub_engine
import intellyhub_functions
import intellyhub_knative
from intellyhub_engine.walls.enclosure import Ground
from intellyhub_knative.platform.layout import Layout

__all__ = ["make_ground"]

LOG = logging.getLogger(__name__)
PACKAGES = (intellyhub, intellyhub_engine, intellyhub_functions, intellyhub_knative)


def make_ground(layout: Layout) -> Ground:
    """The Python installation and the folders that modules come from; nothing of the data folder."""
    installation = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    folders = {Path(place) for package in PACKAGES for place in package.__path__}
    return Ground(
        readable=tuple(sorted(each.absolute() for each in installation | folders | searched(layout))),
        hidden=(layout.data, layout.sockets),
    )


def searched(layout: Layout) -> set[Path]:
    """The folders of PYTHONPATH, but for one that the data folder lies in: seen from inside, the way to a workspace
    would lead through folders that are closed to workers."""
    entries = {Path(entry).absolute() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    around = {entry for entry in entries if layout.data.is_relative_to(entry)}
    for entry in sorted(around):
        LOG.warning("workers do not see %s of PYTHONPATH, because the data folder lies in it", entry)
    return entries - around
