"""The live stream: from the asked place on, nothing missing, nothing twice, whoever else is slow."""

import asyncio
import socket
from contextlib import aclosing

import pytest

from intellyhub_engine.errors import JournalUnwritable, RunNotFound
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.journal.wire import make_frame, make_greeting
from intellyhub_knative.platform.journal import connection
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from tests.unit.engine.journal.runs import ALICE, begin, finished, record, step_finished, step_started, suspended
from tests.unit.knative.platform.journal.services import FLOW, KEYS, OTHER_TENANT, TENANT

TOKEN = KEYS.token(Purpose.JOURNAL)


def watching(service, use, token=TOKEN):
    """Run a coroutine with a client."""

    async def run():
        client = AsyncJournalClient(service.address, token)
        try:
            return await asyncio.wait_for(use(client), 20)
        finally:
            await client.close()

    return asyncio.run(run())


async def take(frames, count):
    """The next frames."""
    taken = []
    async for frame in frames:
        taken.append(frame)
        if len(taken) == count:
            return taken
    return taken


def seqs(frames):
    return [frame.entry and getattr(frame.entry, "seq", "end") for frame in frames]


def test_an_ended_run_is_shown_whole_and_the_stream_ends(service, client):
    begin(client)
    record(client, step_started(1), step_finished(1))
    record(client, suspended(2))
    client.claim("run-1", owner=ALICE, lease_seconds=30)
    record(client, finished())
    frames = watching(service, lambda one: take(one.watch("run-1"), 100))
    assert seqs(frames) == [None, 1, 1, 2, "end"]
    assert [frame.status for frame in frames][2:] == [RunStatus.RUNNING, RunStatus.WAITING, RunStatus.SUCCEEDED]
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert frames[0].flow == "doorbell"


def test_a_stream_goes_on_behind_any_place(service, client):
    begin(client)
    record(client, step_started(1), step_finished(1))
    record(client, step_finished(2), finished())
    frames = watching(service, lambda one: take(one.watch("run-1"), 100))
    for number, frame in enumerate(frames[:-1]):
        rest = watching(service, lambda one, after=frame.index: take(one.watch("run-1", after=after), 100))
        assert rest == frames[number + 1 :]
        assert client.entries("run-1", after=frame.index) == rest


def test_what_is_recorded_while_one_watches_comes_once_and_in_order(service, client):
    begin(client)

    async def use(one):
        writing = asyncio.to_thread(lambda: [record(client, step_finished(seq)) for seq in range(1, 301)])
        frames, _ = await asyncio.gather(take(one.watch("run-1"), 301), writing)
        return frames

    assert seqs(watching(service, use)) == [None, *range(1, 301)]


def test_entries_nobody_waits_for_are_seen_soon(service):
    journal = service.journal()
    begin(journal)
    record(journal, step_finished(1), durable=False)
    assert seqs(watching(service, lambda one: take(one.watch("run-1"), 2))) == [None, 1]
    journal.close()


def test_a_stream_goes_on_when_the_service_comes_back(service, client):
    begin(client)
    record(client, step_finished(1))

    async def use(one):
        async with aclosing(one.watch("run-1")) as frames:
            seen = await take_two(frames)
            await asyncio.to_thread(service.stop)
            await asyncio.to_thread(service.start)
            await asyncio.to_thread(record, client, step_finished(2), finished())
            return [*seen, *[frame async for frame in frames]]

    assert seqs(watching(service, use)) == [None, 1, 2, "end"]


async def take_two(frames):
    return [await anext(frames), await anext(frames)]


def test_a_prefix_shows_the_flows_under_it_from_now_on_without_child_runs(service, client):
    begin(client, "before", flow=FLOW)

    async def use(one):
        async with aclosing(one.watch(under=f"{TENANT}/")) as frames:
            first = asyncio.ensure_future(anext(frames))
            await asyncio.to_thread(service.until_watched)
            await asyncio.to_thread(begin, client, "other", flow=f"{OTHER_TENANT}/x")
            await asyncio.to_thread(begin, client, "now", flow=FLOW)
            await asyncio.to_thread(begin, client, "now.1.a", flow=FLOW, parent_id="now", lease_seconds=0)
            await asyncio.to_thread(record, client, step_finished(1), run_id="now.1.a")
            await asyncio.to_thread(record, client, finished(), run_id="now")
            return [await first, await anext(frames)]

    begun, ended = watching(service, use)
    assert (begun.run_id, begun.entry, ended.run_id, ended.entry) == ("now", None, "now", finished())
    again = watching(service, lambda one: take(one.watch(under=FLOW, after=begun.index), 1))
    assert again == [ended]


def test_thousands_can_watch(service, client):
    begin(client)

    async def use(one):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(take(one.watch("run-1"), 3)) for _ in range(2000)]
            await asyncio.sleep(0)
            await asyncio.to_thread(record, client, step_finished(1))
            await asyncio.to_thread(record, client, finished())
        return [seqs(task.result()) for task in tasks]

    assert watching(service, use) == [[None, 1, "end"]] * 2000


def test_a_watcher_that_does_not_read_misses_nothing_and_holds_up_nobody(service, client, monkeypatch):
    monkeypatch.setattr(connection, "_BEHIND_BYTES", 10_000)
    begin(client)
    with socket.socket(socket.AF_UNIX) as sleeper:
        sleeper.connect(str(service.address))
        sleeper.sendall(make_greeting(TOKEN) + make_frame([1, "watch", ["run-1", None, 0], False]))
        service.until_watched()
        for seq in range(1, 401):
            record(client, step_finished(seq, changes={"x": "y" * 5000}), durable=seq % 20 == 0)
        record(client, finished())
        assert service.unread_bytes() < 3_000_000
        stored, received = set(range(1, 401)), b""
        while b'"ended"' not in received:
            received += sleeper.recv(1 << 20)
        assert [received.count(b'["finished",%d,' % seq) for seq in sorted(stored)] == [1] * 400


def test_nobody_watches_what_is_not_there(service):
    with pytest.raises(RunNotFound):
        watching(service, lambda one: take(one.watch("none"), 1))


def test_a_flow_watches_its_own_runs_only(service, client):
    begin(client, "own", flow=FLOW)
    begin(client, "other", flow=f"{OTHER_TENANT}/x")
    token = flow_token(KEYS, FLOW)
    assert seqs(watching(service, lambda one: take(one.watch("own"), 1), token)) == [None]
    with pytest.raises(RunNotFound):
        watching(service, lambda one: take(one.watch("other"), 1), token)
    with pytest.raises(JournalUnwritable):
        watching(service, lambda one: take(one.watch(under=f"{OTHER_TENANT}/"), 1), token)


def test_who_leaves_is_forgotten(service, client):
    begin(client)
    watching(service, lambda one: take(one.watch("run-1"), 1))
    service.until_watched(0)


def test_the_stream_goes_on_after_the_newest_runs_were_deleted(service, client):
    begin(client, "old", flow=FLOW)
    frames = watching(service, lambda one: take(one.watch(under=FLOW, after=0), 1))
    client.delete_flow(FLOW)
    begin(client, "new", flow=FLOW)
    assert [
        frame.run_id for frame in watching(service, lambda one: take(one.watch(under=FLOW, after=frames[0].index), 1))
    ] == ["new"]
