"""What dies under a flow: its worker, the warm parent, the activator, the journal service. No request is lost."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from intellyhub_engine.journal.records import RunStatus
from tests.integration.activation import NAP, ask_later, parent_of, platform
from tests.integration.platform_processes import await_that

BROKEN = "states: {a: {state_type: no-such-type}}\n"
CUT_OFF = (ConnectionError, FileNotFoundError)
"""What a client sees of a worker that dies, and of a socket that is gone."""


@pytest.fixture(scope="module")
def house():
    with platform() as made:
        yield made


@pytest.mark.slow
def test_a_worker_that_dies_mid_request_is_followed_by_one_that_goes_on(house):
    flow = house.flow("mortal", NAP)
    house.await_socket(flow)
    first = ask_later(house, flow, {"seconds": 0.4}, Idempotency_Key="once")
    (worker,) = house.await_workers(1, flow, "busy")
    await_that(lambda: house.runs(flow))
    os.kill(worker["pid"], signal.SIGKILL)
    with pytest.raises(CUT_OFF):
        first.result()
    answer = house.ask_until_answered(flow, {"seconds": 0.4}, Idempotency_Key="once")
    assert answer.status == 200
    (run,) = house.runs(flow)
    assert run.status is RunStatus.SUCCEEDED


@pytest.mark.slow
def test_a_hung_worker_is_stopped_and_the_run_says_so(house):
    flow = house.flow("hung", NAP, timeout_seconds=0.5)
    house.await_socket(flow)
    with pytest.raises(CUT_OFF):
        house.ask(flow, {"seconds": 60})
    await_that(lambda: house.runs(flow)[0].status is RunStatus.FAILED)
    client = house.client()
    try:
        history = client.history(house.runs(flow)[0].run_id)
    finally:
        client.close()
    assert "timeout_seconds" in str(history.entries[-1].error)
    assert house.metric("hung") == 1


@pytest.mark.slow
def test_a_flow_that_cannot_start_is_not_started_over_and_over(house):
    flow = house.flow("broken", BROKEN)
    house.await_socket(flow)
    before = house.metric("started")
    answer = house.ask(flow)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.body["type"] == "urn:intellyhub:problem:not-ready"
    assert [house.ask(flow).status for _ in range(20)] == [503] * 20
    assert house.metric("started") - before <= 5
    (failing,) = [each for each in house.activator.get("/workers")["failing"] if each["flow_id"] == flow.flow_id]
    assert "no-such-type" in failing["reason"]
    mended = house.flow("broken", version=2, older=flow.versions)
    house.await_socket(mended)
    assert house.ask(mended).status == 200


@pytest.mark.slow
def test_the_warm_parent_may_die(house):
    flow = house.flow("orphaned", idle_seconds=0.2)
    house.await_socket(flow)
    assert house.ask(flow).status == 200
    (worker,) = house.workers(flow)
    os.kill(parent_of(worker["pid"]), signal.SIGKILL)
    assert house.ask_until_answered(flow).status == 200
    await_that(lambda: house.activator.get("/workers")["spare"])
    house.await_workers(0, flow)


@pytest.mark.slow
def test_the_activator_may_die_at_any_moment():
    with platform() as house:
        assert house.journal.process is not None
        idle, busy = house.flow("idle"), house.flow("busy", NAP)
        for flow in (idle, busy):
            house.await_socket(flow)
        assert house.ask(idle).status == 200
        (sleeper,) = house.workers(idle)
        parent = parent_of(sleeper["pid"])
        answer = ask_later(house, busy, {"seconds": 1.0}, Idempotency_Key="once")
        house.await_workers(1, busy, "busy")
        house.activator.kill()
        waiting = [ask_until(house, idle) for _ in range(10)]
        house.activator.start()
        assert [each.result().status for each in waiting] == [200] * 10
        assert answer.result().body["output"] == {"said": "slept"}  # a busy worker finishes
        await_that(lambda: not lives(sleeper["pid"]))  # an idle one ends
        assert [run.status for run in house.runs(busy)] == [RunStatus.SUCCEEDED]
        assert house.activator.process is not None
        below = descendants(house.activator.process.pid)
        assert house.activator.stop() == 0
        await_that(lambda: not any(lives(each) for each in below))
        assert not lives(parent)


def lives(pid: int) -> bool:
    """Whether a process of this number runs; one that has ended and was not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ask_until(house, flow):
    pool = ThreadPoolExecutor(1)
    future = pool.submit(house.ask_until_answered, flow)
    pool.shutdown(wait=False)
    return future


def descendants(pid: int) -> set[int]:
    children = {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return children.union(*(descendants(child) for child in children if Path(f"/proc/{child}").exists()))


@pytest.mark.slow
def test_a_journal_that_was_away_hears_of_the_dead_worker():
    with platform() as house:
        flow = house.flow("mortal", NAP)
        house.await_socket(flow)
        first = ask_later(house, flow, {"seconds": 1.5}, Idempotency_Key="once")
        (worker,) = house.await_workers(1, flow, "busy")
        await_that(lambda: house.runs(flow))
        house.journal.kill()
        os.kill(worker["pid"], signal.SIGKILL)
        with pytest.raises(CUT_OFF):
            first.result()
        house.journal.start()
        assert house.ask_until_answered(flow, {"seconds": 1.5}, Idempotency_Key="once").status == 200
        (run,) = house.runs(flow)
        assert run.status is RunStatus.SUCCEEDED
