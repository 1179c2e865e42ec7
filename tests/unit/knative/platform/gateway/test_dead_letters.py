"""The sink of dead letters: whose it takes, and what it makes of them."""

import asyncio
import base64
import json
import time
from dataclasses import replace
from unittest import mock

import pytest
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.serving.access import sign
from intellyhub_engine.serving.cloudevents import encode_data, make_headers
from intellyhub_knative.platform.deployments import Delivery
from intellyhub_knative.platform.gateway.dead_letters import DeadLetters, is_for
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.gateway.given_up import Fate, GivenUp
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import FREE_BYTES, Room
from intellyhub_knative.platform.gateway.settings import Settings
from intellyhub_knative.platform.keys import Purpose
from tests.unit.knative.platform.broker.scenes import make_event, make_run
from tests.unit.knative.platform.house_double import KEYS, an_id, data_folder, make_flow, make_tenant
from tests.unit.knative.platform.memory_journal import MemoryJournal

TENANT = an_id("tenant acme")
LISTENS = ({"prefix": {"type": "order."}},)


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout)
        yield layout


@pytest.fixture
def journal():
    return MemoryJournal()


@pytest.fixture
def sink(layout, journal):
    present = Present(layout)
    made = DeadLetters(present=present, journal=journal, keys=KEYS, settings=Settings(), room=Room(1 << 20))
    made.look = present.look  # type: ignore[attr-defined]
    return made


def keep(sink, flow_id, event, fate=Fate.DEAD, code=400, **fields):
    sink.look()
    asyncio.run(sink.keep(TENANT, flow_id, event, GivenUp(fate, code, "why"), fields.get("hops", 0)))


def signed(event, tenant_id=TENANT):
    body, content_type = encode_data(event)
    key = KEYS.token(Purpose.DELIVERY, tenant_id).encode()
    headers = dict(make_headers(sign(event, body, key, time.time())))
    return headers | ({"content-type": content_type} if content_type else {}), body


def test_only_what_its_tenant_has_signed_is_taken(sink):
    headers, body = signed(make_event(extensions={"flow": "x"}))
    event = sink.admit(TENANT, headers, body)
    assert (event.id, event.extensions["flow"]) == ("1", "x")
    for tenant, change, fault in (
        (an_id("tenant other"), {}, Fault.FORBIDDEN),
        (TENANT, {"ce-flow": "y"}, Fault.FORBIDDEN),
        (TENANT, {"ce-intellyhubsig": "x"}, Fault.FORBIDDEN),
    ):
        with pytest.raises(Refusal) as refusal:
            sink.admit(tenant, headers | change, body)
        assert refusal.value.fault is fault


async def post(sink, headers, body):
    payload = StreamReader(mock.Mock(_reading_paused=False), 1 << 20)
    payload.feed_data(body)
    payload.feed_eof()
    path = f"/dead-letters/{TENANT}"
    request = make_mocked_request("POST", path, headers=headers, payload=payload)
    return request, await sink.answer(request, path)


def test_what_nobody_has_signed_is_not_even_read(sink):
    with pytest.raises(Refusal) as refusal:
        asyncio.run(post(sink, {"ce-id": "1"}, b"x" * 200_000))
    assert (refusal.value.fault, refusal.value.close) == (Fault.UNAUTHENTICATED, True)


def test_strangers_letters_leave_room_for_hooks_and_events(sink):
    async def scene():
        forged = {"ce-intellyhubsig": "1.f"}
        for fault in (Fault.FORBIDDEN, Fault.BUSY):
            with pytest.raises(Refusal) as refusal:
                await post(sink, forged, b"x" * (FREE_BYTES + (300 << 10)))
            assert refusal.value.fault is fault

    asyncio.run(scene())


def test_a_body_that_nobody_can_read_is_kept_as_it_is(sink):
    event = Event(id="1", source="/s", type="t", data=b"{", datacontenttype="application/json")
    assert sink.admit(TENANT, *signed(event)).data == b"{"
    assert encode_data(sink.admit(TENANT, *signed(event))) == (b"{", "application/json")


def test_what_the_flow_refused_is_a_dead_letter_without_what_brokers_added(layout, journal, sink):
    flow = make_flow(layout, delivery=Delivery(retry=3))
    event = make_event(extensions={"knativeerrorcode": "503", "intellyhubsig": "s", "region": "eu"})
    keep(sink, flow.flow_id, event, code=503)
    keep(sink, flow.flow_id, event, code=503)
    [letter] = journal.dead
    assert (letter.code, letter.error, letter.attempts) == (503, "why", 4)
    assert letter.event.extensions == {"region": "eu"}
    keep(sink, flow.flow_id, make_event(2), code=400)
    assert journal.dead[1].attempts == 1


def test_what_others_refused_goes_straight_unless_its_run_is_there(layout, journal, sink):
    flow = make_flow(layout)
    keep(sink, flow.flow_id, make_event(), Fate.AGAIN, 504)
    [(due, _)] = journal.pending.values()
    assert (due.flow_id, due.attempt) == (flow.flow_id, 1)
    journal.runs.append(make_run(flow, run_id="/shop 2", status=RunStatus.RUNNING))
    keep(sink, flow.flow_id, make_event(2), Fate.AGAIN, 504)
    assert len(journal.pending) == 1
    journal.runs = [replace(journal.runs[0], status=RunStatus.FAILED)]
    keep(sink, flow.flow_id, make_event(2), Fate.AGAIN, 504)
    assert len(journal.pending) == 2
    assert journal.dead == []


def test_a_trigger_that_is_gone_makes_no_dead_letters(layout, journal, sink):
    flow = make_flow(layout, filters=LISTENS)
    keep(sink, an_id("deleted"), make_event(), Fate.SILENT, None)
    keep(sink, flow.flow_id, make_event(type="other"), Fate.SILENT, None)
    assert not journal.dead
    assert not journal.pending
    keep(sink, flow.flow_id, make_event(), Fate.SILENT, None)
    assert len(journal.pending) == 1
    keep(sink, an_id("deleted"), make_event(3), Fate.AGAIN, 500)
    assert len(journal.dead) == 1  # as on one machine: it was for a flow that is no more


def test_a_flow_of_another_tenant_is_refused(layout, journal, sink):
    make_tenant(layout, "other")
    theirs = make_flow(layout, "theirs", tenant="other")
    with pytest.raises(Refusal) as refusal:
        keep(sink, theirs.flow_id, make_event())
    assert refusal.value.fault is Fault.FORBIDDEN


def test_which_flow_an_event_is_for_is_what_its_trigger_says(layout):
    flow = make_flow(layout, filters=LISTENS)
    assert is_for(make_event(), flow)
    assert is_for(make_event(type="x", extensions={"flow": flow.flow_id}), flow)
    assert is_for(make_event(extensions={"flow": "else"}), flow)  # it listens to what others are told
    assert not is_for(make_event(type="x", extensions={"flow": "else"}), flow)
    assert not is_for(make_event(type="x"), flow)
    assert not is_for(make_event(extensions={"flow": "else"}), replace(flow, filters=()))


def test_problems_for_brokers_are_small():
    refusal = Refusal(Fault.FORBIDDEN, "x" * 5000, errors=[{"detail": "y" * 5000}])
    assert len(refusal.make_response().body) > 5000  # type: ignore[arg-type]
    brief = refusal.make_response(brief=True).body
    assert len(brief) <= 768  # type: ignore[arg-type]
    assert json.loads(brief)["status"] == 403  # type: ignore[arg-type]
    assert base64.b64encode(brief)  # type: ignore[arg-type]
