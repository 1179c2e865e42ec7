"""`python -m intellyhub_knative.platform.sources`: the sources' host as a process of the platform."""

from __future__ import annotations

import asyncio
import contextlib
import os

from intellyhub_engine.catalogue.installed import installed
from intellyhub_knative.platform.board import json_page, serve, until_told
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.service import Surroundings, enter
from intellyhub_knative.platform.sources.host import Host

__all__ = ["main"]


def main() -> None:
    """Listen until told to stop."""
    asyncio.run(work(enter(os.environ)))


async def work(surroundings: Surroundings) -> None:
    """The host, its records and its board."""
    layout, keys = surroundings.layout, surroundings.keys
    desired = Desired(layout)
    journal = JournalClient(layout.socket("journal"), keys.token(Purpose.JOURNAL))
    host = Host(
        layout=layout,
        keys=keys,
        catalogue=installed(),
        accept=journal.accept,
        desired=desired,
        public_url=os.environ.get("INTELLYHUB_PUBLIC_URL", "").rstrip("/"),
    )

    async def sources() -> object:
        return host.show()

    async with serve(surroundings.listen("sources"), {"/sources": json_page(sources)}):
        surroundings.announce_ready()
        watching = asyncio.create_task(desired.watch(host.reconcile))
        try:
            await until_told(watching)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await asyncio.to_thread(host.stop)
            journal.close()


if __name__ == "__main__":
    main()
