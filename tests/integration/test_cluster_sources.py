"""The poller as a real process: ticks as a PingSource posts them, feeds, and faults in the middle."""

import http.client
import json
import signal
import threading
from datetime import UTC, datetime

import pytest

from intellyhub_engine.journal.ledger import KEY, read_page
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.server import LocalServer
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.sources.standing import show_page
from intellyhub_knative.platform.sources.ticks import PATH, make_tick
from tests.integration.platform_processes import Process
from tests.integration.pods import JournalService
from tests.unit.knative.platform.house_double import data_folder, make_flow, make_tenant

pytestmark = pytest.mark.xdist_group("cluster_sources")


@pytest.fixture(scope="module")
def journal():
    with data_folder() as layout, JournalService(Layout(data=layout.data / "platform")) as service:
        make_tenant(service.layout)
        yield service


def stored(journal, flow_id):
    """The events of a flow that are in the outbox, in order."""
    return [each.event for each in journal.client.unrouted(limit=1000) if each.event.extensions.get("flow") == flow_id]


class Poller(Process):
    module = "intellyhub_knative.platform.sources.{name}"

    def __init__(self, journal):
        self.port = free_port()
        environment = {"PORT": str(self.port), "INTELLYHUB_HOST": "127.0.0.1", "INTELLYHUB_JOURNAL": journal.address}
        super().__init__(journal.layout, "poller", **environment)
        self.keys = journal.keys

    def tick(self, flow, **changes):
        """As a PingSource posts it; status and body."""
        tick = make_tick(flow, self.keys)
        headers = {
            "Content-Type": tick.content_type,
            "Ce-Specversion": "1.0",
            "Ce-Type": "dev.knative.sources.ping",
            "Ce-Source": "/apis/v1/namespaces/ih-acme/pingsources/orders-tick",
            "Ce-Id": "0b1fd15d-a44c-4f0c-a3d8-23aa7a0a2e2d",
            "Ce-Time": datetime.now(UTC).isoformat().replace("+00:00", "123Z"),
            "Kn-Namespace": "ih-acme",
            **{f"Ce-{name.capitalize()}": value for name, value in tick.extensions.items()},
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            given = {name: value for name, value in (headers | changes).items() if value is not None}
            connection.request("POST", PATH + flow.flow_id, tick.body, given)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture
def poller(journal):
    with Poller(journal) as poller:
        yield poller


@pytest.fixture
def feeds():
    with FeedServer() as feeds:
        feeds.publish(Article(title="old", link="https://e.org/old"))
        yield feeds


def rss(feeds):
    return {"type": "rss", "url": f"{feeds.url}/feed.xml", "check_interval": 10, "timeout": 20}


def make_due(journal, flow):
    """As if the interval were over."""
    found = journal.client.remembered(flow.journal_name, KEY)
    page = json.loads(found.value) | {"looked_ns": 0, "owner": "", "until_ns": 0}
    journal.client.remember(flow.journal_name, KEY, json.dumps(page))


def test_ticks_bring_what_is_new_and_are_answered_with_nothing(journal, poller, feeds):
    flow = make_flow(journal.layout, "news", listener=rss(feeds))
    assert poller.tick(flow) == (204, b"")
    feeds.publish(Article(title="new", link="https://e.org/new"))
    assert poller.tick(flow) == (204, b"")
    assert len(feeds.calls) == 1, "the second tick came too early to ask anybody"
    make_due(journal, flow)
    poller.tick(flow)
    assert [event.data["title"] for event in stored(journal, flow.flow_id)] == ["new"]
    page = read_page(journal.client, flow.journal_name)
    assert page is not None
    standing = show_page(page)
    assert (standing["connected"], standing["events"]) == (True, 1)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Ce-Intellyhubtick": None}, 401),
        ({"Ce-Intellyhubtick": "guessed"}, 401),
        ({"Ce-Flow": "f" * 32}, 401),
        ({"Ce-Flow": "../../etc/passwd"}, 400),
        ({"Ce-Type": "some.other"}, 400),
        ({"Ce-Type": None}, 400),
    ],
)
def test_what_the_platform_did_not_order_wakes_nobody(journal, poller, feeds, changes, status):
    flow = make_flow(journal.layout, "forged", listener=rss(feeds))
    assert poller.tick(flow, **changes) == (status, b"")
    assert not feeds.calls


def test_a_flow_that_is_gone_is_told_apart(journal, poller):
    flow = make_flow(journal.layout, "gone")
    (journal.layout.deployments / f"{flow.flow_id}.json").unlink()
    assert poller.tick(flow) == (404, b"")


class Slow(LocalServer):
    """A feed's server that begins an answer only when it is let."""

    def __init__(self, feeds):
        super().__init__()
        self.feeds = feeds
        self.asked = threading.Event()
        self.go = threading.Event()

    def answer(self, call):
        self.asked.set()
        self.go.wait(20)
        return self.feeds.answer(call)


@pytest.fixture
def slow(feeds):
    with Slow(feeds) as slow:
        yield slow
        slow.go.set()


def in_background(call):
    results = []
    thread = threading.Thread(target=lambda: results.append(attempt(call)))
    thread.start()
    return thread, results


def attempt(call):
    try:
        return call()
    except (OSError, http.client.HTTPException) as fault:
        return type(fault).__name__


def test_of_two_ticks_at_once_one_looks(journal, poller, slow):
    flow = make_flow(journal.layout, "twice", listener={"type": "rss", "url": f"{slow.url}/feed.xml"})
    thread, results = in_background(lambda: poller.tick(flow))
    assert slow.asked.wait(10)
    assert poller.tick(flow) == (204, b"")
    slow.go.set()
    thread.join(20)
    assert results == [(204, b"")]
    assert len(slow.calls) == 1


@pytest.mark.slow
def test_a_poller_that_is_killed_in_the_middle_loses_and_doubles_nothing(journal, poller, slow, feeds):
    flow = make_flow(journal.layout, "killed", listener={"type": "rss", "url": f"{slow.url}/feed.xml"})
    slow.go.set()
    poller.tick(flow)
    for number in range(3):
        feeds.publish(Article(title=str(number), link=f"https://e.org/{number}"))
    slow.go.clear()
    slow.asked.clear()
    make_due(journal, flow)
    thread, _ = in_background(lambda: poller.tick(flow))
    assert slow.asked.wait(10)
    poller.kill()
    thread.join(20)
    slow.go.set()
    poller.start()
    make_due(journal, flow)
    assert poller.tick(flow) == (204, b"")
    make_due(journal, flow)
    assert poller.tick(flow) == (204, b"")
    assert sorted(event.data["title"] for event in stored(journal, flow.flow_id)) == ["0", "1", "2"]


def test_on_sigterm_a_turn_is_finished(journal, poller, slow):
    flow = make_flow(journal.layout, "ending", listener={"type": "rss", "url": f"{slow.url}/feed.xml"})
    thread, results = in_background(lambda: poller.tick(flow))
    assert slow.asked.wait(10)
    poller.process.send_signal(signal.SIGTERM)
    slow.go.set()
    thread.join(20)
    assert results == [(204, b"")]
    assert poller.process.wait(10) == 0


@pytest.mark.slow
def test_while_the_journal_is_away_a_tick_has_to_come_again(feeds):
    with data_folder() as layout:
        make_tenant(layout)
        flow = make_flow(layout, listener=rss(feeds))
        with JournalService(layout) as journal, Poller(journal) as poller:
            poller.tick(flow)
            feeds.publish(Article(title="new", link="https://e.org/new"))
            make_due(journal, flow)
            journal.process.kill()
            thread, results = in_background(lambda: poller.tick(flow))
            thread.join(20)
            assert results == [(503, b"")]
            journal.process.start()
            assert poller.tick(flow) == (204, b"")
            assert [event.data["title"] for event in stored(journal, flow.flow_id)] == ["new"]
