"""Builds and pulls on one machine: made by a thread of the control plane when they are asked for, one at a time.

Not a process of its own: nearly always there is nothing to build here, and what a build does not do in other processes
(tests, packages, git) takes milliseconds. On a cluster the builder is a process (`__main__`).
"""

from __future__ import annotations

import logging
import os
import threading

from intellyhub_control_plane.platform import Platform
from intellyhub_functions.layers.records import held

__all__ = ["begin_work", "work_off"]

LOG = logging.getLogger(__name__)
PLACES = threading.BoundedSemaphore(2)
"""One that works and one that waits for its turn: it will find whatever is asked for meanwhile."""


def begin_work(platform: Platform) -> None:
    """See to it that what has just been committed is done soon; on a cluster the builder looks by itself."""
    if platform.publisher.target.has_images or not PLACES.acquire(blocking=False):
        return
    threading.Thread(target=work_alone, args=(platform,), name="builds", daemon=True).start()


def work_alone(platform: Platform) -> None:
    """The thread."""
    try:
        work_off(platform)
    except Exception:
        LOG.exception("builds could not be worked off, and will be tried again")
    finally:
        PLACES.release()


def work_off(platform: Platform) -> None:
    """Build and pull until nothing is left to do, unless another process of this machine is at it: then after it."""
    if platform.publisher.target.has_images:
        return
    from intellyhub_control_plane.builds.builder import Builder
    from intellyhub_control_plane.builds.settings import read_build_settings
    from intellyhub_control_plane.repositories.pulling import Puller

    folder = platform.layout.data / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held(folder / "builds.lock"):
        Puller(platform=platform).work_off()
        builder = Builder(platform=platform, settings=read_build_settings(os.environ), stop=threading.Event())
        builder.work_off()
