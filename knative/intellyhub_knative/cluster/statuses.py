"""What the reconciler has found out, for the control plane to show and for itself to go on from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.desired_records import StatusKind

__all__ = ["FLOW", "TENANT", "MemoryStatuses", "StatusKeeper", "Statuses", "StoredStatuses"]

FLOW, TENANT = StatusKind.FLOW, StatusKind.TENANT
"""Kinds of statuses; the id is the flow's, the tenant's."""
Document = Mapping[str, Any]


class Statuses(Protocol):
    """Where statuses are kept."""

    async def all(self, kind: StatusKind) -> Mapping[str, Document]:
        """Every status of a kind, by id."""

    async def write(self, kind: StatusKind, name: str, document: Document) -> None:
        """Keep one."""

    async def remove(self, kind: StatusKind, name: str) -> None:
        """Forget one."""


class MemoryStatuses:
    """In memory: for tests, and where there is no database."""

    def __init__(self) -> None:
        self.kept: dict[tuple[StatusKind, str], Document] = {}

    async def all(self, kind: StatusKind) -> Mapping[str, Document]:
        """As promised by `Statuses`."""
        return {name: document for (each, name), document in self.kept.items() if each == kind}

    async def write(self, kind: StatusKind, name: str, document: Document) -> None:
        """As promised by `Statuses`."""
        self.kept[kind, name] = document

    async def remove(self, kind: StatusKind, name: str) -> None:
        """As promised by `Statuses`."""
        self.kept.pop((kind, name), None)


class Store(Protocol):
    """What keeps statuses in PostgreSQL (`platform/desired_records.py`), for those who may block."""

    def statuses(self, kind: StatusKind) -> Mapping[str, Document]: ...

    def write_status(self, kind: StatusKind, name: str, document: Document) -> object: ...

    def remove_status(self, kind: StatusKind, name: str) -> object: ...


@dataclass(frozen=True, kw_only=True)
class StoredStatuses:
    """In PostgreSQL, one request at a time."""

    store: Store
    turn: asyncio.Lock

    async def all(self, kind: StatusKind) -> Mapping[str, Document]:
        """As promised by `Statuses`."""
        async with self.turn:
            return await asyncio.to_thread(self.store.statuses, kind)

    async def write(self, kind: StatusKind, name: str, document: Document) -> None:
        """As promised by `Statuses`."""
        async with self.turn:
            await asyncio.to_thread(self.store.write_status, kind, name, document)

    async def remove(self, kind: StatusKind, name: str) -> None:
        """As promised by `Statuses`."""
        async with self.turn:
            await asyncio.to_thread(self.store.remove_status, kind, name)


class StatusKeeper:
    """Writes a status when it says something new; `since` is when it began to say so."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses
        self._known: dict[tuple[StatusKind, str], Document] = {}

    async def load(self) -> None:
        """Read what was known before."""
        for kind in (FLOW, TENANT):
            for name, document in (await self._statuses.all(kind)).items():
                self._known[kind, name] = document

    def known(self, kind: StatusKind, name: str) -> Document:
        """The last one; empty where there is none."""
        return self._known.get((kind, name), {})

    def of(self, kind: StatusKind) -> Mapping[str, Document]:
        """All of a kind, by id."""
        return {name: document for (each, name), document in self._known.items() if each == kind}

    async def write(self, kind: StatusKind, name: str, document: Document, now: datetime) -> None:
        """Keep it where it differs from the one before."""
        before = {key: value for key, value in self.known(kind, name).items() if key != "since"}
        if before != document:
            kept = {**document, "since": now.isoformat()}
            await self._statuses.write(kind, name, kept)
            self._known[kind, name] = kept

    async def remove(self, kind: StatusKind, name: str) -> None:
        """Forget it."""
        if self._known.pop((kind, name), None) is not None:
            await self._statuses.remove(kind, name)
