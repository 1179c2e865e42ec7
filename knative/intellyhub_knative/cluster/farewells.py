"""Tenants that were deleted: the control plane says so in a row, as nobody can tell it from a row that is missing."""

from __future__ import annotations

import asyncio
from typing import Protocol

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.desired_records import Kind, RecordStore

__all__ = ["NO_FAREWELLS", "Farewells", "StoredFarewells"]


class Farewells(Protocol):
    """Knows who was deleted."""

    async def is_gone(self, tenant_id: str) -> bool:
        """Whether it was said that a tenant was deleted."""

    async def forget(self, tenant_id: str) -> None:
        """Nothing is left of it."""


class NoFarewells:
    """Nobody says anything: where there is no database."""

    async def is_gone(self, tenant_id: str) -> bool:
        """As promised by `Farewells`."""
        return False

    async def forget(self, tenant_id: str) -> None:
        """As promised by `Farewells`."""


NO_FAREWELLS: Farewells = NoFarewells()


@dataclass(frozen=True, kw_only=True)
class StoredFarewells:
    """In PostgreSQL. Raises `RecordsUnavailable`."""

    store: RecordStore

    async def is_gone(self, tenant_id: str) -> bool:
        """As promised by `Farewells`."""
        return await asyncio.to_thread(self.store.read, Kind.GONE, tenant_id) is not None

    async def forget(self, tenant_id: str) -> None:
        """As promised by `Farewells`."""
        await asyncio.to_thread(self.store.remove, Kind.GONE, tenant_id)
