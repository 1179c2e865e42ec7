"""The forwarder over a journal in memory, before a Broker and flows that behave as Knative was seen to."""

import asyncio
import contextlib
import json
import time

import pytest

from intellyhub_engine.serving.access import Access
from intellyhub_engine.serving.message import Request
from intellyhub_knative.manifests.names import BROKER, names_of
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.triggers import make_triggers
from intellyhub_knative.platform.broker import breaker, dispatch, forwarding
from intellyhub_knative.platform.broker.forwarding import held_seconds
from intellyhub_knative.platform.deployments import Delivery, Rollout
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.knative import read_knative
from intellyhub_knative.platform.tenants import remove_tenant
from tests.integration.knative_broker import Knative, Trigger
from tests.unit.knative.platform.broker.scenes import make_event, make_run, running
from tests.unit.knative.platform.flow_double import FlowDouble, Say, problem
from tests.unit.knative.platform.house_double import KEYS, an_id, make_flow, make_tenant, until
from tests.unit.knative.platform.memory_journal import MemoryJournal

LISTENS = ({"prefix": {"type": "order."}},)
TENANT = an_id("tenant acme")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(forwarding, "AGAIN", Delivery(backoff_delay_seconds=0.02, max_backoff_seconds=0.1))
    monkeypatch.setattr(dispatch, "EARLY_PAUSE_SECONDS", 0.02)


class Pod(FlowDouble):
    """A flow's pod: a port on loopback."""

    def __init__(self, answer=lambda got: Say()):
        super().__init__(None, answer)  # type: ignore[arg-type]

    async def __aenter__(self):
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *fault):
        self._server.close()  # type: ignore[union-attr]


@contextlib.asynccontextmanager
async def forwarder(layout):
    journal = MemoryJournal()
    async with Knative() as knative, running(layout, journal, read_knative(knative.environment)) as broker:
        yield journal, knative, broker
    assert knative.crashes == []


def deploy(layout, knative, flow, pod, *, standing=True, number=None):
    names = names_of(flow)
    tag = "" if number is None else f"v{number}-"
    knative.services[f"{tag}{names.service}.{names.namespace}.svc.cluster.local"] = pod.port
    knative.brokers.add((names.namespace, BROKER))
    if number is None:
        knative.triggers += [Trigger(each) for each in make_triggers(flow, ClusterSettings())]
    folder = layout.data / "cluster_status"
    folder.mkdir(exist_ok=True)
    status = {"trigger": {"ready": standing, "version": flow.current.number}}
    (folder / f"{flow.flow_id}.json").write_text(json.dumps(status))


def is_done(journal):
    return not journal.unlooked and not journal.pending


def test_an_event_is_posted_once_signed_by_its_tenant_with_the_flows_id_as_its_address(layout):
    flow = make_flow(layout)

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as pod:
            deploy(layout, knative, flow, pod)
            await journal.accept(TENANT, [make_event(extensions={"flow": "orders", "knativebrokerttl": "0"})], hops=2)
            await until(lambda: journal.delivered and is_done(journal))
            return pod.got, knative.posts

    [got], posts = asyncio.run(scene())
    assert posts == [("1", 202)]
    assert got.headers["ce-flow"] == flow.flow_id
    assert got.headers["ce-intellyhubhops"] == "2"
    assert got.headers["prefer"] == "reply"
    request = Request("POST", "/", got.headers, got.body)
    Access(secrets=(KEYS.token(Purpose.DELIVERY, TENANT).encode(),)).admit(request, time.time())


def test_a_slow_flow_holds_up_neither_its_neighbours_nor_other_tenants(layout):
    make_tenant(layout, "other")
    slow = make_flow(layout, "slow", filters=LISTENS, max_scale=1)
    quick = make_flow(layout, "quick", filters=({"exact": {"type": "mail"}},))
    theirs = make_flow(layout, "theirs", tenant="other", filters=LISTENS)

    async def scene():
        let_go = asyncio.Event()
        async with forwarder(layout) as (journal, knative, _), Pod() as idle, Pod(lambda got: Say()) as busy:
            busy.answer = lambda got: Say(seconds=0.0 if let_go.is_set() else 1.0)
            for flow, pod in ((slow, busy), (quick, idle), (theirs, idle)):
                deploy(layout, knative, flow, pod)
            await journal.accept(TENANT, [make_event(number) for number in range(40)])
            await until(lambda: len(busy.got) == 3)
            await journal.accept(TENANT, [make_event("m", type="mail")])
            await journal.accept(theirs.tenant_id, [make_event("t")])
            await until(lambda: len(idle.got) == 2)
            at_once = busy.most_at_once
            let_go.set()
            await until(lambda: is_done(journal))
            return at_once, busy.got, knative.most_at_once

    at_once, got, most = asyncio.run(scene())
    assert at_once == 3  # one that runs, and two that wait for their turn
    assert {one.event_id for one in got} == {str(number) for number in range(40)}
    assert most <= 3 + 2


def test_while_the_broker_is_away_one_event_asks_and_nothing_is_given_up(layout):
    flow = make_flow(layout, filters=LISTENS)

    async def scene():
        async with forwarder(layout) as (journal, knative, broker), Pod() as pod:
            deploy(layout, knative, flow, pod)
            knative.brokers.clear()
            await journal.accept(TENANT, [make_event(number) for number in range(30)])
            await until(lambda: broker.counters and len(journal.settled) >= 14)
            state, asked = await broker.state(), len(journal.settled)
            await asyncio.sleep(0.1)
            assert len(journal.settled) - asked < 10
            knative.brokers.add((names_of(flow).namespace, BROKER))
            await until(lambda: is_done(journal))
            return state, journal, pod.got

    state, journal, got = asyncio.run(scene())
    assert state["brokers_away"] == [TENANT]
    assert journal.dead == []
    assert sorted(int(one.event_id) for one in got) == list(range(30))


def test_a_flow_whose_trigger_does_not_stand_gets_events_straight_and_signed_for_it(layout):
    flow = make_flow(layout, filters=LISTENS)

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as pod:
            deploy(layout, knative, flow, pod, standing=False)
            knative.triggers.clear()  # as while its Service is not ready: a Broker drops what comes meanwhile
            await journal.accept(TENANT, [make_event(1), make_event(2, extensions={"flow": "orders"})])
            await until(lambda: len(pod.got) == 2 and is_done(journal))
            return knative.posts, pod.got

    posts, got = asyncio.run(scene())
    assert posts == [("1", 202)]  # who else listens gets it
    for one in got:
        request = Request("POST", "/", one.headers, one.body)
        Access(secrets=(KEYS.token(Purpose.DELIVERY, flow.journal_name).encode(),)).admit(request, time.time())


def test_what_the_broker_refuses_goes_straight_or_is_a_dead_letter(layout, monkeypatch):
    flow = make_flow(layout, filters=LISTENS)

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as pod:
            deploy(layout, knative, flow, pod)
            monkeypatch.setattr("tests.integration.knative_broker.read_event", lambda headers: None)
            await journal.accept(TENANT, [make_event(1), make_event(2, type="nobody")])
            await until(lambda: is_done(journal))
            return journal.dead, pod.got

    dead, got = asyncio.run(scene())
    assert [one.event_id for one in got] == ["1"]
    assert [(letter.event.id, letter.code, letter.error) for letter in dead] == [
        ("2", 400, "the Broker refused the event (400)")
    ]


def test_a_type_that_no_header_can_carry_is_a_dead_letter_and_not_posted_for_ever(layout):
    flow = make_flow(layout, filters=LISTENS, delivery=Delivery(retry=0))

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as pod:
            deploy(layout, knative, flow, pod)
            await journal.accept(TENANT, [make_event(data="x", datacontenttype="text/plain\nHost: elsewhere")])
            await until(lambda: is_done(journal) and journal.dead)
            return journal.dead, knative.posts

    [letter], posts = asyncio.run(scene())
    assert (letter.flow_id, posts) == (flow.flow_id, [])
    assert "Content-Type" in letter.error


def test_a_run_of_an_older_version_gets_its_event_at_its_tag(layout):
    flow = make_flow(layout, filters=LISTENS, versions=((2, "d2"), (1, "d1")), delivery=Delivery(retry=0))
    run = make_run(flow, version="d1")

    async def scene():
        async with (
            forwarder(layout) as (journal, knative, _),
            Pod(lambda got: problem(409, "other-version", ("X-IntellyHub-Version", "d1"))) as new,
            Pod() as old,
        ):
            knative.triggers.clear()
            deploy(layout, knative, flow, new)
            deploy(layout, knative, flow, old, number=1)
            knative.triggers[0].manifest["spec"]["delivery"].pop("deadLetterSink")
            journal.waiting.append((run, {"type": "order.created"}))
            await journal.accept(TENANT, [make_event()])
            await until(lambda: old.got)
            return old.got

    [got] = asyncio.run(scene())
    assert got.event_id == "1"


def test_a_new_event_that_goes_straight_is_split_by_a_rollout_like_any_other(layout):
    rolling = Rollout(stable=1, percent=10)
    flow = make_flow(layout, filters=LISTENS, versions=((2, "d2"), (1, "d1")), rollout=rolling)

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as either, Pod() as new:
            deploy(layout, knative, flow, either, standing=False)
            deploy(layout, knative, flow, new, number=2, standing=False)
            knative.triggers.clear()
            await journal.accept(TENANT, [make_event()])
            await until(lambda: is_done(journal))
            return either.got, new.got

    either, new = asyncio.run(scene())
    assert ([one.event_id for one in either], new) == (["1"], [])


def test_records_that_are_still_on_their_way_are_waited_for(layout):
    remove_tenant(layout.tenants, TENANT)

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as pod:
            await journal.accept(TENANT, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.pending)
            await asyncio.sleep(0.1)
            assert journal.dead == []
            make_tenant(layout)
            deploy(layout, knative, make_flow(layout), pod)
            await until(lambda: is_done(journal))
            return pod.got

    assert len(asyncio.run(scene())) == 1


def test_due_runs_are_asked_for_and_the_request_is_held_until_they_end(layout):
    flow = make_flow(layout)

    async def scene():
        async with forwarder(layout) as (journal, knative, _), Pod() as pod:

            def end(got):
                journal.woken("r1")
                return problem(500, "run-failed")

            pod.answer = end
            deploy(layout, knative, flow, pod)
            journal.runs.append(make_run(flow, wake_ns=1))
            await until(lambda: pod.got)
            await asyncio.sleep(0.05)
            return pod.got

    [got] = asyncio.run(scene())
    assert (got.method, got.target) == ("PUT", "/runs/r1/resumption")
    assert got.headers["authorization"] == f"Bearer {KEYS.token(Purpose.CALLER, flow.journal_name)}"
    assert "prefer" not in got.headers


def test_a_post_may_take_as_long_as_all_attempts_of_the_slowest_flow(layout):
    slow = make_flow(layout, delivery=Delivery(retry=5, timeout_seconds=300, backoff_delay_seconds=0.5))
    assert held_seconds([]) == 600
    assert held_seconds([slow]) == 6 * 300 + 15.5 + 60
