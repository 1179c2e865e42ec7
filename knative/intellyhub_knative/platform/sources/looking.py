"""What the poller does with a tick: it has one flow's source look once, if it is due and nobody else is at it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.errors import EngineError, JournalError
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.ledger import Ledger
from intellyhub_engine.journal.places import JournalCursors, Memory, PlaceMoved
from intellyhub_engine.machine.source import Cursors
from intellyhub_functions.sources.schedule.schedule import PLACE
from intellyhub_knative.platform.deployments import Deployment, make_deployment
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.records import read_record
from intellyhub_knative.platform.sources.placement import POLLED, interval_of, place
from intellyhub_knative.platform.sources.source import Source
from intellyhub_knative.platform.sources.standing import Standing
from intellyhub_knative.platform.sources.turn import (
    OVERTIME_SECONDS,
    QUIET_SECONDS,
    TURN_SECONDS,
    Ending,
    PunctualContext,
    TurnContext,
    take_turn,
)
from intellyhub_knative.platform.tenants import Tenant, make_tenant

__all__ = ["Journal", "Look", "Looking"]

LOG = logging.getLogger(__name__)
EARLY_SECONDS = 2.0
"""A tick may come so much before the interval is over: ticks are not exact."""
PARTING_SECONDS = 20.0
"""After a turn's end, for what is written about it; then its owner is taken for dead."""
QUICK_SECONDS = 20.0
"""A schedule's turn takes no longer, and its next tick may be half a minute away."""
MOST_DELAY = timedelta(minutes=10)
"""A tick that says to be older, or to come from the future, was made by a clock that is wrong."""


class Look(Enum):
    """What came of a tick."""

    LOOKED = "looked"  # how it went stands in the source's standing
    NOT_DUE = "not due"
    BUSY = "busy"  # another tick's turn is not over
    ASLEEP = "asleep"  # the flow is inactive, its tenant suspended, or its source needs no ticks any more
    UNKNOWN = "unknown"  # there is no such flow, or it is not known here yet


class Journal(Memory, Protocol):
    """What the poller needs of the journal."""

    def accept(self, tenant_id: str, events: Sequence[Event], *, hops: int = 0) -> object:
        """Store events, each once; they are durable when this returns."""
        ...


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Looks for all flows. Thread-safe: it keeps nothing."""

    layout: Layout
    keys: Keys
    journal: Journal
    catalogue: Catalogue
    public_url: str = ""

    def look(self, flow_id: str, now: datetime, ticked_at: datetime | None = None) -> Look:
        """One turn of the flow's source, where one is due. Raises `JournalError` where the journal is away: what was
        not stored comes again."""
        found = self._find(flow_id)
        if found is None:
            return Look.UNKNOWN
        deployment, tenant = found
        if not deployment.active or tenant.suspended or not place(deployment, self.catalogue).cron:
            return Look.ASLEEP
        kind = self.catalogue.sources[str((deployment.listener or {})["type"])]
        ticked_at = plausible(ticked_at, now)
        ledger = Ledger(self.journal, deployment.journal_name)
        page = ledger.read()
        ending = make_ending(kind)
        source = self._make_source(deployment, tenant, kind, ending)
        source.standing = Standing.of(page.standing)
        parameters = resolve(source)
        interval = interval_of(kind.type, parameters or {}) if kind.type in POLLED else 0.0
        if interval and page.due_ns(interval) - int(EARLY_SECONDS * 1e9) > nanoseconds(ticked_at):
            return Look.NOT_DUE
        seconds = QUICK_SECONDS if kind.type == "schedule" else TURN_SECONDS + OVERTIME_SECONDS + PARTING_SECONDS
        if not ledger.begin(secrets.token_hex(8), nanoseconds(now), nanoseconds(ticked_at), seconds=seconds):
            return Look.BUSY
        try:
            if parameters is not None:
                self._take_turn(source, kind, parameters, ending, ticked_at)
        finally:
            end(ledger, source, interval)
        return Look.LOOKED

    def _find(self, flow_id: str) -> tuple[Deployment, Tenant] | None:
        try:
            deployment = make_deployment(read_record(self.layout.deployments, flow_id))
            return deployment, make_tenant(read_record(self.layout.tenants, deployment.tenant_id))
        except FileNotFoundError:
            return None

    def _make_source(self, deployment: Deployment, tenant: Tenant, kind: SourceType, ending: Ending) -> Source:
        return Source(
            deployment=deployment,
            tenant=tenant,
            layout=self.layout,
            keys=self.keys,
            kind=kind,
            accept=self.journal.accept,
            public_url=self.public_url,
            cursors=JournalCursors(self.journal, deployment.journal_name),
            stopping=ending,
            surround=PunctualContext if kind.type == "schedule" else TurnContext,
            reported=ending.note_health,
        )

    def _take_turn(
        self, source: Source, kind: SourceType, parameters: Mapping[str, Any], ending: Ending, ticked_at: datetime
    ) -> None:
        """Raises `JournalError`; any other fault is the source's."""
        assert kind.load is not None
        try:
            if kind.type == "schedule":
                anchor(source.context.cursors, ticked_at, counted=not parameters.get("cron"))
            take_turn(kind.load(), parameters, source.context, ending, source.hand_over)
        except PlaceMoved as fault:
            source.fail(fault)
        except JournalError as fault:
            source.wait_for_journal(fault)
            raise
        except Exception as fault:  # noqa: BLE001 - the edge between the poller and a source: `fail` logs it
            source.fail(fault)


def make_ending(kind: SourceType) -> Ending:
    """When a turn of such a source is over."""
    rests = kind.type not in POLLED or POLLED[kind.type].rests
    return Ending(quiet_seconds=None if rests else QUIET_SECONDS)


def resolve(source: Source) -> Mapping[str, Any] | None:
    """The source's parameters; None where they cannot be had, which is then its standing."""
    try:
        return source.resolve()
    except EngineError as fault:
        source.fail(fault)
        return None


def end(ledger: Ledger, source: Source, interval: float) -> None:
    """Write down how the turn went."""
    standing = source.standing
    page = ledger.page.after(failed=not standing.connected)
    if interval:
        standing.next_attempt_ns = page.due_ns(interval)
    try:
        ended = ledger.end(page, standing.keep())
    except JournalError as fault:
        LOG.warning("how the source of %s stands cannot be kept: %s", source.name, fault)
        return
    if not ended:
        LOG.warning("the turn of %s took so long that another one began", source.name)


def anchor(cursors: Cursors, ticked_at: datetime, *, counted: bool) -> None:
    """At the first contact with a schedule, the place from which times are looked for: the tick that made the contact
    was ordered before its time, so that this very time counts; intervals are `counted` from it, so that they end when
    ticks come."""
    if cursors.get(PLACE) is None:
        begins = ticked_at.replace(microsecond=0)
        cursors.put(PLACE, (begins if counted else begins - timedelta(seconds=1)).isoformat())


def plausible(ticked_at: datetime | None, now: datetime) -> datetime:
    """When the tick was made; now, where it says nothing that can be."""
    if ticked_at is None or ticked_at.tzinfo is None or not timedelta() <= now - ticked_at <= MOST_DELAY:
        return now
    return ticked_at.astimezone(UTC)


def nanoseconds(moment: datetime) -> int:
    """Unix nanoseconds."""
    return int(moment.timestamp() * 1e9)
