"""The broker with a journal in memory and flows that answer what a test wants."""

import asyncio
import time
from dataclasses import replace

import pytest

from intellyhub_engine.serving.access import Access
from intellyhub_engine.serving.message import Request
from intellyhub_knative.platform.broker import attempts, dispatch
from intellyhub_knative.platform.deployments import Delivery, remove_deployment, write_deployment
from intellyhub_knative.platform.keys import Purpose
from tests.unit.knative.platform.broker.scenes import door, make_event, make_run, running
from tests.unit.knative.platform.flow_double import Say, problem
from tests.unit.knative.platform.house_double import KEYS, make_flow, make_tenant, until
from tests.unit.knative.platform.memory_journal import MemoryJournal

SWIFT = Delivery(backoff_delay_seconds=0.01)


def test_an_event_that_passes_a_flows_filters_is_delivered_as_a_knative_broker_does(layout):
    flow = make_flow(layout, filters=({"exact": {"type": "order.created"}},))

    async def scene():
        journal = MemoryJournal()
        trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions=trace), make_event(2, type="other")])
            await until(lambda: len(journal.delivered) == 1 and not journal.unlooked)
            return worker.got

    [got] = asyncio.run(scene())
    headers = got.headers
    assert (got.method, got.target, got.body) == ("POST", "/", b'{"n":1}')
    assert {headers[name] for name in ("ce-id", "ce-source", "ce-type", "ce-specversion")} == {
        "1",
        "/shop",
        "order.created",
        "1.0",
    }
    assert headers["ce-knativearrivaltime"].endswith("Z")
    assert len(headers["ce-knativearrivaltime"]) == len("2026-11-22T15:13:49.737685122Z")
    assert (headers["kn-namespace"], headers["prefer"], headers["content-type"]) == (
        "acme",
        "reply",
        "application/json",
    )
    assert headers["traceparent"] == headers["ce-traceparent"]
    assert "authorization" not in headers


def test_a_delivery_is_signed_for_its_flow_and_for_no_other(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(data="è", extensions={"flow": "orders"})])
            await until(lambda: worker.got)
            return worker.got[0]

    got = asyncio.run(scene())
    request = Request(got.method, got.target, got.headers, got.body)
    own = KEYS.token(Purpose.DELIVERY, flow.journal_name).encode()
    Access(secrets=(own,)).admit(request, time.time())
    with pytest.raises(Exception, match="signature"):
        Access(secrets=(b"x" * 16,)).admit(request, time.time())


def test_an_event_is_addressed_by_id_or_slug_and_only_within_its_tenant(layout):
    flow, _ = make_flow(layout, "orders"), make_tenant(layout, "other")
    foreign = make_flow(layout, "theirs", tenant="other")

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, door(layout, foreign) as other, running(layout, journal):
            for number, address in enumerate((flow.flow_id, "orders", foreign.flow_id, "theirs", "nobody")):
                await journal.accept(flow.tenant_id, [make_event(number, extensions={"flow": address})])
            await until(lambda: len(journal.delivered) == 2 and len(journal.dead) == 3)
            return [got.event_id for got in worker.got], other.got, {letter.error for letter in journal.dead}

    mine, theirs, errors = asyncio.run(scene())
    assert sorted(mine) == ["0", "1"]
    assert theirs == []
    assert all("has no flow" in error for error in errors)


def test_an_event_that_nobody_wants_is_done(layout):
    async def scene():
        journal = MemoryJournal()
        async with running(layout, journal):
            await journal.accept(make_flow(layout).tenant_id, [make_event()])
            await until(lambda: not journal.unlooked)
            return journal

    journal = asyncio.run(scene())
    assert (journal.pending, journal.dead) == ({}, [])


def test_a_flow_with_a_run_that_waits_for_the_event_gets_it(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()
        journal.waiting = [(make_run(flow), {"type": "order.created"})]
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(), make_event(2, type="other")])
            await until(lambda: journal.delivered and not journal.unlooked)
            return [got.event_id for got in worker.got]

    assert asyncio.run(scene()) == ["1"]


def test_a_failing_delivery_is_tried_again_and_then_is_a_dead_letter_that_says_why(layout):
    flow = make_flow(layout, delivery=Delivery(retry=2, backoff_delay_seconds=0.01))

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, answer=lambda got: problem(503, "run-retryable")) as worker:
            async with running(layout, journal):
                await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
                await until(lambda: journal.dead)
            return len(worker.got), journal.dead[0]

    attempts, letter = asyncio.run(scene())
    assert (attempts, letter.attempts, letter.code) == (3, 3, 503)
    assert letter.error == "the flow answered 503: words"


def test_a_worker_that_breaks_the_connection_is_asked_again(layout):
    flow = make_flow(layout, delivery=SWIFT)
    answers = [None, None, Say()]

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, answer=lambda got: answers.pop(0)), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.delivered)
            return journal.delivered[0][0].attempt

    assert asyncio.run(scene()) == 3


def test_an_attempt_that_takes_too_long_counts_as_failed(layout):
    flow = make_flow(layout, delivery=Delivery(retry=0, timeout_seconds=0.1))

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, answer=lambda got: Say(seconds=5)), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.dead)
            return journal.dead[0]

    letter = asyncio.run(scene())
    assert (letter.code, letter.error) == (None, "no answer within 0.1 s")


def test_while_a_flow_has_no_socket_its_attempts_do_not_count(layout):
    flow = make_flow(layout, delivery=Delivery(retry=0))

    async def scene():
        journal = MemoryJournal()
        async with running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.pending)
            await asyncio.sleep(0.3)
            assert journal.dead == []
            async with door(layout, flow):
                await until(lambda: journal.delivered)
        return journal.delivered[0][0].attempt

    assert asyncio.run(scene()) == 1


def test_a_flow_that_stays_away_costs_attempts_in_the_end(layout, monkeypatch):
    monkeypatch.setattr(dispatch, "PATIENCE_SECONDS", 0.1)
    flow = make_flow(layout, delivery=Delivery(retry=1, backoff_delay_seconds=0.01))

    async def scene():
        journal = MemoryJournal()
        async with running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.dead)
        return journal.dead[0]

    letter = asyncio.run(scene())
    assert letter.attempts == 2
    assert "cannot be reached" in letter.error


def test_a_busy_worker_costs_no_attempt(layout):
    flow = make_flow(layout, delivery=Delivery(retry=0))
    answers = [problem(503, "busy"), problem(503, "in-flight"), problem(503, "stopping"), Say()]

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, answer=lambda got: answers.pop(0)), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.delivered)
            return journal.delivered[0][0].attempt

    assert asyncio.run(scene()) == 1


def test_a_reply_goes_back_into_the_tenants_broker_and_to_whom_it_concerns(layout):
    first = make_flow(layout, "first", filters=({"exact": {"type": "order.created"}},))
    second = make_flow(layout, "second", filters=({"exact": {"type": "order.paid"}},))
    headers = (
        ("ce-specversion", "1.0"),
        ("ce-id", "p1"),
        ("ce-source", "/first"),
        ("ce-type", "order.paid"),
        ("ce-intellyhubhops", "7"),
        ("Content-Type", "application/json"),
    )

    async def scene():
        journal = MemoryJournal()
        async with (
            door(layout, first, answer=lambda got: Say(200, headers, b'{"paid": true}')),
            door(layout, second) as worker,
            running(layout, journal),
        ):
            await journal.accept(first.tenant_id, [make_event()])
            await until(lambda: worker.got)
            return worker.got[0]

    got = asyncio.run(scene())
    assert (got.event_id, got.body, got.headers["ce-intellyhubhops"]) == ("p1", b'{"paid":true}', "1")


def test_replies_that_go_round_for_ever_end(layout, caplog):
    flow = make_flow(layout, "echo", filters=({"exact": {"type": ""}},))
    numbers = iter(range(1000))

    def echo(got):
        headers = {"ce-specversion": "1.0", "ce-id": f"e{next(numbers)}", "ce-source": "/echo", "ce-type": "echo"}
        return Say(200, tuple(headers.items()))

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow, answer=echo), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event()])
            await until(lambda: len(journal.delivered) == 21 and not journal.pending)
            return len(journal.events)

    assert asyncio.run(scene()) == 21
    assert "was dropped" in caplog.text


def test_events_of_an_inactive_flow_are_kept_until_it_is_active(layout):
    flow = make_flow(layout, active=False)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.pending)
            await asyncio.sleep(0.1)
            assert worker.got == []
            write_deployment(layout.deployments, replace(flow, active=True))
            await until(lambda: journal.delivered)

    asyncio.run(scene())


def test_events_of_a_suspended_tenant_are_kept_until_it_is_not(layout):
    flow = make_flow(layout)
    make_tenant(layout, suspended=True)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.pending)
            await asyncio.sleep(0.1)
            assert worker.got == []
            make_tenant(layout)
            await until(lambda: journal.delivered)

    asyncio.run(scene())


def test_a_flow_that_was_deleted_leaves_dead_letters(layout):
    flow = make_flow(layout, active=False)

    async def scene():
        journal = MemoryJournal()
        async with running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.pending)
            remove_deployment(layout.deployments, flow.flow_id)
            await until(lambda: journal.dead)
            return journal.dead[0].error

    assert "was deleted" in asyncio.run(scene())


def test_deliveries_begin_while_a_large_batch_is_still_looked_at(layout):
    flow = make_flow(layout)

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(n, extensions={"flow": "orders"}) for n in range(400)])
            await until(lambda: worker.got)
            return len(journal.unlooked)

    assert asyncio.run(scene()) > 0


def test_a_slow_flow_holds_up_neither_other_flows_nor_other_tenants(layout):
    slow = make_flow(layout, "slow", max_scale=2)
    quick = make_flow(layout, "quick")
    make_tenant(layout, "other")
    foreign = make_flow(layout, "theirs", tenant="other")

    async def scene():
        journal = MemoryJournal()
        async with (
            door(layout, slow, answer=lambda got: Say(seconds=30)) as snail,
            door(layout, quick),
            door(layout, foreign),
            running(layout, journal),
        ):
            many = [make_event(number, extensions={"flow": "slow"}) for number in range(1000)]
            await journal.accept(slow.tenant_id, many)
            await until(lambda: len(snail.got) == 4)
            await journal.accept(slow.tenant_id, [make_event("q", extensions={"flow": "quick"})])
            await journal.accept(foreign.tenant_id, [make_event("f", extensions={"flow": "theirs"})])
            await until(lambda: len(journal.delivered) == 2)
            return snail.most_at_once

    assert asyncio.run(scene()) == 2 + 2  # its workers, and a little that waits in the socket


def test_a_page_of_the_journal_is_not_read_again_for_each_delivery(layout):
    flow = make_flow(layout, max_scale=2)
    read = []

    class Counting(MemoryJournal):
        async def due(self, *given, **named):
            found = await super().due(*given, **named)
            read.append(len(found))
            return found

    async def scene():
        journal = Counting()
        async with door(layout, flow), running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(n, extensions={"flow": "orders"}) for n in range(300)])
            await until(lambda: len(journal.delivered) == 300)

    asyncio.run(scene())
    assert sum(read) < 2 * 300


def test_an_event_that_the_broker_fails_at_is_not_tried_for_ever(layout, monkeypatch, caplog):
    flow = make_flow(layout, delivery=Delivery(retry=1, backoff_delay_seconds=0.01))

    def fail(*given):
        raise KeyError("a fault of ours")

    monkeypatch.setattr(attempts, "make_letter", fail)

    async def scene():
        journal = MemoryJournal()
        async with running(layout, journal):
            await journal.accept(flow.tenant_id, [make_event(extensions={"flow": "orders"})])
            await until(lambda: journal.dead)
            return journal.dead[0].error

    assert asyncio.run(scene()) == "the broker failed; its log says how"
    assert "a fault of ours" in caplog.text


def test_what_no_header_can_carry_makes_a_dead_letter(layout):
    flow = make_flow(layout, delivery=Delivery(retry=0))
    event = make_event(data="x", datacontenttype="text/plain\r\nX-Other: 1", extensions={"flow": "orders"})

    async def scene():
        journal = MemoryJournal()
        async with door(layout, flow) as worker, running(layout, journal):
            await journal.accept(flow.tenant_id, [event])
            await until(lambda: journal.dead)
            return worker.got, journal.dead[0].error

    got, error = asyncio.run(scene())
    assert (got, error) == ([], "the header Content-Type holds a control character")
