"""The sources' host: real feeds, files and clocks; what it stores is kept in a list."""

import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, SourceType
from intellyhub_engine.errors import JournalFull, PermanentError, ValueRefused
from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Health
from intellyhub_engine.machine.watch import Watcher
from intellyhub_engine.serving import pace
from intellyhub_engine.serving.pace import Pace
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.surroundings import await_that
from intellyhub_knative.platform.deployments import remove_deployment, write_deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.seal import seal
from intellyhub_knative.platform.sources import source, watched
from intellyhub_knative.platform.sources.host import Host
from intellyhub_knative.platform.sources.turns import Turns
from tests.unit.knative.platform.house_double import KEYS, data_folder, make_flow, make_tenant


class Outbox:
    """Keeps each event once, as the journal does; fails with `fault` while that is set."""

    def __init__(self):
        self.stored = []
        self.known = set()
        self.fault = None

    def accept(self, tenant_id, events):
        if self.fault is not None:
            raise self.fault
        for event in events:
            if (tenant_id, event.source, event.id) not in self.known:
                self.known.add((tenant_id, event.source, event.id))
                self.stored.append((tenant_id, event))

    @property
    def events(self):
        return [event for _, event in self.stored]


class House:
    """A host over a data folder."""

    def __init__(self, layout, outbox=None, catalogue=None):
        self.layout = layout
        self.outbox = outbox or Outbox()
        self.desired = Desired(layout)
        self.host = Host(
            layout=layout,
            keys=KEYS,
            catalogue=catalogue or installed(),
            accept=self.outbox.accept,
            desired=self.desired,
        )

    def refresh(self):
        self.desired.read()
        self.host.reconcile()

    def item(self, flow):
        return next(item for item in self.host.show()["items"] if item["flow_id"] == flow.flow_id)

    def __enter__(self):
        self.refresh()
        return self

    def __exit__(self, *fault):
        self.host.stop()


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout)
        yield layout


@pytest.fixture
def feeds():
    with FeedServer() as feeds:
        feeds.publish(Article(title="old", link="https://e.org/old"))
        yield feeds


def rss(feeds, **more):
    return {"type": "rss", "url": f"{feeds.url}/feed.xml", "check_interval": 0.05, **more}


def titles(house):
    return [event.data["title"] for event in house.outbox.events]


def test_a_new_article_is_stored_for_its_flow(layout, feeds):
    flow = make_flow(layout, listener=rss(feeds))
    with House(layout) as house:
        await_that(lambda: house.item(flow)["connected"])
        feeds.publish(Article(title="new", link="https://e.org/new"))
        await_that(lambda: house.outbox.stored)
        item = house.item(flow)
    [(tenant_id, event)] = house.outbox.stored
    assert (tenant_id, event.data["title"], event.source) == (flow.tenant_id, "new", flow.address)
    assert event.extensions["flow"] == flow.flow_id
    assert (item["type"], item["events"], item["restarts"], item["message"]) == ("rss", 1, 0, "")
    assert item["last_event_at"].endswith("Z")
    assert item["last_contact_at"].endswith("Z")
    assert item["next_attempt_at"].endswith("Z")


def test_a_source_that_fails_says_when_it_looks_again(layout, feeds):
    flow = make_flow(layout, listener=rss(feeds, url=f"{feeds.url}/none.xml", check_interval=60))
    with House(layout) as house:
        await_that(lambda: "none.xml" in house.item(flow)["message"])
        await_that(lambda: house.item(flow)["next_attempt_at"])


def test_a_restart_neither_repeats_nor_skips(layout, feeds):
    make_flow(layout, listener=rss(feeds))
    outbox = Outbox()
    with House(layout, outbox) as house:
        await_that(lambda: len(feeds.calls) >= 2)
        feeds.publish(Article(title="first", link="https://e.org/1"))
        await_that(lambda: titles(house) == ["first"])
        before = len(feeds.calls)
        await_that(lambda: len(feeds.calls) > before + 1)
    feeds.publish(Article(title="while away", link="https://e.org/2"))
    with House(layout, outbox) as house:
        await_that(lambda: len(outbox.stored) == 2)
    assert titles(house) == ["first", "while away"]


def test_a_listener_that_changed_listens_anew_and_keeps_its_place(layout, feeds):
    flow = make_flow(layout, listener=rss(feeds))
    with House(layout) as house:
        await_that(lambda: house.item(flow)["connected"])
        write_deployment(layout.deployments, replace(flow, listener=rss(feeds, user_agent="another")))
        house.refresh()
        await_that(lambda: feeds.calls[-1].headers["user-agent"] == "another")
        feeds.publish(Article(title="new", link="https://e.org/new"))
        await_that(lambda: house.outbox.stored)
    assert titles(house) == ["new"]


def test_names_of_variables_and_secrets_are_filled_in_and_secrets_are_not_shown(layout, feeds):
    secret = "a-very-secret-path"
    make_tenant(layout, variables={"HOST": feeds.url}, sealed_secrets={"PLACE": seal(secret, KEYS)})
    listener = {"type": "rss", "url": "{HOST}/{folder}/{PLACE}", "check_interval": 0.05}
    flow = make_flow(layout, listener=listener, variables={"folder": "news"})
    with House(layout) as house:
        await_that(lambda: "404" in house.item(flow)["message"])
        item = house.item(flow)
    assert feeds.calls[0].path == f"/news/{secret}"
    assert secret not in str(item)
    assert item["connected"] is False


def test_a_listener_that_cannot_begin_says_why(layout):
    flow = make_flow(layout, listener={"type": "rss", "url": "{NOBODY_KNOWS}"})
    with House(layout) as house:
        await_that(lambda: house.item(flow)["restarts"])
        item = house.item(flow)
    assert item["connected"] is False
    assert "NOBODY_KNOWS" in item["message"]
    assert item["next_attempt_at"] is not None


@pytest.mark.parametrize("change", ["inactive", "deleted", "suspended"])
def test_what_is_no_longer_to_listen_ends(layout, feeds, change):
    flow = make_flow(layout, listener=rss(feeds))
    with House(layout) as house:
        await_that(lambda: house.item(flow)["connected"])
        if change == "inactive":
            write_deployment(layout.deployments, replace(flow, active=False))
        elif change == "deleted":
            remove_deployment(layout.deployments, flow.flow_id)
        else:
            make_tenant(layout, suspended=True)
        house.refresh()
        assert house.host.show()["items"] == []
        if change == "deleted":
            await_that(lambda: not (layout.cursors / flow.flow_id).exists())
        time.sleep(0.2)
        before = len(feeds.calls)
        time.sleep(0.2)
        assert len(feeds.calls) == before
        assert (layout.cursors / flow.flow_id).exists() is (change != "deleted")


def test_webhooks_and_flows_without_a_source_are_not_listened_to(layout):
    for name, listener in (
        ("a", {"type": "webhook", "path": "/x"}),
        ("b", None),
        ("c", {"type": "mcp"}),
        ("d", {"type": "a2a"}),
    ):
        make_flow(layout, name, listener=listener)
    with House(layout) as house:
        assert house.host.show()["items"] == []


def test_an_event_is_not_acknowledged_before_it_is_stored(layout, feeds, monkeypatch):
    monkeypatch.setattr(source, "FIRST_PAUSE_SECONDS", 0.05)
    flow = make_flow(layout, listener=rss(feeds, emit_existing=True))
    outbox = Outbox()
    outbox.fault = JournalFull("no room")
    with House(layout, outbox) as house:
        await_that(lambda: "no room" in house.item(flow)["message"])
        assert house.item(flow)["connected"] is False
        outbox.fault = None
        await_that(lambda: outbox.stored)
        await_that(lambda: house.item(flow)["connected"])
    assert titles(house) == ["old"]


def test_an_event_that_can_never_be_stored_stops_nothing(layout, feeds):
    flow = make_flow(layout, listener=rss(feeds, emit_existing=True))
    outbox = Outbox()
    outbox.fault = ValueRefused("too large")
    with House(layout, outbox) as house:
        await_that(lambda: house.item(flow)["connected"])
        outbox.fault = None
        feeds.publish(Article(title="new", link="https://e.org/new"))
        await_that(lambda: outbox.stored)
    assert titles(house) == ["new"]


def test_files_are_watched_in_the_tenants_workspace(layout):
    flow = make_flow(layout, listener={"type": "directory", "path": "inbox", "poll_interval": 0.02})
    inbox = layout.workspace_of(flow.tenant_id) / "inbox"
    inbox.mkdir(parents=True)
    with House(layout) as house:
        await_that(lambda: house.item(flow)["connected"])
        (inbox / "a.csv").write_text("x")
        await_that(lambda: house.outbox.stored)
    assert house.outbox.events[0].data["file_path"] == "inbox/a.csv"


def test_a_folder_of_another_tenant_is_refused(layout):
    (layout.workspace_of("other") / "inbox").mkdir(parents=True)
    flow = make_flow(layout, listener={"type": "directory", "path": "../other/inbox"})
    with House(layout) as house:
        await_that(lambda: house.item(flow)["restarts"])
        assert "outside the workspace" in house.item(flow)["message"]


def test_schedules_fire_without_a_thread_each(layout):
    make_flow(layout, "a", listener={"type": "schedule", "every": 0.2})
    for number in range(60):
        make_flow(layout, f"idle-{number}", listener={"type": "schedule", "cron": "0 0 1 1 *"})
    before = threading.active_count()
    with House(layout) as house:
        await_that(lambda: len(house.outbox.stored) >= 3)
        assert threading.active_count() - before <= 24
        await_that(lambda: all(item["connected"] for item in house.host.show()["items"]))
    assert len({event.id for event in house.outbox.events}) == len(house.outbox.stored)


def same(value):
    return value


def made_of(*sources):
    """A catalogue of sources that are functions of a test."""
    kinds = {}
    for number, listen in enumerate(sources):
        kind = f"made{number}"
        kinds[kind] = SourceType(type=kind, parameters={"n": Parameter(name="n")}, load=partial(same, listen))
    return Catalogue(sources=kinds)


def test_a_source_that_breaks_is_begun_again_and_shows_it(layout, monkeypatch, caplog):
    monkeypatch.setattr(source, "FIRST_PAUSE_SECONDS", 0.01)
    begun = []

    def listen(parameters, context):
        begun.append(1)
        context.report(Health(connected=True))
        if len(begun) < 4:
            raise ZeroDivisionError("a fault")
        yield Event(id="1", source=context.address, type="t")
        context.sleep(30)

    flow = make_flow(layout, listener={"type": "made0"})
    with House(layout, catalogue=made_of(listen)) as house:
        await_that(lambda: house.outbox.stored)
        assert house.item(flow)["restarts"] == 3
    assert f"the made0 source of {flow.tenant_slug}/{flow.slug} broke" in caplog.text


def test_a_source_whose_place_was_not_moved_gives_its_event_again_and_it_is_known(layout, monkeypatch):
    monkeypatch.setattr(source, "FIRST_PAUSE_SECONDS", 0.01)

    def listen(parameters, context):
        for number in range(context.cursors.get("n") or 0, 10):
            yield Event(id=str(number), source=context.address, type="t")
            if number == 4 and not context.cursors.get("broke"):
                context.cursors.put("broke", True)
                raise PermanentError("between the event and its place")
            context.cursors.put("n", number + 1)
        context.sleep(30)

    make_flow(layout, listener={"type": "made0"})
    with House(layout, catalogue=made_of(listen)) as house:
        await_that(lambda: len(house.outbox.stored) == 10)
    assert [event.id for event in house.outbox.events] == [str(number) for number in range(10)]


def test_a_source_that_floods_is_slowed_down(layout, monkeypatch):
    monkeypatch.setattr(pace, "BURST", 20.0)

    def listen(parameters, context):
        number = 0
        while not context.stopping.is_set():
            number += 1
            yield Event(id=str(number), source=context.address, type="t")

    make_flow(layout, listener={"type": "made0"})
    with House(layout, catalogue=made_of(listen)) as house:
        await_that(lambda: house.outbox.stored)
        time.sleep(0.5)
        assert 20 <= len(house.outbox.stored) <= 60


def test_the_pace_allows_a_burst_and_then_so_many_a_second():
    now = [0.0]
    measured = Pace(lambda: now[0])
    assert [measured.take() for _ in range(500)] == [0.0] * 500
    assert measured.take() == pytest.approx(1 / 50)
    now[0] = 2.0
    assert measured.take() == 0.0


class Turner:
    """Wants turns."""

    def __init__(self, tenant_id, act):
        self.tenant_id = tenant_id
        self.turn = act


def test_a_tenant_takes_only_its_share_of_the_threads():
    turns = Turns("test", 4, most_of_a_tenant=2)
    release = threading.Event()
    at_work: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def block(tenant):
        def act():
            at_work[tenant] += 1
            most[tenant] = max(most[tenant], at_work[tenant])
            release.wait(10)
            at_work[tenant] -= 1

        return act

    done = threading.Event()
    for _ in range(8):
        turns.add(Turner("greedy", block("greedy")))
    await_that(lambda: at_work["greedy"] == 2)
    turns.add(Turner("modest", done.set))
    assert done.wait(5)
    release.set()
    turns.stop(5)
    assert most["greedy"] == 2


def test_what_uses_much_of_a_core_comes_again_the_later(layout, monkeypatch):
    monkeypatch.setattr(watched, "FREE_SECONDS", 0.02)
    looks: list[list[float]] = []

    class Burning:
        def __init__(self, parameters, context):
            self.looks: list[float] = []
            looks.append(self.looks)

        def due_ns(self):
            return 0

        def look(self):
            self.looks.append(time.monotonic())
            ends = time.thread_time() + 0.05
            while time.thread_time() < ends:
                pass
            yield from ()

    make_flow(layout, listener={"type": "made0"})
    with House(layout, catalogue=made_of(Watcher(Burning))):
        await_that(lambda: looks and len(looks[0]) == 2)
    assert looks[0][1] - looks[0][0] >= 0.9  # 0.05 s of a core is 5 % of one second
