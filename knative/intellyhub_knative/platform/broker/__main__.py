"""`python -m intellyhub_knative.platform.broker`: the broker as a process of the platform."""

from __future__ import annotations

import asyncio
import contextlib
import os

import uvloop

from intellyhub_knative.platform.board import METRICS_TYPE, json_page, serve, until_told
from intellyhub_knative.platform.broker.broker import Broker
from intellyhub_knative.platform.flows import open_flows
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.knative import Knative, read_knative
from intellyhub_knative.platform.service import Surroundings, enter

__all__ = ["main"]


def main() -> None:
    """Serve until told to stop."""
    uvloop.run(work(enter(os.environ), read_knative(os.environ)))


async def work(surroundings: Surroundings, knative: Knative | None) -> None:
    """The broker, on a cluster the forwarder, and its board, in one event loop."""
    layout, keys = surroundings.layout, surroundings.keys
    journal = AsyncJournalClient(surroundings.journal, keys.token(Purpose.JOURNAL))
    flows = open_flows(layout, knative)
    broker = Broker(layout=layout, keys=keys, journal=journal, flows=flows, knative=knative)

    async def metrics() -> tuple[bytes, str]:
        return broker.counters.render(), METRICS_TYPE

    pages = {"/metrics": metrics, "/state": json_page(broker.state)}
    async with serve(surroundings.listen("broker"), pages, surroundings.board):
        surroundings.announce_ready()
        working = asyncio.create_task(broker.run())
        try:
            await until_told(working)
            await broker.end()
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            await flows.close()
            await journal.close()


if __name__ == "__main__":
    main()
