"""What a hook has asked for is done: an event is run, a run is found, and the answer is sent, whole or in pieces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, Protocol

import orjson
from aiohttp import web

from intellyhub_engine.errors import EngineError, JournalError, RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunFinished, RunHistory, RunSummary
from intellyhub_engine.machine.hook import Accept, Find, HookAnswer, Ran, Seen, Stream, read_ran
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.serving.answers import TRACE
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.gateway.arrivals import read_headers
from intellyhub_knative.platform.gateway.exchange import Exchange
from intellyhub_knative.platform.gateway.holding import Holding
from intellyhub_knative.platform.gateway.ingress import Store, store
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.settings import Settings

__all__ = ["Carriage", "Records", "send"]

LOG = logging.getLogger(__name__)
NOSNIFF = {"X-Content-Type-Options": "nosniff"}
SHOWN = ("application/json", "application/problem+json", "text/plain; charset=utf-8")
"""Types of answers that are sent as such."""
STREAMED = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", **NOSNIFF}
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": \n\n"
MAX_PIECES = 100
LAST_WORDS_SECONDS = 0.25
"""For what the journal tells of a run that has ended."""
SEND_SECONDS = 30.0
"""For a watcher to take what it was sent."""
FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 1.0

Follow = Callable[[str], AsyncGenerator[tuple[str, dict[str, Any]], None]]
"""`follow(run_id)`: what happens in a run, from its beginning to its end."""


class Records(Store, Protocol):
    """The journal service's client."""

    async def find_run(self, flow: str, source: str, event_id: str) -> RunSummary | None: ...

    async def history(self, run_id: str) -> RunHistory: ...

    async def request_cancel(self, run_id: str) -> bool: ...


class Carriage:
    """Does it for all flows."""

    def __init__(
        self,
        *,
        journal: Records,
        exchange: Exchange,
        follow: Follow,
        secrets_of: Callable[[str], Collection[str]],
        settings: Settings,
    ) -> None:
        self._journal = journal
        self._exchange = exchange
        self._follow = follow
        self._secrets_of = secrets_of
        """The journal's name of a flow -> what must not be shown."""
        self._settings = settings
        self._holding = Holding(journal)
        self._waiting: set[asyncio.Timeout] = set()
        self._running: set[asyncio.Future[Ran]] = set()
        """Events on their way whose callers may have gone: they are run, or stored, all the same."""

    async def accept(self, request: web.BaseRequest, accept: Accept, deployment: Deployment) -> web.StreamResponse:
        """Run the event; what the hook says of it. Raises `Refusal`."""
        event = address(accept.event, deployment, read_headers(request))
        if accept.stream is None:
            return send(accept.reply(await self.run(accept, deployment, event)))
        running = asyncio.ensure_future(self.run(accept, deployment, event))
        self._running.add(running)
        running.add_done_callback(self.note_end)
        return await self.stream(request, deployment, accept.stream, event, running, accept.reply)

    async def find(self, request: web.BaseRequest, find: Find, deployment: Deployment) -> web.StreamResponse:
        """What the hook says of an earlier event's run. Raises `Refusal`."""
        try:
            async with asyncio.timeout(self._settings.journal_seconds):
                seen = await self.see(deployment, find.event_id, cancel=find.cancel)
        except (JournalError, TimeoutError, OSError):
            detail = "the journal service did not answer; ask again"
            raise Refusal(Fault.JOURNAL_UNAVAILABLE, detail, retry_after_seconds=5) from None
        if find.stream is None or seen is None or seen.has_ended or seen.event is None:
            return send(find.reply(seen))
        following = asyncio.ensure_future(self.await_end(deployment, find.event_id))
        try:
            return await self.stream(request, deployment, find.stream, seen.event, following)
        finally:
            following.cancel()

    async def run(self, accept: Accept, deployment: Deployment, event: Event) -> Ran:
        """Send the event straight to the flow. When the sender has waited long enough it becomes a stored one: the
        broker then finds the run that it made, or makes it."""
        seconds = min(accept.wait_seconds, self._settings.max_reply_seconds)
        if seconds > 0:
            asked = asyncio.ensure_future(self.deliver(accept, deployment, event))
            try:
                return await self.wait(asyncio.shield(asked), seconds)
            except TimeoutError:
                if await self.hold(asked, deployment, event):
                    return accepted(event)
            finally:
                if not self._holding.has(asked):
                    asked.cancel()
        await store(self._journal, deployment.tenant_id, [event], self._settings)
        return accepted(event)

    async def deliver(self, accept: Accept, deployment: Deployment, event: Event) -> Ran:
        """The flow's answer to the event; where the hook is patient, that of a run that had to wait for something."""
        if accept.begun and self._exchange.holds:
            held = asyncio.ensure_future(self._exchange.deliver(deployment, event))
            return await self._holding.begin(held, deployment, event)
        ran = await self._exchange.deliver(deployment, event, begun=accept.begun)
        if ran.status != 202 or accept.begun or not accept.patient:
            return ran
        return await self.look_for_end(deployment, event.id)

    async def hold(self, asked: asyncio.Future[Ran], deployment: Deployment, event: Event) -> bool:
        """Where a run needs a request that waits for its end, and has begun: leave it this one."""
        if not self._exchange.holds or await self._holding.find(deployment, event) is None:
            return False
        self._holding.keep(asked, deployment)
        return True

    async def wait(self, answer: Awaitable[Ran], seconds: float) -> Ran:
        """The answer. Raises TimeoutError when it does not come in time, or the gateway has to stop."""
        async with asyncio.timeout(seconds) as limit:
            self._waiting.add(limit)
            try:
                return await answer
            finally:
                self._waiting.discard(limit)

    async def see(self, deployment: Deployment, event_id: str, *, cancel: bool = False) -> Seen | None:
        """How the run of an event stands; None where there is none."""
        found = await self._journal.find_run(deployment.journal_name, deployment.address, event_id)
        if found is None:
            return None
        if cancel:
            await self._journal.request_cancel(found.run_id)
        try:
            history = await self._journal.history(found.run_id)
        except RunNotFound:
            return None
        end = next((each for each in reversed(history.entries) if isinstance(each, RunFinished)), None)
        secrets = self._secrets_of(deployment.journal_name)
        return Seen(
            history.status.value,
            mask(end.output, secrets) if end else None,
            mask(end.error, secrets) if end and end.error else None,
            found.run_id,
            history.start.event,
        )

    async def await_end(self, deployment: Deployment, event_id: str) -> Ran:
        """The end of a run that goes on, or that it still does."""
        try:
            return await self.wait(self.look_for_end(deployment, event_id), self._settings.max_reply_seconds)
        except TimeoutError:
            return as_ran(Seen("running"))

    async def look_for_end(self, deployment: Deployment, event_id: str) -> Ran:
        """The end of a run, whenever it comes."""
        pause = FIRST_LOOK_SECONDS
        while True:
            with suppress(JournalError, OSError):
                seen = await self.see(deployment, event_id)
                if seen is None or seen.has_ended:
                    return as_ran(seen or Seen("failed", None, "the run is gone"))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK_SECONDS)

    async def stream(
        self,
        request: web.BaseRequest,
        deployment: Deployment,
        stream: Stream,
        event: Event,
        running: asyncio.Future[Ran],
        reply: Callable[[Ran], HookAnswer] | None = None,
    ) -> web.StreamResponse:
        """Send what happens as it happens, and the end; where nothing is to be sent first, and the end comes soon, a
        whole answer. A caller who goes away leaves the run alone."""
        pieces: asyncio.Queue[bytes] = asyncio.Queue(MAX_PIECES)
        watching = asyncio.create_task(self.watch(deployment, event.id, stream, pieces))
        try:
            first = stream.begin(event) or await next_piece(pieces, running)
            if not first and running.done() and reply is not None:
                return send(reply(await running))
            response = web.StreamResponse(headers=STREAMED)
            response.force_close()
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):
                await write(response, first or HEARTBEAT)
                while not running.done():
                    piece = await next_piece(pieces, running)
                    await write(response, piece or (b"" if running.done() else HEARTBEAT))
                await asyncio.wait((watching,), timeout=LAST_WORDS_SECONDS)
                while not pieces.empty():
                    await write(response, pieces.get_nowait())
                await write(response, stream.end(await ended(running)))
            return response
        finally:
            watching.cancel()

    async def watch(self, deployment: Deployment, event_id: str, stream: Stream, pieces: asyncio.Queue[bytes]) -> None:
        """Put what the stream tells of the run into a queue. Best effort: the end comes another way."""
        pause, tell = FIRST_LOOK_SECONDS, stream.tell
        if tell is None:
            return
        with suppress(EngineError, OSError):
            while (run := await self._journal.find_run(deployment.journal_name, deployment.address, event_id)) is None:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_LOOK_SECONDS)
            async with aclosing(self._follow(run.run_id)) as happenings:
                async for kind, content in happenings:
                    if piece := tell(kind, content):
                        await pieces.put(piece)

    def note_end(self, running: asyncio.Future[Ran]) -> None:
        """An event whose answer was streamed has been run, or could not be stored."""
        self._running.discard(running)
        if not running.cancelled() and (fault := running.exception()) is not None:
            LOG.warning("an event came to nothing: %s", fault)

    def stop_waiting(self, seconds: float) -> None:
        """Let everyone who waits for a run have an answer within `seconds`."""
        ends = asyncio.get_running_loop().time() + seconds
        for limit in tuple(self._waiting):
            limit.reschedule(ends)


async def next_piece(pieces: asyncio.Queue[bytes], running: asyncio.Future[Ran]) -> bytes:
    """What is to be sent next; nothing where nothing came for a while, or the run has ended."""
    piece = asyncio.ensure_future(pieces.get())
    await asyncio.wait((piece, running), timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if piece.done():
        return piece.result()
    piece.cancel()
    return b""


async def ended(running: asyncio.Future[Ran]) -> Seen:
    """What came of it, also where it could not be stored."""
    try:
        return read_ran(await running)
    except Refusal as refusal:
        return Seen("failed", None, refusal.detail)


def as_ran(seen: Seen) -> Ran:
    """What was seen, as a worker would answer it."""
    if seen.status == "failed":
        return Ran(500, {}, orjson.dumps({"detail": seen.error, "run_id": seen.run_id}))
    document: Mapping[str, Any] = {"status": seen.status, "run_id": seen.run_id, "output": seen.output}
    return Ran(200, {}, orjson.dumps(document, default=str))


async def write(response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece. Raises TimeoutError for a caller that does not take it."""
    if piece:
        async with asyncio.timeout(SEND_SECONDS):
            await response.write(piece)


def accepted(event: Event) -> Ran:
    """What a sender is told who no longer waits."""
    body = orjson.dumps({"status": "accepted", "event_id": event.id})
    return Ran(202, {"content-type": "application/json"}, body)


def address(event: Event, deployment: Deployment, headers: Mapping[str, str]) -> Event:
    """The event, addressed to its flow, in the trace of its request."""
    trace = {name: headers[name] for name in TRACE if name in headers and "traceparent" in headers}
    return replace(event, extensions={ADDRESS: deployment.flow_id, **trace})


def send(answer: HookAnswer) -> web.Response:
    """What a hook says. The console has the same origin, so that nothing of a flow's may be run by a browser here."""
    headers = {**answer.headers, **NOSNIFF}
    if answer.content_type:
        headers["Content-Type"] = answer.content_type if answer.content_type in SHOWN else "application/octet-stream"
    return web.Response(status=answer.status, body=answer.body, headers=headers)
