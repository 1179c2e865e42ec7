"""What the broker asks of the journal service: the part of its client that is used here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunSummary
from intellyhub_knative.platform.outbox import Due, Routing, Settlement, Unrouted

__all__ = ["BrokerJournal"]


class BrokerJournal(Protocol):
    """`AsyncJournalClient`, or a double. Raises `JournalError` when the service cannot be reached for long."""

    async def unrouted(self, *, limit: int = 500) -> Sequence[Unrouted]: ...

    async def route(self, routings: Sequence[Routing]) -> None: ...

    async def due(
        self, now_ns: int, *, limit: int = 500, beyond: Sequence[int] = (), except_flows: Collection[str] = ()
    ) -> Sequence[Due]: ...

    async def settle(self, settlements: Sequence[Settlement]) -> None: ...

    async def bury(
        self,
        tenant_id: str,
        flow_id: str,
        event: Event,
        /,
        *,
        code: int | None = None,
        error: str = "",
        attempts: int = 1,
        hops: int = 0,
        again: bool = False,
    ) -> bool: ...

    async def counts(self) -> Mapping[str, Any]: ...

    async def wait_for_work(self, timeout: float = ..., /) -> None: ...  # noqa: ASYNC109 - the contract's

    async def due_runs(self, now_ns: int, *, limit: int = 100) -> Sequence[RunSummary]: ...

    async def waiting_runs(self, event: Event, *, under: str) -> Sequence[RunSummary]: ...

    async def woken_runs(self, event: Event, *, flow: str) -> Sequence[RunSummary]: ...

    async def find_run(self, flow: str, source: str, event_id: str, /) -> RunSummary | None: ...
