"""`python -m intellyhub_knative.cluster`: the reconciler as a process of the platform, one of several candidates."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping

import uvloop

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.cluster.applier import Applier
from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.connection import Connection, load_configuration
from intellyhub_knative.cluster.farewells import NO_FAREWELLS, StoredFarewells
from intellyhub_knative.cluster.figures import Figures
from intellyhub_knative.cluster.flow import FlowDeployer
from intellyhub_knative.cluster.leader import Candidate, Terms
from intellyhub_knative.cluster.reconciler import Reconciler, Regularity
from intellyhub_knative.cluster.settings import ProcessSettings, read_process_settings
from intellyhub_knative.cluster.statuses import MemoryStatuses, Statuses, StatusKeeper, StoredStatuses
from intellyhub_knative.cluster.tallies import JournalTallies
from intellyhub_knative.cluster.tenant import TenantDeployer
from intellyhub_knative.platform.board import METRICS_TYPE, json_page, serve, until_told
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.desired_records import RecordStore
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.service import Surroundings, enter

__all__ = ["main"]


def main(environment: Mapping[str, str]) -> int:
    """Serve until told to stop. 2: it cannot start, and says why."""
    try:
        surroundings = enter(environment)
        uvloop.run(work(surroundings, environment))
    except InputInvalid as fault:
        print(f"ERROR {fault}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return 2
    return 0


async def work(surroundings: Surroundings, environment: Mapping[str, str]) -> None:
    """The candidate and its board, in one event loop."""
    settings, shared = read_process_settings(environment)
    await load_configuration(environment)  # so that a wrong one is told at once
    client = ClusterClient(Connection(lambda: load_configuration(environment)))
    journal = AsyncJournalClient(surroundings.journal, surroundings.keys.token(Purpose.JOURNAL), patience_seconds=1.0)
    desired = Desired(surroundings.layout)
    store = RecordStore(settings.database_url) if settings.database_url else None
    statuses, applier = StatusKeeper(open_statuses(store)), Applier(client)
    tenants = TenantDeployer(client=client, applier=applier, settings=shared, desired=desired, statuses=statuses)
    flows = FlowDeployer(
        client=client,
        applier=applier,
        settings=shared,
        keys=surroundings.keys,
        desired=desired,
        statuses=statuses,
        tallies=JournalTallies(journal),
    )
    reconciler = Reconciler(
        client=client,
        applier=applier,
        desired=desired,
        statuses=statuses,
        tenants=tenants,
        flows=flows,
        is_whole=lambda: surroundings.mirror is None or surroundings.mirror.complete,
        farewells=StoredFarewells(store=store) if store is not None else NO_FAREWELLS,
        regularity=Regularity(whole=settings.whole_seconds, farewell=settings.farewell_seconds),
        workers=settings.workers,
    )
    candidate = Candidate(client, namespace=shared.namespace, name=settings.lease, terms=make_terms(settings))
    figures = Figures(client=client, reconciler=reconciler, tenants=tenants, statuses=statuses, candidate=candidate)

    async def metrics() -> tuple[bytes, str]:
        return figures.render(), METRICS_TYPE

    async def state() -> object:
        return figures.state()

    pages = {"/metrics": metrics, "/state": json_page(state)}
    async with serve(surroundings.listen("cluster"), pages, surroundings.board):
        surroundings.announce_ready()
        serving = asyncio.create_task(candidate.serve(reconciler.run))
        try:
            await until_told(serving)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            await journal.close()
            await client.close()


def open_statuses(store: RecordStore | None) -> Statuses:
    """Where statuses are kept."""
    return MemoryStatuses() if store is None else StoredStatuses(store=store, turn=asyncio.Lock())


def make_terms(settings: ProcessSettings) -> Terms:
    """As client-go's proportions."""
    seconds = float(settings.lease_seconds)
    return Terms(duration_seconds=seconds, renewal_seconds=seconds * 2 / 3, pause_seconds=max(0.2, seconds / 7.5))


if __name__ == "__main__":
    sys.exit(main(os.environ))
