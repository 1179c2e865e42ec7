"""`python -m intellyhub_knative.platform.activator`: the activator as a process of the platform."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop
from aiohttp import web

from intellyhub_engine.blocks.walls import adopt_orphans, hide_from_equals
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.walls.probe import Demand, Walls, demand, probe
from intellyhub_knative.platform.activator.activator import Activator
from intellyhub_knative.platform.activator.api import make_app
from intellyhub_knative.platform.activator.orphans import Orphans
from intellyhub_knative.platform.activator.quotas import watch_workspaces
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.service import Surroundings, enter

__all__ = ["main"]

LOG = logging.getLogger(__name__)
WALLS = "INTELLYHUB_WALLS"
"""Variable: `require` refuses to start where a wall around workers is missing; `best-effort`, the default, says so."""
PATIENCE_SECONDS = 3.5
"""What workers get to finish when the platform stops: all is over within five seconds."""
CHECK_SECONDS = 0.25
SWITCH_SECONDS = 0.0005
"""For how long a thread that walks through a workspace may keep a woken flow waiting."""


def main() -> int:
    """Serve until told to stop; 0 then, 2 where it cannot start."""
    try:
        surroundings = enter(os.environ)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a socket for every flow, three for every worker
        sys.setswitchinterval(SWITCH_SECONDS)
        adopt_orphans()
        hide_from_equals()
        walls = probe()
        demand(walls, os.environ.get(WALLS) or Demand.BEST_EFFORT)
        uvloop.run(work(surroundings, walls))
    except InputInvalid as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - the message is all there is to say
        return 2
    return 0


async def work(surroundings: Surroundings, walls: Walls) -> None:
    """The activator, its socket and its watch over what is deployed, in one event loop."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    layout, keys = surroundings.layout, surroundings.keys
    for sentence in walls.missing:
        LOG.warning("a wall around workers is missing: %s", sentence)
    journal = AsyncJournalClient(layout.socket("journal"), keys.token(Purpose.JOURNAL))
    orphans = Orphans(journal)
    desired = Desired(layout)
    activator = Activator(layout, keys, desired, walls, journal=layout.socket("journal"), orphan=orphans.report)
    activator.start()
    runner = web.AppRunner(make_app(activator), access_log=None)
    await runner.setup()
    await web.SockSite(runner, surroundings.listen("activator")).start()
    opened = asyncio.Event()

    def refresh() -> None:
        activator.refresh()
        opened.set()

    tasks = [
        asyncio.create_task(endless)
        for endless in (desired.watch(refresh), check(activator), watch_workspaces(activator, layout))
    ]
    await first(opened.wait(), *tasks)
    surroundings.announce_ready()
    await first(stopping.wait(), *tasks)
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await activator.close(PATIENCE_SECONDS)
    await orphans.settle(0.5)
    await runner.cleanup()
    await journal.close()


async def first(awaited: Coroutine[Any, Any, object], *tasks: asyncio.Task[None]) -> None:
    """Return when what is awaited happens. What ends one of the tasks is raised: none of them ends by itself."""
    waiting = asyncio.create_task(awaited)
    done, _ = await asyncio.wait((waiting, *tasks), return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def check(activator: Activator) -> None:
    """Look after workers that hang, for ever."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        activator.staff.end_hung()


if __name__ == "__main__":
    sys.exit(main())
