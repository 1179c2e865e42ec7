"""A reconciler over a cluster that behaves: records in a folder, real HTTP between them, no waiting for the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet  # noqa: F401 - imported once, outside of any test's time
from kubernetes.aio.client import Configuration

from intellyhub_knative.cluster.applier import Applier
from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.connection import Connection
from intellyhub_knative.cluster.flow import FlowDeployer, Rhythm
from intellyhub_knative.cluster.reconciler import Reconciler, Regularity
from intellyhub_knative.cluster.rollout import Tally
from intellyhub_knative.cluster.statuses import FLOW, TENANT, MemoryStatuses, StatusKeeper
from intellyhub_knative.cluster.tenant import Pace, TenantDeployer
from intellyhub_knative.manifests.names import names_of, namespace_of
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.deployments import Deployment, Version, remove_deployment, write_deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant, remove_tenant, write_tenant
from tests.unit.knative.cluster.api_server import ApiServer, running
from tests.unit.knative.cluster.knative import Knative

ADA, BOB = "a" * 32, "b" * 32
PATIENCE_SECONDS = 10.0


def image(number: int) -> str:
    return f"registry.test/flows@sha256:{number:064x}"


def make_tenant(tenant_id: str = ADA, **more: Any) -> Tenant:
    return Tenant(
        tenant_id=tenant_id, slug=more.pop("slug", tenant_id[0] * 3), max_pods=more.pop("max_pods", 3), **more
    )


def make_flow(letter: str = "1", numbers: tuple[int, ...] = (1,), **more: Any) -> Deployment:
    """A flow with these versions, the current one first."""
    versions = tuple(
        Version(number=number, digest=f"{number:064x}", path=f"/flows/{number}.yaml", image=image(number))
        for number in numbers
    )
    given = {"tenant_id": ADA, "tenant_slug": "aaa", "slug": f"flow{letter}", "name": "Flow"} | more
    return Deployment(flow_id=letter * 32, versions=versions, **given)


class FixedTallies:
    """Runs as a test says."""

    def __init__(self) -> None:
        self.tally = Tally()

    async def of(self, deployment: Deployment) -> Tally:
        return self.tally


class SaidFarewells:
    """Tenants that were deleted, as a test says."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    async def is_gone(self, tenant_id: str) -> bool:
        return tenant_id in self.gone

    async def forget(self, tenant_id: str) -> None:
        self.gone.discard(tenant_id)


class House:
    """The cluster, the records, the reconciler."""

    def __init__(self, folder: Path, api: ApiServer, address: str) -> None:
        self.layout = Layout(data=folder)
        self.api, self.knative = api, Knative(api)
        self.address = address
        self.statuses = MemoryStatuses()
        self.farewells = SaidFarewells()
        self.tallies = FixedTallies()
        self.settings = ClusterSettings()
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.whole = True
        self.regularity = Regularity(whole=30.0, farewell=0.05, watch_pause=0.02, longest_pause=0.2)

    def put(self, *records: Tenant | Deployment) -> None:
        for record in records:
            if isinstance(record, Tenant):
                write_tenant(self.layout.tenants, record)
            else:
                write_deployment(self.layout.deployments, record)

    def drop(self, record: Tenant | Deployment) -> None:
        if isinstance(record, Tenant):
            remove_tenant(self.layout.tenants, record.tenant_id)
        else:
            remove_deployment(self.layout.deployments, record.flow_id)

    def make_client(self) -> ClusterClient:
        async def load() -> Configuration:
            return Configuration(host=self.address)

        return ClusterClient(Connection(load), attempts=1)

    def make_reconciler(self, client: ClusterClient) -> Reconciler:
        desired, statuses, applier = Desired(self.layout), StatusKeeper(self.statuses), Applier(client)
        common: dict[str, Any] = {
            "client": client,
            "applier": applier,
            "settings": self.settings,
            "desired": desired,
            "statuses": statuses,
            "now": lambda: self.moment,
        }
        pace = Pace(trigger=0.05, subscribers=0.05, ending=0.02, broker=0.05)
        rhythm = Rhythm(soon=0.01, deploying=0.03, failing=0.03, failed=0.05, rolling_out=0.02)
        return Reconciler(
            client=client,
            applier=applier,
            desired=desired,
            statuses=statuses,
            tenants=TenantDeployer(pace=pace, **common),
            flows=FlowDeployer(keys=Keys(b"k" * 32), tallies=self.tallies, rhythm=rhythm, **common),
            is_whole=lambda: self.whole,
            farewells=self.farewells,
            regularity=self.regularity,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Reconciler]:
        """A reconciler at work."""
        client = self.make_client()
        reconciler = self.make_reconciler(client)
        task = asyncio.create_task(reconciler.run())
        try:
            yield reconciler
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await client.close()

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait for something to be so: each change in the cluster is an occasion to look."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(KeyError, IndexError, TypeError):
                if holds():
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"{what or holds} did not happen; statuses: {self.statuses.kept}")
            stirred = self.api.stirred
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await stirred.wait()

    def status(self, flow: Deployment) -> dict[str, Any]:
        return dict(self.statuses.kept.get((FLOW, flow.flow_id), {}))

    def tenant_status(self, tenant_id: str = ADA) -> dict[str, Any]:
        return dict(self.statuses.kept.get((TENANT, tenant_id), {}))

    def is_ready(self, flow: Deployment) -> bool:
        """Whether all of a flow stands, with the version that the record has."""
        status = self.status(flow)
        return bool(
            status.get("state") == "ready"
            and status["version"] == flow.current.number
            and status["trigger"] == {"ready": True, "version": flow.current.number}
        )

    def service(self, flow: Deployment) -> dict[str, Any]:
        names = names_of(flow)
        found = [each for each in self.api.of("services") if each["metadata"]["name"] == names.service]
        return found[0] if found else {}

    def routed(self, flow: Deployment) -> dict[str, int]:
        return dict(self.status(flow).get("routed") or {})

    def later(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    @property
    def namespace(self) -> str:
        return namespace_of(make_tenant())


def drive(folder: Path, story: Callable[[House], Any]) -> None:
    """Run an async test with a cluster of its own."""

    async def tell() -> None:
        api = ApiServer()
        async with running(api) as address:
            await story(House(folder, api, address))

    asyncio.run(tell())


def with_versions(flow: Deployment, *numbers: int, **more: Any) -> Deployment:
    """The same flow, with other versions."""
    made = make_flow(flow.flow_id[0], numbers)
    return replace(flow, versions=made.versions, **more)
