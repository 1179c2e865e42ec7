"""`python -m intellyhub_knative.platform.sources.poller`: the Knative Service that PingSources wake.

A tick comes in, one flow's source looks once, what it found is in the outbox, and the answer is empty. Nothing is kept
here: the place of every source is in the journal, so that this scales to zero, and to many.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol
from weakref import WeakValueDictionary

from aiohttp import web

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.errors import InputInvalid, JournalError
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.service import enter
from intellyhub_knative.platform.sources.looking import Look, Looking
from intellyhub_knative.platform.sources.ticks import PATH, TickRefused, is_genuine, read_flow_id
from intellyhub_knative.platform.sources.turn import OVERTIME_SECONDS, TURN_SECONDS

__all__ = ["Poller", "main"]

LOG = logging.getLogger(__name__)
TURNS = 20
"""Looks at a time: each waits for somebody's server most of the time."""
MOST_OF_A_TENANT = 5
"""Of those. Further ticks wait here: whose servers are slow holds up nobody else."""
MOST_BODY_BYTES = 64 * 1024
ANSWER_SECONDS = TURN_SECONDS + OVERTIME_SECONDS + 15.0
PLACE_SECONDS = 60.0
"""Both together are less than the Service's own limit, which answers with a body."""
AGAIN_SECONDS = "5"
QUIET_SECONDS = 0.5
"""After SIGTERM it goes on until nothing has come for so long: the Service sends what is on its way here."""
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - a pod is reached from outside; who may order a look is decided by the tick's proof


class Looks(Protocol):
    """`Looking`, or a double."""

    def look(self, flow_id: str, now: datetime, ticked_at: datetime | None = None) -> Look:
        """One turn."""
        ...


class Poller:
    """Takes ticks."""

    def __init__(self, looking: Looks, keys: Keys) -> None:
        self._looking = looking
        self._keys = keys
        self._turns = ThreadPoolExecutor(TURNS, thread_name_prefix="turn")
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By namespace, while somebody has one or waits for one."""
        self._counts: Counter[str] = Counter()
        self.in_flight = 0

    def make_application(self) -> web.Application:
        """What is served."""
        application = web.Application(client_max_size=MOST_BODY_BYTES)
        application.router.add_post(PATH + "{flow_id}", self.take)
        application.router.add_post(PATH.rstrip("/"), self.take)
        for path in ("/healthz", "/readyz"):
            application.router.add_get(path, lives)
        application.router.add_get("/metrics", self.count)
        return application

    async def take(self, request: web.Request) -> web.Response:
        """Answer a tick: always without a body, as who sends it would take one for an event."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            flow_id = read_flow_id(headers)
        except TickRefused as fault:
            LOG.warning("what came is no tick: %s", fault)
            return self._answer(400, "refused")
        if not is_genuine(headers, flow_id, self._keys):
            LOG.warning("a tick for the flow %s was not ordered by the platform", flow_id)
            return self._answer(401, "refused")
        place = self._places.setdefault(namespace_of(headers), asyncio.Semaphore(MOST_OF_A_TENANT))
        self.in_flight += 1
        try:
            await asyncio.wait_for(place.acquire(), PLACE_SECONDS)
            return await self._look(flow_id, read_time(headers.get("ce-time", "")), place)
        except TimeoutError:
            LOG.warning("the tick for %s found too many others of its tenant", flow_id)
            return self._answer(503, "crowded")
        finally:
            self.in_flight -= 1

    async def _look(self, flow_id: str, ticked_at: datetime | None, place: asyncio.Semaphore) -> web.Response:
        turn = asyncio.get_running_loop().run_in_executor(
            self._turns, lambda: self._looking.look(flow_id, datetime.now(UTC), ticked_at)
        )
        turn.add_done_callback(lambda _: place.release())  # a turn that is given up has its thread until it ends
        try:
            look = await asyncio.wait_for(asyncio.shield(turn), ANSWER_SECONDS)
        except JournalError as fault:
            LOG.warning("the tick for %s has to come again: %s", flow_id, fault)
            return self._answer(503, "journal")
        except TimeoutError:
            turn.add_done_callback(note_late_end)
            LOG.error("the source of %s does not end its turn", flow_id)  # noqa: TRY400 - there is nothing to trace
            return self._answer(503, "late")
        except Exception:
            LOG.exception("the tick for %s met a fault of the poller", flow_id)
            return self._answer(500, "fault")
        if look is Look.UNKNOWN:
            LOG.info("there is no flow %s here, or not yet", flow_id)
        return self._answer(404 if look is Look.UNKNOWN else 204, look.value)

    def _answer(self, status: int, what: str) -> web.Response:
        self._counts[what] += 1
        return web.Response(status=status, headers={"Retry-After": AGAIN_SECONDS} if status == 503 else None)

    async def count(self, request: web.Request) -> web.Response:
        """Prometheus' text."""
        lines = ["# TYPE intellyhub_poller_ticks_total counter"]
        lines += [f'intellyhub_poller_ticks_total{{outcome="{name}"}} {n}' for name, n in sorted(self._counts.items())]
        return web.Response(text="\n".join(lines) + "\n")


def read_time(text: str) -> datetime | None:
    """A tick's `ce-time`; None where it has none that can be read."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def namespace_of(headers: Mapping[str, str]) -> str:
    """Where a genuine tick comes from, `/apis/v1/namespaces/NAME`: each tenant has one."""
    return headers.get("ce-source", "").partition("/pingsources/")[0]


def note_late_end(turn: asyncio.Future[Look]) -> None:
    """A turn that nobody waits for any more has ended after all."""
    if not turn.cancelled() and turn.exception() is not None:
        LOG.warning("a turn that was given up ended with %r", turn.exception())


async def lives(request: web.Request) -> web.Response:
    """It answers, so it lives."""
    return web.Response()


async def serve(poller: Poller, listening: socket.socket) -> None:
    """Serve until told to stop, and then what is in flight and what is still on its way."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    runner = web.AppRunner(poller.make_application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        LOG.info("ticks are taken at port %s", listening.getsockname()[1])
        await told.wait()
        quiet_since = loop.time()
        while loop.time() - quiet_since < QUIET_SECONDS:
            await asyncio.sleep(QUIET_SECONDS / 10)
            if poller.in_flight:
                quiet_since = loop.time()
    finally:
        await runner.cleanup()


def main() -> None:
    """Look at sources when told to, until told to stop."""
    surroundings = enter(os.environ)
    journal = JournalClient(surroundings.journal, surroundings.keys.token(Purpose.JOURNAL))
    looking = Looking(
        layout=surroundings.layout,
        keys=surroundings.keys,
        journal=journal,
        catalogue=installed(),
        public_url=os.environ.get("INTELLYHUB_PUBLIC_URL", "").rstrip("/"),
    )
    host = os.environ.get("INTELLYHUB_HOST") or EVERY_ADDRESS
    listening = socket.create_server((host, read_port(os.environ.get("PORT", ""))))
    surroundings.announce_ready()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(Poller(looking, surroundings.keys), listening))
    journal.close()


def read_port(text: str) -> int:
    """`PORT`, as Knative gives it. Raises `InputInvalid`."""
    if not (text or "8080").isdigit():
        raise InputInvalid(f"PORT is {text!r}; it is a number")
    return int(text or "8080")


if __name__ == "__main__":
    main()
