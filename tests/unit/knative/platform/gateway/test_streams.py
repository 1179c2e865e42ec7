"""Streams of runs, with a journal of a test's own behind them."""

import asyncio
from collections import defaultdict

import pytest
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.journal.records import Logged, RunFinished, RunStatus
from intellyhub_knative.platform.gateway import streams
from intellyhub_knative.platform.gateway.problems import Refusal
from intellyhub_knative.platform.gateway.streams import Streams
from intellyhub_knative.platform.journal.frames import Frame


class Journal:
    """Frames of runs, which a test adds to."""

    def __init__(self):
        self.frames, self.watches, self.fault = defaultdict(list), [], None
        self.moved = asyncio.Condition()

    async def add(self, topic, entry, count=1):
        async with self.moved:
            for _ in range(count):
                index = sum(map(len, self.frames.values())) + 1
                self.frames[topic].append(Frame(topic, "t/f", index, entry, RunStatus.RUNNING))
            self.moved.notify_all()

    async def watch(self, run_id=None, *, under=None, after=0):
        topic = run_id or under
        self.watches.append((topic, after))
        place = len(self.frames[topic]) if after is None else 0
        after = after or 0
        try:
            while True:
                while place < len(self.frames[topic]):
                    frame = self.frames[topic][place]
                    place += 1
                    if frame.index > after:
                        yield frame
                async with self.moved:
                    while not self.fault and place >= len(self.frames[topic]):
                        await self.moved.wait()
                if self.fault:
                    raise self.fault
        finally:
            self.watches.pop()


LINE = Logged(1, "info", "x", 1)
END = RunFinished(RunStatus.SUCCEEDED, "end", None, None, 1)


class Watching:
    """A server whose paths are topics, and clients of it."""

    def __init__(self):
        self.journal = Journal()
        self.opened: list[ClientResponse] = []
        self.streams = Streams(journal=self.journal, find_flow={"f": "t/f"}.get, secrets_of=lambda name: ())

    async def __aenter__(self):
        async def answer(request):
            try:
                return await self.streams.answer(request, request.path[1:], CIMultiDict())
            except Refusal as refusal:
                return refusal.make_response()

        self.server = TestServer(web.Application())
        self.server.app.router.add_get("/{topic:.*}", answer)
        await self.server.start_server()
        self.session = ClientSession()
        return self

    async def __aexit__(self, *fault):
        for response in self.opened:
            response.close()
        await self.session.close()
        self.streams.stop()
        await self.server.close()

    async def open(self, topic, place=None):
        headers = {"Last-Event-ID": str(place)} if place is not None else {}
        response = await self.session.get(self.server.make_url(f"/{topic}"), headers=headers)
        self.opened.append(response)
        return response


async def read(response, count=None):
    """The ids of `count` messages, or of all until the end."""
    ids = []
    async for line in response.content:
        if line.startswith(b"id: "):
            ids.append(int(line[4:]))
            if len(ids) == count:
                break
    return ids


def run(test):
    async def go():
        async with Watching() as watching:
            await asyncio.wait_for(test(watching), 20)

    asyncio.run(go())


def test_a_run_is_told_from_its_beginning_to_its_end():
    async def test(watching):
        await watching.journal.add("r", LINE, 3)
        response = await watching.open("runs/r")
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert await read(response, 3) == [1, 2, 3]
        await watching.journal.add("r", END)
        assert await read(response) == [4]

    run(test)


def test_who_comes_back_misses_nothing_and_sees_nothing_twice():
    async def test(watching):
        await watching.journal.add("r", LINE, 9)
        await watching.journal.add("r", END)
        assert await read(await watching.open("runs/r", 7)) == [8, 9, 10]
        assert await read(await watching.open("runs/r", "nonsense")) == list(range(1, 11))

    run(test)


def test_many_watchers_are_one_reading():
    async def test(watching):
        await watching.journal.add("r", LINE)
        responses = [await watching.open("runs/r") for _ in range(50)]
        assert await asyncio.gather(*(read(each, 1) for each in responses)) == [[1]] * 50
        assert len(watching.journal.watches) == 1
        await watching.journal.add("r", LINE, 10)
        assert await asyncio.gather(*(read(each, 10) for each in responses)) == [list(range(2, 12))] * 50
        for each in responses:
            each.close()
        while watching.journal.watches:
            await watching.journal.add("r", LINE)
            await asyncio.sleep(0.01)

    run(test)


def test_a_flow_is_told_from_now_on():
    async def test(watching):
        await watching.journal.add("t/f", LINE, 5)
        response = await watching.open("flows/f")
        await asyncio.sleep(0.05)
        await watching.journal.add("t/f", LINE)
        assert await read(response, 1) == [6]

    run(test)


@pytest.mark.parametrize("topic", ["flows/unknown", "runs/", "secrets/x", ""])
def test_there_is_nothing_else_to_watch(topic):
    async def test(watching):
        assert (await watching.open(topic)).status == 404

    run(test)


def test_a_journal_that_fails_ends_the_stream_so_that_the_watcher_comes_back():
    async def test(watching):
        await watching.journal.add("r", LINE)
        response = await watching.open("runs/r")
        assert await read(response, 1) == [1]
        watching.journal.fault = JournalUnwritable("away")
        await watching.journal.add("r", LINE)
        assert await read(response) in ([], [2])

    run(test)


def test_silence_is_filled(monkeypatch):
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.02)

    async def test(watching):
        response = await watching.open("runs/r")
        assert await response.content.readuntil(b": \n\n")

    run(test)


def test_a_gateway_that_stops_ends_its_streams():
    async def test(watching):
        await watching.journal.add("r", LINE)
        response = await watching.open("runs/r")
        assert await read(response, 1) == [1]
        watching.streams.stop()
        assert await read(response) == []

    run(test)
