"""The desired state as it is at the moment of a request: who published a flow can call its hook at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Present"]

GRAIN_NS = 20_000_000
"""File systems stamp a folder with the last tick of the kernel's clock: what happens within one tick looks the same."""


class Present:
    """Tenants by slug and their flows, looked up in memory; the folders are read again when they have changed."""

    def __init__(self, layout: Layout) -> None:
        self.desired = Desired(layout)
        self._folders = (layout.deployments, layout.tenants)
        self._stamps: tuple[int, ...] | None = None
        self._tenants: dict[str, Tenant] = {}

    def look(self) -> None:
        """Make sure that what was written before this call is known. Costs two looks at the file system."""
        stamps = tuple(stamp(folder) for folder in self._folders)
        if stamps != self._stamps:
            settled = all(time.time_ns() - each > GRAIN_NS for each in stamps)
            self._stamps = stamps if settled else None
            if self.desired.read():
                self.index()

    def tenant(self, slug: str) -> Tenant | None:
        """The tenant of that slug."""
        return self._tenants.get(slug)

    def flow(self, tenant: Tenant, slug: str) -> Deployment | None:
        """A tenant's flow of that slug."""
        return self.desired.by_slug(tenant.tenant_id, slug)

    def journal_name(self, flow_id: str) -> str | None:
        """What the journal calls a flow."""
        self.look()
        found = self.desired.deployments.get(flow_id)
        return found.journal_name if found else None

    def index(self) -> None:
        """Find tenants by slug."""
        self._tenants = {tenant.slug: tenant for tenant in self.desired.tenants.values()}

    async def watch(self) -> None:
        """Follow changes until cancelled, so that `look` seldom has anything to read."""
        with suppress(asyncio.CancelledError):
            await self.desired.watch(self.index)


def stamp(folder: Path) -> int:
    """When something was last put into a folder or taken out of it; 0 where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
