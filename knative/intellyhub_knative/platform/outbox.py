"""Events on their way: stored before they are acknowledged, delivered at least once, never lost. The contract.

The journal service keeps it in the database of runs. The ingress and the sources put events in, the broker takes them
out: an event is routed once (which deliveries it becomes), each delivery is attempted until it is settled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from intellyhub_engine.events import Event

__all__ = [
    "Accepted",
    "DeadLetter",
    "Due",
    "Outbox",
    "Outcome",
    "Routing",
    "Settlement",
    "Unrouted",
]


class Accepted(NamedTuple):
    """An event is stored."""

    number: int
    """Rises with every stored event."""
    known: bool
    """True: the tenant already had an event with this source and id, and nothing was stored again."""


class Unrouted(NamedTuple):
    """A stored event that nobody has looked at."""

    number: int
    tenant_id: str
    event: Event
    hops: int
    """How many replies lie between it and an event from outside; the broker drops what has gone round too often."""


class Routing(NamedTuple):
    """What becomes of one event: a delivery to each of these flows; to none, and it is done."""

    number: int
    flow_ids: tuple[str, ...]


class Due(NamedTuple):
    """A delivery whose time has come."""

    delivery_id: int
    tenant_id: str
    flow_id: str
    event: Event
    attempt: int
    """The attempt to be made now, from 1."""
    accepted_ns: int
    hops: int


class Outcome(StrEnum):
    DELIVERED = "delivered"
    RETRY = "retry"  # again at `again_ns`
    DEAD = "dead"  # given up: a dead letter


class Settlement(NamedTuple):
    """What one attempt came to."""

    delivery_id: int
    outcome: Outcome
    again_ns: int = 0
    code: int | None = None
    """The HTTP status that the flow answered; None where there was no answer."""
    error: str = ""
    reply: Event | None = None
    """An event that the flow answered with: stored in the same transaction, addressed to the tenant's broker."""


class DeadLetter(NamedTuple):
    """A delivery that was given up."""

    delivery_id: int
    tenant_id: str
    flow_id: str
    event: Event
    attempts: int
    code: int | None
    error: str
    accepted_ns: int
    died_ns: int


class Outbox(Protocol):
    """Thread-safe. Raises `JournalFull` when the disk is full (nothing was stored), `JournalUnwritable`."""

    def accept(self, tenant_id: str, events: Sequence[Event]) -> Sequence[Accepted]:
        """Store events of one tenant, all or none; they are on the disk when this returns. Wakes the broker."""

    def unrouted(self, *, limit: int = 500) -> Sequence[Unrouted]:
        """Oldest first."""

    def route(self, routings: Sequence[Routing]) -> None:
        """Make deliveries, due at once. Routing an event again changes nothing."""

    def due(
        self, now_ns: int, *, limit: int = 500, beyond: Sequence[int] = (), except_flows: Collection[str] = ()
    ) -> Sequence[Due]:
        """Deliveries to attempt now, oldest first, without those in `beyond` (the ones in flight), and without those
        to `except_flows` (flow ids that can take no more at the moment), so that a slow flow hides no other."""

    def next_due_ns(self) -> int | None:
        """When the next delivery is due."""

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what attempts came to, together with their replies, in one commit. What is settled for good already
        stays as it is, and its reply is not stored again. `RETRY` raises the number of the attempt by one."""

    def dead_letters(
        self, tenant_id: str, *, flow_id: str | None = None, limit: int = 50, before: int | None = None
    ) -> Sequence[DeadLetter]:
        """Newest first; `before` is the last `delivery_id` of the page before."""

    def redeliver(self, tenant_id: str, delivery_ids: Sequence[int]) -> int:
        """Make dead letters due again, with all attempts before them; how many there were."""

    def discard(self, tenant_id: str, delivery_ids: Sequence[int]) -> int:
        """Delete dead letters; how many there were."""

    def bury(
        self,
        tenant_id: str,
        flow_id: str,
        event: Event,
        *,
        code: int | None = None,
        error: str = "",
        attempts: int = 1,
        hops: int = 0,
        again: bool = False,
    ) -> bool:
        """Make a dead letter of an event that was given up elsewhere, or with `again` a delivery that is due at once.
        False, and nothing is made, where the event has a delivery to that flow, dead or not."""

    def counts(self) -> Mapping[str, Any]:
        """`{unrouted, pending, dead}`: for health and metrics."""
