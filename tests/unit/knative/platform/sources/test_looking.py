"""Turns of the poller: real feeds and schedules; the journal is the engine's in memory, with an outbox."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.events import Event
from intellyhub_engine.journal.ledger import read_page
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.places import JournalCursors
from intellyhub_engine.machine.source import Health
from intellyhub_functions.sources.schedule.schedule import PLACE
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_knative.platform.deployments import write_deployment
from intellyhub_knative.platform.sources import looking, turn
from intellyhub_knative.platform.sources.looking import Look, Looking
from intellyhub_knative.platform.sources.standing import show_page
from tests.unit.knative.platform.house_double import KEYS, data_folder, make_flow, make_tenant

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Journal(MemoryJournal):
    """With an outbox; `fault` is raised by what its name says, `times` times."""

    def __init__(self):
        super().__init__(now_ns=time.time_ns)
        self.stored = {}
        self.faults = {}

    def accept(self, tenant_id, events, *, hops=0):
        self.fail("accept")
        for event in events:
            self.stored.setdefault((tenant_id, event.source, event.id), event)

    def remember(self, flow, key, value, *, expected=None):
        self.fail("remember")
        return super().remember(flow, key, value, expected=expected)

    def fail(self, name):
        if name in self.faults:
            raise self.faults[name]

    @property
    def titles(self):
        return [event.data["title"] for event in self.stored.values()]


class House:
    def __init__(self, layout, catalogue=None):
        self.layout = layout
        self.journal = Journal()
        self.source = None
        self.looking = Looking(layout=layout, keys=KEYS, journal=self.journal, catalogue=catalogue or installed())
        make_tenant(layout)

    def flow(self, **fields):
        return make_flow(self.layout, **fields)

    def look(self, flow, at=0.0, *, ticked_at=None):
        now = NOON + timedelta(seconds=at)
        return self.looking.look(flow.flow_id, now, ticked_at or now)

    def standing(self, flow):
        page = read_page(self.journal, flow.journal_name)
        assert page is not None
        return show_page(page)


@pytest.fixture
def house():
    with data_folder() as layout:
        yield House(layout)


@pytest.fixture
def feeds():
    with FeedServer() as feeds:
        feeds.publish(Article(title="old", link="https://e.org/old"))
        yield feeds


def rss(feeds, **more):
    return {"type": "rss", "url": f"{feeds.url}/feed.xml", "check_interval": 60, **more}


def test_each_tick_is_one_look_and_what_is_new_is_stored_for_its_flow(house, feeds):
    flow = house.flow(listener=rss(feeds))
    assert house.look(flow) is Look.LOOKED
    feeds.publish(Article(title="new", link="https://e.org/new"))
    assert house.look(flow, 60) is Look.LOOKED
    [event] = house.journal.stored.values()
    assert (event.data["title"], event.source, event.extensions["flow"]) == ("new", flow.address, flow.flow_id)
    assert len(feeds.calls) == 2
    standing = house.standing(flow)
    assert (standing["connected"], standing["message"], standing["events"]) == (True, "", 1)
    assert standing["next_attempt_at"] == "2026-11-23T12:02:00.000Z"


def test_a_tick_that_comes_too_early_asks_nobody(house, feeds):
    flow = house.flow(listener=rss(feeds))
    assert [house.look(flow, at) for at in (0, 1, 30, 57, 59)] == [Look.LOOKED, *[Look.NOT_DUE] * 3, Look.LOOKED]
    assert len(feeds.calls) == 2


def test_a_slow_start_does_not_cost_the_next_look(house, feeds):
    flow = house.flow(listener=rss(feeds))
    house.looking.look(flow.flow_id, NOON + timedelta(seconds=20), NOON)
    assert house.look(flow, 60) is Look.LOOKED


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_tick_with_a_wrong_clock_counts_as_one_of_now(house, feeds, hours):
    flow = house.flow(listener=rss(feeds))
    house.look(flow, ticked_at=NOON + timedelta(hours=hours))
    assert house.look(flow, 30) is Look.NOT_DUE
    assert house.look(flow, 60) is Look.LOOKED


def test_a_server_that_fails_is_asked_ever_more_seldom_and_says_so(house, feeds):
    flow = house.flow(listener=rss(feeds, url=f"{feeds.url}/none.xml"))
    looked = [at for at in range(0, 1000, 60) if house.look(flow, at) is Look.LOOKED]
    assert looked == [0, 120, 360, 840]
    standing = house.standing(flow)
    assert not standing["connected"]
    assert "none.xml" in standing["message"]
    assert standing["next_attempt_at"] == "2026-11-23T12:30:00.000Z"


def test_parameters_that_cannot_be_resolved_are_its_standing(house, feeds):
    flow = house.flow(listener=rss(feeds, url="{NOBODY_KNOWS}"))
    assert house.look(flow) is Look.LOOKED
    assert "NOBODY_KNOWS" in house.standing(flow)["message"]


def test_while_the_journal_is_away_the_tick_has_to_come_again_and_nothing_is_lost(house, feeds):
    flow = house.flow(listener=rss(feeds))
    house.look(flow)
    for name in ("first", "second"):
        feeds.publish(Article(title=name, link=f"https://e.org/{name}"))
    house.journal.faults["accept"] = JournalUnwritable("away")
    with pytest.raises(JournalUnwritable):
        house.look(flow, 60)
    assert "away" in house.standing(flow)["message"]
    del house.journal.faults["accept"]
    assert house.look(flow, 180) is Look.LOOKED
    assert sorted(house.journal.titles) == ["first", "second"]


def test_a_kill_between_the_event_and_its_place_makes_no_second_event(house, feeds):
    flow = house.flow(listener=rss(feeds))
    house.look(flow)
    feeds.publish(Article(title="new", link="https://e.org/new"))
    accept, remember = house.journal.accept, house.journal.remember

    def die(*given, **named):
        raise SystemExit

    def accept_and_die(*given, **named):
        accept(*given, **named)
        house.journal.remember = die

    house.journal.accept = accept_and_die
    with pytest.raises(SystemExit):
        house.look(flow, 60)
    house.journal.accept, house.journal.remember = accept, remember
    assert house.look(flow, 90) is Look.NOT_DUE
    assert house.look(flow, 120) is Look.BUSY  # the dead one is not known to be dead yet
    assert house.look(flow, 180) is Look.LOOKED
    assert house.journal.titles == ["new"]


class Slow:
    """A source that waits at its server's door."""

    def __init__(self, kind):
        self.kind = kind
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.stopped = 0

    def listen(self, parameters, context):
        count = (context.cursors.get("count") or 0) + 1
        self.asked.set()
        while not context.stopping.is_set() and not self.answer.is_set():
            time.sleep(0.005)
        if context.stopping.is_set():
            self.stopped += 1
            return
        yield Event(id=str(count), source=context.address, type="t", data={"title": str(count)})
        context.cursors.put("count", count)
        context.report(Health(connected=True))
        context.sleep(60)

    def catalogue(self):
        return Catalogue(sources={"rss": replace(installed().sources["rss"], load=lambda: self.listen)})


@pytest.fixture
def slow():
    with data_folder() as layout:
        source = Slow(installed().sources["rss"])
        house = House(layout, source.catalogue())
        house.source = source
        yield house


def test_of_two_ticks_at_once_one_looks(slow, feeds):
    flow = slow.flow(listener=rss(feeds))
    looks = []
    first = threading.Thread(target=lambda: looks.append(slow.look(flow)))
    first.start()
    assert slow.source.asked.wait(10)
    assert slow.look(flow, 60) is Look.BUSY
    slow.source.answer.set()
    first.join(10)
    assert looks == [Look.LOOKED]
    assert slow.journal.titles == ["1"]


def test_a_turn_that_was_taken_for_dead_stores_nothing_twice(slow, feeds):
    flow = slow.flow(listener=rss(feeds))
    first = threading.Thread(target=lambda: slow.look(flow))
    first.start()
    assert slow.source.asked.wait(10)
    later = threading.Thread(target=lambda: slow.look(flow, 500))
    slow.source.asked.clear()
    later.start()
    assert slow.source.asked.wait(10)
    slow.source.answer.set()
    for each in (first, later):
        each.join(10)
    assert slow.journal.titles == ["1"]


def test_a_server_that_hangs_is_left_when_the_turn_is_over(slow, feeds, monkeypatch):
    monkeypatch.setattr(looking, "make_ending", lambda kind: turn.Ending(seconds=0.05))
    flow = slow.flow(listener=rss(feeds))
    assert slow.look(flow) is Look.LOOKED
    assert slow.source.stopped == 1


@pytest.mark.parametrize("fields", [{"active": False}, {"listener": None}, {"listener": {"type": "webhook"}}])
def test_a_flow_that_needs_no_ticks_is_left_alone(house, feeds, fields):
    flow = house.flow(**{"listener": rss(feeds)} | fields)
    assert house.look(flow) is Look.ASLEEP
    assert not feeds.calls


def test_a_suspended_tenant_is_left_alone(house, feeds):
    flow = house.flow(listener=rss(feeds))
    make_tenant(house.layout, suspended=True)
    assert house.look(flow) is Look.ASLEEP


def test_an_unknown_flow_is_told_apart(house):
    assert house.looking.look("0" * 32, NOON, NOON) is Look.UNKNOWN


def hourly(**more):
    return {"type": "schedule", "cron": "0 * * * *"} | more


@pytest.fixture
def at(house, monkeypatch):
    """Schedules go by the clock of the process."""

    def set_clock(seconds):
        monkeypatch.setattr(time, "time_ns", lambda: int((NOON + timedelta(seconds=seconds)).timestamp() * 1e9))

    return set_clock


def fired(house):
    return [event.id for event in house.journal.stored.values()]


def test_a_schedule_fires_at_its_first_tick_once_and_at_each_after_it(house, at):
    flow = house.flow(listener=hourly())
    for seconds in (0.4, 30.1, 3600.2, 3630.2):
        at(seconds)
        assert house.look(flow, seconds) is Look.LOOKED
    assert fired(house) == ["2026-11-23T12:00:00+00:00", "2026-11-23T13:00:00+00:00"]


def test_a_tick_that_is_not_at_a_time_of_the_schedule_fires_nothing(house, at):
    flow = house.flow(listener=hourly())
    at(1800)
    house.look(flow, 1800)
    assert fired(house) == []
    assert house.standing(flow)["connected"]


def test_a_tick_that_was_lost_is_made_good_by_the_one_after_it(house, at):
    flow = house.flow(listener=hourly())
    for seconds in (0, 3630):
        at(seconds)
        house.look(flow, seconds)
    assert fired(house)[1:] == ["2026-11-23T13:00:00+00:00"]


@pytest.mark.parametrize(("catch_up", "expected"), [(False, []), (True, ["2026-11-23T14:00:00+00:00"])])
def test_what_passed_while_nobody_ticked_is_made_up_for_where_that_is_wanted(house, at, catch_up, expected):
    flow = house.flow(listener=hourly(catch_up=catch_up))
    for seconds in (0, 2.5 * 3600):
        at(seconds)
        house.look(flow, seconds)
    assert fired(house)[1:] == expected


def test_a_tick_by_a_clock_that_is_a_little_ahead_is_waited_for(house):
    flow = house.flow(listener={"type": "schedule", "every": "1h"})
    place = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=0.4)
    JournalCursors(house.journal, flow.journal_name).put(PLACE, place.isoformat())
    house.looking.look(flow.flow_id, datetime.now(UTC))
    assert fired(house) == [(place + timedelta(hours=1)).isoformat()]


def test_a_changed_listener_goes_on_at_its_place(house, feeds):
    flow = house.flow(listener=rss(feeds))
    house.look(flow)
    feeds.publish(Article(title="new", link="https://e.org/new"))
    write_deployment(house.layout.deployments, replace(flow, listener=rss(feeds, check_interval=30)))
    assert house.look(flow, 30) is Look.LOOKED
    assert house.journal.titles == ["new"]
