"""Runs as they happen, for whoever watches: `X-IntellyHub-Stream` of the control plane's answer becomes a stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing, suppress
from typing import Any, Protocol

from aiohttp import web
from multidict import CIMultiDict

from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform.gateway.channels import Channel, Dropped
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.telling import is_last, make_messages, tell
from intellyhub_knative.platform.journal.frames import Frame

__all__ = ["STREAM", "Streams", "Watchable"]

LOG = logging.getLogger(__name__)
STREAM = "X-IntellyHub-Stream"
"""A header of the control plane's answer: what to watch. It has checked that the asker may."""
HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
"""For a watcher to take what it was sent."""
MAX_INDEX = 1 << 53
Topic = tuple[str | None, str | None]
"""A run's id, or the journal's name of a flow."""


class Watchable(Protocol):
    """The journal service's client."""

    def watch(
        self, run_id: str | None = None, *, under: str | None = None, after: int | None = 0
    ) -> AsyncIterator[Frame]: ...


class Streams:
    """All watchers of this gateway."""

    def __init__(
        self,
        *,
        journal: Watchable,
        find_flow: Callable[[str], str | None],
        secrets_of: Callable[[str], Collection[str]],
    ) -> None:
        self._journal = journal
        self._find_flow = find_flow
        """flow id -> the journal's name of it."""
        self._secrets_of = secrets_of
        """The journal's name of a flow -> what must not be shown."""
        self._channels: dict[Topic, list[Channel]] = {}
        self._reading: dict[Channel, asyncio.Task[None]] = {}
        self._stopping = False

    async def answer(self, request: web.BaseRequest, topic: str, headers: CIMultiDict[str]) -> web.StreamResponse:
        """Stream until the run is over, the watcher goes away, or the gateway stops."""
        found = self.read_topic(topic)
        after = read_place(request.headers.get("Last-Event-ID", ""), live=found[0] is None)
        for name in ("Content-Length", "Content-Type", "Cache-Control", "ETag"):
            headers.popall(name, None)
        headers["Content-Type"] = "text/event-stream; charset=utf-8"
        headers["Cache-Control"] = "no-store"
        headers["X-Accel-Buffering"] = "no"
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method != "HEAD":
            with suppress(ConnectionError, TimeoutError, Dropped):
                await self.send(response, found, after)
        response.force_close()
        return response

    async def send(self, response: web.StreamResponse, topic: Topic, after: int | None) -> None:
        """Send messages from a place on. Raises `Dropped` or TimeoutError for a watcher that is too slow."""
        async with asyncio.timeout(SEND_SECONDS):
            await response.write(b"retry: 1000\n\n")
        channel = self.open(topic, after)
        number = channel.join(MAX_INDEX if after is None else after)
        channel.watchers += 1
        try:
            while not self._stopping:
                messages = await channel.take(number, HEARTBEAT_SECONDS)
                if not messages and channel.over:
                    return
                number += len(messages)
                async with asyncio.timeout(SEND_SECONDS):
                    await response.write(b"".join(messages) or b": \n\n")
                channel.took(number)
        finally:
            channel.watchers -= 1
            if not channel.watchers:
                self.close(topic, channel)

    def open(self, topic: Topic, after: int | None) -> Channel:
        """A channel that has all from a place on: one that is there, or a new one. None is from now on."""
        channels = self._channels.setdefault(topic, [])
        for channel in channels:
            if not channel.over and (after is None or channel.floor <= after):
                return channel
        channel = Channel(MAX_INDEX if after is None else after)
        channels.append(channel)
        self._reading[channel] = asyncio.create_task(self.read(topic, after, channel))
        return channel

    def close(self, topic: Topic, channel: Channel) -> None:
        """Nobody watches this channel any more."""
        self._reading.pop(channel).cancel()
        self._channels[topic].remove(channel)
        if not self._channels[topic]:
            del self._channels[topic]

    async def read(self, topic: Topic, after: int | None, channel: Channel) -> None:
        """Fill a channel."""
        try:
            async with aclosing(self.messages(topic, after)) as messages:
                await channel.run(messages)
        except EngineError as fault:
            LOG.warning("a stream ended: %s", fault)

    async def messages(self, topic: Topic, after: int | None) -> AsyncGenerator[tuple[int, bytes], None]:
        """The journal's entries, as they are told."""
        run_id, under = topic
        async for frame in self._journal.watch(run_id, under=under, after=after):
            yield frame.index, tell(frame, self._secrets_of(frame.flow))
            if run_id is not None and is_last(frame):
                return

    async def follow(self, run_id: str) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """What happens in a run, from its beginning to its end: kind and content of each message."""
        async for frame in self._journal.watch(run_id, after=0):
            for message in make_messages(frame, self._secrets_of(frame.flow)):
                yield message
            if is_last(frame):
                return

    def read_topic(self, topic: str) -> Topic:
        """`runs/<run_id>` or `flows/<flow_id>`. Raises `Refusal`."""
        kind, _, name = topic.partition("/")
        flow = self._find_flow(name) if kind == "flows" else None
        if kind == "runs" and name:
            return name, None
        if flow is None:
            raise Refusal(Fault.NOT_FOUND, "there is nothing to watch")
        return None, flow

    def stop(self) -> None:
        """End all streams; their watchers come back to the next gateway."""
        self._stopping = True
        for reading in self._reading.values():
            reading.cancel()


def read_place(written: str, *, live: bool) -> int | None:
    """Where a watcher was; without a place, a run is told from its beginning and a flow from now on."""
    if written.isascii() and written.isdigit() and int(written) < MAX_INDEX:
        return int(written)
    return None if live else 0
