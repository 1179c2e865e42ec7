"""The `postgres` source: rows of an outbox table, or notifications of a channel."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.network.patience import Stopped
from intellyhub_functions.parameters import find_secret
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.postgres.address import read_address
from intellyhub_functions.sources.postgres.connection import Connection
from intellyhub_functions.sources.postgres.outbox import Outbox, Row

__all__ = ["listen"]

EVENT_TYPE = "io.intellyhub.postgres.message"
DEFAULT_TABLE = "intellyhub_outbox"


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Generator[Event, None, None]:
    """One event per row of the outbox, or per notification where only a channel is named. A connection that ends is
    made again, ever later."""
    url = find_secret(parameters, "url", context.settings, "DATABASE_URL")
    reading = make_reading(parameters, url, context)
    backoff = Backoff(context)
    while not context.stopping.is_set():
        try:
            address = read_address(url)
            with Connection(address, context.stopping) as connection:
                connection.run(reading.listening)
                backoff.succeed()
                yield from reading.events(connection, backoff)
        except Stopped:
            return
        except RetryableError as failure:
            reading.lost()
            backoff.fail(failure, "the postgres listener")
        except PermanentError as refusal:
            raise PermanentError(f"the postgres listener ends: {refusal}") from refusal


def make_reading(parameters: Mapping[str, Any], url: str, context: SourceContext) -> Rows | Notices:
    """What is listened to: a channel alone is one, everything else has a table."""
    try:
        from psycopg2 import sql
    except ImportError as fault:
        raise PermanentError("psycopg2 is not installed; it comes with intellyhub-functions[sql]") from fault

    table, channel = text_of(parameters.get("table")).strip(), text_of(parameters.get("channel")).strip()
    seconds = float(parameters.get("check_interval", 30))
    listening = sql.SQL("LISTEN {}").format(sql.Identifier(channel or DEFAULT_TABLE))
    if channel and not table:
        return Notices(channel, listening, seconds, context)
    server = hashlib.sha256(url.rpartition("@")[2].encode()).hexdigest()[:16]
    outbox = Outbox(table or DEFAULT_TABLE, f"postgres {server} {table or DEFAULT_TABLE}", context)
    return Rows(outbox, table or DEFAULT_TABLE, listening, seconds, context)


class Rows:
    """The rows of an outbox. Its notifications only say when to look; it is looked at now and then without them too."""

    def __init__(self, outbox: Outbox, table: str, listening: Any, seconds: float, context: SourceContext) -> None:
        self.listening = listening
        self._outbox = outbox
        self._table = table
        self._seconds = seconds
        self._context = context

    def events(self, connection: Connection, backoff: Backoff) -> Iterator[Event]:
        """The rows' events for as long as the connection lasts."""
        while not self._context.stopping.is_set():
            for row in self._outbox.take(connection):
                yield self._make_event(row)
            backoff.succeed()
            if not self._outbox.took:
                connection.rest(self._seconds)
                connection.notices()

    def lost(self) -> None:
        """The connection has ended: what is inserted meanwhile waits in the table."""

    def _make_event(self, row: Row) -> Event:
        return make_event(
            row.event_id,
            row.data,
            self._context,
            subject=row.subject,
            time=row.created_at,
            table=self._table,
            type=row.type,
            id=row.event_id,
        )


class Notices:
    """The notifications of a channel. PostgreSQL keeps none for who is not connected."""

    def __init__(self, channel: str, listening: Any, seconds: float, context: SourceContext) -> None:
        self.listening = listening
        self._channel = channel
        self._seconds = seconds
        self._context = context
        self._lost_at: float | None = None

    def events(self, connection: Connection, backoff: Backoff) -> Iterator[Event]:
        """The notifications' events for as long as the connection lasts; when nothing comes, it is tried."""
        self._tell_loss()
        while not self._context.stopping.is_set():
            backoff.succeed()
            connection.rest(self._seconds)
            arrived = connection.notices()
            for notice in arrived:
                yield self._make_event(notice.payload, notice.pid)
            if not arrived:
                connection.run("SELECT 1")

    def lost(self) -> None:
        """The connection has ended."""
        self._lost_at = self._lost_at or time.monotonic()

    def _tell_loss(self) -> None:
        if self._lost_at is not None:
            seconds = time.monotonic() - self._lost_at
            self._lost_at = None
            self._context.log(
                "warning",
                f"connected again after {seconds:.0f} s; what {self._channel} was told meanwhile is lost"
                " (an outbox table would have kept it)",
            )

    def _make_event(self, payload: str, pid: int) -> Event:
        number = f"{pid}-{secrets.token_hex(12)}"  # a notification has no name of its own and never comes twice
        now = datetime.fromtimestamp(self._context.now_ns() / 1e9, UTC).isoformat()
        data = read_payload(payload)
        return make_event(number, data, self._context, time=now, channel=self._channel, id=number)


def read_payload(payload: str) -> Any:
    """A notification's text, as JSON where it is an object or a list."""
    if payload.lstrip().startswith(("{", "[")):
        try:
            return json.loads(payload)
        except (ValueError, RecursionError):
            return payload
    return payload


def make_event(
    event_id: str, data: Any, context: SourceContext, *, time: str, subject: str | None = None, **facts: Any
) -> Event:
    """The event of a row or a notification; what the other kind has is None."""
    empty = dict.fromkeys(("table", "channel", "type", "id"))
    return Event(
        id=event_id,
        source=context.address,
        type=EVENT_TYPE,
        subject=subject or None,
        time=time or None,
        datacontenttype="application/json",
        data={**empty, **facts, "data": data, "subject": subject, "created_at": time},
    )
