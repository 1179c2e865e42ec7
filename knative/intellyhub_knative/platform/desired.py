"""The desired state in memory, fresh: what is deployed and who the tenants are, as the records on disk say."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import watchfiles

from intellyhub_knative.platform.deployments import Deployment, make_deployment
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.records import read_record, record_names, record_path
from intellyhub_knative.platform.tenants import Tenant, make_tenant

__all__ = ["Desired"]

LOG = logging.getLogger(__name__)
REREAD_SECONDS = 30.0
"""Whatever the system did not report is seen then."""
UNWATCHED_SECONDS = 2.0
SETTLE_MILLISECONDS = 10

FLOW_ID = re.compile("[0-9a-f]{32}")

Record = TypeVar("Record")
Mark = tuple[int, int, int]


class Folder(Generic[Record]):
    """The records of one folder. A file that has not changed is not read again; a damaged one leaves the old record."""

    def __init__(self, path: Path, make: Callable[[Mapping[str, object]], Record]) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self._make = make
        self._marks: dict[str, Mark] = {}

    def read(self) -> bool:
        """Look at every file; True when a record appeared, changed or went."""
        changed = [self.read_one(name) for name in sorted({*record_names(self.path), *self.records})]
        return any(changed)

    def read_one(self, name: str) -> bool:
        """Look at one file; True when its record changed."""
        path = record_path(self.path, name)
        try:
            facts = path.stat()
            mark = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if self._marks.get(name) == mark:
                return False
            self.records[name] = self._make(read_record(self.path, name))
            self._marks[name] = mark
        except FileNotFoundError:
            self._marks.pop(name, None)
            return self.records.pop(name, None) is not None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
            LOG.warning("the record %s cannot be read and is left as it was: %s", path, fault)
            return False
        return True


class Desired:
    """Every deployment and every tenant. Used from one thread."""

    def __init__(self, layout: Layout) -> None:
        self._deployments = Folder(layout.deployments, make_deployment)
        self._tenants = Folder(layout.tenants, make_tenant)
        self._slugs: dict[tuple[str, str], Deployment] = {}
        self._by_tenant: dict[str, list[Deployment]] = {}
        self.asleep: frozenset[str] = frozenset()
        """Flows (ids) whose events are kept for later: inactive ones, and those of suspended tenants."""

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        """By flow id."""
        return self._deployments.records

    @property
    def tenants(self) -> Mapping[str, Tenant]:
        """By tenant id."""
        return self._tenants.records

    def of_tenant(self, tenant_id: str) -> list[Deployment]:
        """All flows of one tenant."""
        return self._by_tenant.get(tenant_id, [])

    def by_slug(self, tenant_id: str, slug: str) -> Deployment | None:
        """The flow that a tenant calls so."""
        return self._slugs.get((tenant_id, slug))

    def read(self) -> bool:
        """Look at everything; True when something changed."""
        changed = [folder.read() for folder in (self._deployments, self._tenants)]
        if any(changed):
            self._index()
        return any(changed)

    def read_flow(self, flow_id: str) -> Deployment | None:
        """One flow, as it is on the disk at this moment. The id may be anything: a stranger may have chosen it."""
        if not FLOW_ID.fullmatch(flow_id):
            return None
        if self._deployments.read_one(flow_id):
            self._index()
        return self.deployments.get(flow_id)

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Read, then follow every change until cancelled. `on_change` is called after each one, first at the start."""
        for folder in (self._deployments, self._tenants):
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.read()
        on_change()
        while True:
            try:
                await self._follow(on_change)
            except (OSError, RuntimeError) as fault:  # the second is what watchfiles raises when the system fails it
                LOG.warning("the desired state is read by the clock, because it cannot be watched: %s", fault)
                self._look(on_change)
                await asyncio.sleep(UNWATCHED_SECONDS)

    async def _follow(self, on_change: Callable[[], None]) -> None:
        changes = watchfiles.awatch(
            self._deployments.path,
            self._tenants.path,
            watch_filter=None,
            step=SETTLE_MILLISECONDS,
            debounce=20 * SETTLE_MILLISECONDS,
            rust_timeout=int(REREAD_SECONDS * 1000),
            yield_on_timeout=True,
            recursive=False,
        )
        try:
            while True:
                following = asyncio.ensure_future(anext(changes))
                try:
                    await asyncio.sleep(0)  # its first step makes the watch: what came before that is read now
                    self._look(on_change)
                    await following
                finally:
                    following.cancel()
                    await asyncio.wait({following})
        finally:
            await changes.aclose()

    def _look(self, on_change: Callable[[], None]) -> None:
        if self.read():
            on_change()

    def _index(self) -> None:
        self._slugs = {(one.tenant_id, one.slug): one for one in self.deployments.values()}
        self._by_tenant = {}
        for one in self.deployments.values():
            self._by_tenant.setdefault(one.tenant_id, []).append(one)
        suspended = {tenant.tenant_id for tenant in self.tenants.values() if tenant.suspended}
        self.asleep = frozenset(
            one.flow_id for one in self.deployments.values() if not one.active or one.tenant_id in suspended
        )
