"""`python -m intellyhub_control_plane.builds`: a builder as a process of the platform; there may be several."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from intellyhub_control_plane.builds.builder import Builder
from intellyhub_control_plane.builds.settings import read_build_settings
from intellyhub_control_plane.database.bell import listen
from intellyhub_control_plane.database.database import reason_of
from intellyhub_control_plane.errors import SettingsInvalid
from intellyhub_control_plane.models.builds import Build
from intellyhub_control_plane.platform import Platform, make_platform
from intellyhub_control_plane.repositories.pulling import Puller
from intellyhub_control_plane.settings import read_settings
from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform.board import METRICS_TYPE, serve, until_told
from intellyhub_knative.platform.service import Surroundings, enter

__all__ = ["main"]

LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 5.0
"""How often it is looked for what nobody tells: leases that ended, builds that are tried again."""


def main(environment: Mapping[str, str]) -> int:
    """Build until told to stop. 2: it cannot start, and says why."""
    try:
        surroundings = enter(environment)
        builds = read_build_settings(environment)
        settings = read_settings(environment)
    except (EngineError, SettingsInvalid) as fault:
        print(f"ERROR {fault}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return 2
    if missing := builds.missing():  # it runs all the same: an installation stands before it builds
        LOG.warning("every build will fail: %s", missing)
    platform = make_platform(settings, surroundings.layout, surroundings.keys, surroundings.journal)
    stop = threading.Event()
    asyncio.run(work(surroundings, platform, Builder(platform=platform, settings=builds, stop=stop)))
    return 0


async def work(surroundings: Surroundings, platform: Platform, builder: Builder) -> None:
    """The builder, whoever pulls repositories and who hears of new work in threads, and the board."""

    async def metrics() -> tuple[bytes, str]:
        return await asyncio.to_thread(render, platform), METRICS_TYPE

    stop, puller = builder.stop, Puller(platform=platform, stop=builder.stop)
    bells = threading.Event(), threading.Event()
    told = platform.settings.database_url, bells, stop
    loops = (
        threading.Thread(target=for_ever, args=(builder.work_off, bells[0], stop), name="builder"),
        threading.Thread(target=for_ever, args=(puller.work_off, bells[1], stop), name="puller"),
        threading.Thread(target=listen, args=told, name="bell"),
    )
    async with serve(surroundings.listen("builder"), {"/metrics": metrics}, surroundings.board):
        for thread in loops:
            thread.start()
        surroundings.announce_ready()
        try:
            await until_told()
        finally:
            stop.set()
            for bell in bells:
                bell.set()
            for thread in loops:
                await asyncio.to_thread(thread.join)
            platform.journal.close()
            platform.database.dispose()


def for_ever(work: Callable[[], object], bell: threading.Event, stop: threading.Event) -> None:
    """Work when it rings, and now and then, until told to stop. Where the database is away, it is asked again."""
    while not stop.is_set():
        bell.clear()
        try:
            work()
        except (DBAPIError, EngineError) as fault:
            LOG.warning("the queue cannot be worked off now, and will be tried again: %s", reason_of(fault))
        except Exception:
            LOG.exception("the queue cannot be worked off, and will be tried again")
        bell.wait(0 if stop.is_set() else PAUSE_SECONDS)


def render(platform: Platform) -> bytes:
    """How many builds there are, by status."""
    registry = CollectorRegistry()
    gauge = Gauge("intellyhub_builds", "Builds that are remembered, by status.", ("status",), registry=registry)
    with platform.database.transaction(writing=False) as session:
        for status, number in session.execute(select(Build.status, func.count()).group_by(Build.status)):
            gauge.labels(status).set(number)
    return generate_latest(registry)


if __name__ == "__main__":
    sys.exit(main(os.environ))
