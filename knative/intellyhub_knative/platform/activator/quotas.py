"""Looks at how much the workspaces of tenants hold whose flows run, and takes the right to write from those above."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from intellyhub_engine.walls.quota import measure, stop_writing
from intellyhub_knative.platform.activator.activator import Activator
from intellyhub_knative.platform.layout import Layout

__all__ = ["look_at_workspaces", "watch_workspaces"]

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 5.0


async def watch_workspaces(activator: Activator, layout: Layout) -> None:
    """Look every few seconds, for ever."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await look_at_workspaces(activator, layout)


async def look_at_workspaces(
    activator: Activator, layout: Layout, *, stop: Callable[[int], None] = stop_writing
) -> None:
    """Look once, at the tenants that have workers."""
    workers = defaultdict(list)
    for door, worker in activator.staff.everyone():
        workers[door.tenant_id].append(worker)
    full = activator.briefing.full
    for tenant_id, its_workers in workers.items():
        tenant = activator.desired.tenants.get(tenant_id)
        if tenant is None:
            continue
        limit = tenant.max_workspace_bytes
        if await asyncio.to_thread(measure, layout.workspace_of(tenant_id), limit) <= limit:
            full.discard(tenant_id)
            continue
        if tenant_id not in full:
            LOG.warning("the workspace of %s holds more than %d bytes: its flows can only delete", tenant.slug, limit)
        full.add(tenant_id)
        for pid in [worker.pid for worker in its_workers if worker.pid is not None]:
            try:
                stop(pid)
            except OSError as fault:
                LOG.error("the worker %d cannot be kept from writing: %s", pid, fault)  # noqa: TRY400
