"""The sources' host and the real journal service, as processes: nothing is lost or doubled when one of them dies."""

import contextlib
import time
from itertools import pairwise

import pytest

from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from tests.integration.platform_processes import Process, await_that
from tests.unit.knative.platform.house_double import data_folder, make_flow, make_tenant

pytestmark = pytest.mark.slow


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout)
        yield layout


@contextlib.contextmanager
def stored_events(layout):
    """A function that gives what the journal has stored, in order."""
    client = JournalClient(layout.socket("journal"), load_keys(layout.key).token(Purpose.JOURNAL))
    try:
        yield lambda: [one.event for one in client.unrouted(limit=10_000)]
    finally:
        client.close()


def item(host, flow):
    found = [one for one in host.get("/sources")["items"] if one["flow_id"] == flow.flow_id]
    return found[0] if found else {"connected": False, "message": ""}


@pytest.mark.parametrize("victim", ["sources", "journal"])
def test_a_feed_is_neither_repeated_nor_skipped_when_a_process_is_killed(layout, victim):
    with FeedServer() as feeds, Process(layout, "journal") as journal, Process(layout, "sources") as host:
        feeds.publish(Article(title="old", link="https://e.org/old"))
        listener = {"type": "rss", "url": f"{feeds.url}/feed.xml", "check_interval": 0.05, "max_entries": 3}
        flow = make_flow(layout, listener=listener)
        with stored_events(layout) as events:
            await_that(lambda: item(host, flow)["connected"])
            for number in range(30):
                feeds.publish(Article(title=str(number), link=f"https://e.org/{number}"))
                if number % 10 == 5:
                    await_that(lambda number=number: len(events()) > number - 5)
                    {"journal": journal, "sources": host}[victim].kill()
                    {"journal": journal, "sources": host}[victim].start()
            await_that(lambda: len(events()) >= 30)
            time.sleep(0.3)
            found = events()
        assert item(host, flow)["type"] == "rss"
        assert host.stop() == 0
    assert [event.data["title"] for event in found] == [str(number) for number in range(30)]
    assert {event.extensions["flow"] for event in found} == {flow.flow_id}


def test_no_due_time_fires_twice_or_is_skipped_when_the_host_is_killed(layout):
    flow = make_flow(layout, listener={"type": "schedule", "cron": "* * * * * *"})
    with Process(layout, "journal"), Process(layout, "sources") as host, stored_events(layout) as events:
        for count in (1, 2, 3):
            await_that(lambda count=count: len(events()) >= count)
            host.kill()
            host.start()
        await_that(lambda: len(events()) >= 6)
        found = [event.id for event in events()]
        assert item(host, flow)["connected"]
    seconds = [int(event_id[17:19]) for event_id in found]
    assert len(set(found)) == len(found)
    assert {(later - earlier) % 60 for earlier, later in pairwise(seconds)} == {1}


def test_files_are_told_once_when_the_host_is_killed(layout):
    flow = make_flow(layout, listener={"type": "directory", "path": "inbox", "poll_interval": 0.05})
    inbox = layout.workspace_of(flow.tenant_id) / "inbox"
    inbox.mkdir(parents=True)
    with Process(layout, "journal"), Process(layout, "sources") as host, stored_events(layout) as events:
        await_that(lambda: item(host, flow)["connected"])
        for number in range(20):
            (inbox / f"{number}.csv").write_text("x")
            if number in (5, 12):
                host.kill()
                host.start()
        await_that(lambda: len(events()) >= 20)
        time.sleep(0.3)
        names = [event.data["file_name"] for event in events()]
    assert sorted(names) == sorted(f"{number}.csv" for number in range(20))


def test_a_thousand_idle_schedules_cost_little_memory_and_no_threads(layout):
    with Process(layout, "journal"), Process(layout, "sources") as host:
        before = memory_kb(host)
        for number in range(1000):
            make_flow(
                layout,
                f"idle-{number}",
                listener={"type": "schedule", "cron": "0 8 * * 1-5", "timezone": "Europe/Rome"},
            )
        await_that(lambda: sum(one["connected"] for one in host.get("/sources")["items"]) == 1000, 50)
        each = (memory_kb(host) - before) / 1000
        threads = status(host, "Threads")
        assert host.stop() == 0
    assert each <= 60
    assert threads < 40


def memory_kb(host):
    return status(host, "VmRSS")


def status(host, name):
    assert host.process is not None
    with open(f"/proc/{host.process.pid}/status") as lines:  # noqa: PTH123 - no file of ours
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
