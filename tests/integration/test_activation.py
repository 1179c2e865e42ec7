"""Flows wake when somebody connects, and sleep when nobody does: with the real journal service and real workers."""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from intellyhub_engine.journal.records import RunStatus
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.seal import seal
from tests.integration.activation import NAP, ask_later, parent_of, platform
from tests.integration.platform_processes import UnixConnection, await_that

SHOW = """
states:
  show: {state_type: end, result: {region: "{REGION}", key: "{API_KEY}"}}
"""
CALLER = """
states:
  ask: {state_type: call, flow: called, input: {name: "{name}"}, output: answer, transition: tell}
  tell: {state_type: emit, type: com.example.told, data: {n: 1}, transition: done}
  done: {state_type: end, result: {answer: "{answer.said}"}}
"""
CUT_OFF = (ConnectionError, FileNotFoundError)
"""What a client sees of a worker that dies, and of a socket that is gone."""
SECRET = "s3cret-of-acme-0123456789"


@pytest.fixture(scope="module")
def house():
    with platform() as made:
        yield made


def test_a_flow_at_zero_wakes_answers_and_sleeps(house):
    flow = house.flow("sleeper", idle_seconds=0.3)
    house.await_socket(flow)
    assert house.workers(flow) == []
    answer = house.ask(flow)
    assert (answer.status, answer.body["output"]) == (200, {"said": "Hello Ada"})
    house.await_workers(0, flow)
    assert [run.status for run in house.runs(flow)] == [RunStatus.SUCCEEDED]
    assert house.ask(flow).status == 200


def test_workers_are_listed_as_they_stand(house):
    flow = house.flow("listed", NAP)
    house.await_socket(flow)
    answer = ask_later(house, flow, {"seconds": 0.5})
    (worker,) = house.await_workers(1, flow, "busy")
    assert worker["slug"] == "listed"
    assert worker["version"] == 1
    assert worker["in_flight"] == 1
    assert worker["memory_bytes"] > 100_000
    assert answer.result().status == 200
    (worker,) = house.await_workers(1, flow, "idle")
    assert worker["requests"] == 1
    assert house.activator.get("/workers")["walls"].keys() >= {"namespaces", "landlock", "seccomp", "missing"}
    assert house.activator.get("/healthz")["status"] == "ok"


def test_python_blocks_run_behind_the_walls(house):
    flow = house.flow("napper", NAP)
    house.await_socket(flow)
    began = time.monotonic()
    assert house.ask(flow, {"seconds": 0}).body["output"] == {"said": "slept"}
    assert time.monotonic() - began < 5


def test_called_flows_and_emitted_events_stay_within_the_tenant(house):
    house.flow("called")
    flow = house.flow("caller", CALLER)
    house.await_socket(flow)
    answer = house.ask(flow)
    assert answer.body.get("output") == {"answer": "Hello Ada"}, answer
    client = house.client()
    try:
        (event,) = [each for each in client.unrouted() if each.event.type == "com.example.told"]
    finally:
        client.close()
    assert event.tenant_id == flow.tenant_id


def test_variables_and_secrets_arrive_and_new_ones_replace_the_workers_that_know_the_old(house):
    def secrets(value: str):
        return {"API_KEY": seal(value, house.keys)}

    house.tenant("vault", variables={"REGION": "north"}, sealed_secrets=secrets(SECRET))
    flow = house.flow("show", SHOW, tenant="vault")
    house.await_socket(flow)
    assert house.ask(flow).body["output"] == {"region": "north", "key": "***"}
    (worker,) = house.workers(flow)
    house.tenant("vault", variables={"REGION": "south"}, sealed_secrets=secrets("another-secret-9876543210"))
    await_that(lambda: all(each["pid"] != worker["pid"] for each in house.workers(flow)))
    assert house.ask(flow).body["output"]["region"] == "south"


def test_secrets_stand_in_no_environment_and_no_command_line(house):
    house.tenant("hidden", sealed_secrets={"API_KEY": seal(SECRET, house.keys)})
    flow = house.flow("show", SHOW + "\nvariables: {REGION: here}\n", tenant="hidden")
    house.await_socket(flow)
    assert house.ask(flow).status == 200
    (worker,) = house.workers(flow)
    told = ""
    for part in ("environ", "cmdline"):
        for pid in (worker["pid"], parent_of(worker["pid"]), house.activator.process.pid):
            try:
                told += Path(f"/proc/{pid}/{part}").read_bytes().decode()
            except PermissionError:  # an ordinary user cannot look into them at all, which is as good
                continue
    assert SECRET not in told
    for purpose in (Purpose.CALLER, Purpose.DELIVERY, Purpose.JOURNAL):
        assert house.keys.token(purpose, flow.journal_name) not in told
        assert house.keys.token(purpose) not in told


@pytest.mark.slow
def test_a_flow_grows_to_its_scale_and_not_above(house):
    flow = house.flow("wide", NAP, max_scale=3)
    house.await_socket(flow)
    most = watch_workers(house, flow)
    answers = house.ask_many(flow, 9, threads=9, body={"seconds": 0.3})
    assert [answer.status for answer in answers] == [200] * 9
    assert most() == 3


@pytest.mark.slow
def test_a_tenant_grows_to_its_quota_over_all_its_flows(house):
    tenant = house.tenant("small", max_pods=2)
    flows = [house.flow(f"part{n}", NAP, tenant="small") for n in range(3)]
    for flow in flows:
        house.await_socket(flow)
    most = watch_workers(house, None, tenant.tenant_id)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda flow: house.ask(flow, {"seconds": 0.2}), flows * 2))
    assert [answer.status for answer in answers] == [200] * 6
    assert most() == 2


def watch_workers(house, flow, tenant_id=None):
    """Looks at the workers until it is called; then gives the most there were."""
    counts, over = [0], threading.Event()

    def look() -> None:
        while not over.is_set():
            items = [each for each in house.workers(flow) if tenant_id in (None, each["tenant_id"])]
            counts.append(len(items))
            time.sleep(0.005)

    thread = threading.Thread(target=look)
    thread.start()

    def end() -> int:
        over.set()
        thread.join()
        return max(counts)

    return end


def test_an_idle_worker_makes_room_for_another_flow(house):
    house.tenant("one", max_pods=1)
    first, second = (house.flow(name, tenant="one") for name in ("first", "second"))
    house.await_socket(second)
    assert house.ask(first).status == 200
    assert house.ask(second).status == 200
    assert house.ask(first).status == 200
    assert len(house.workers(first)) + len(house.workers(second)) == 1


@pytest.mark.slow
def test_a_busy_flow_does_not_starve_another_of_its_tenant(house):
    house.tenant("shared", max_pods=1)
    greedy, modest = house.flow("greedy", NAP, tenant="shared"), house.flow("modest", tenant="shared")
    house.await_socket(modest)
    over = threading.Event()

    def go_on_asking() -> None:
        while not over.is_set():
            assert house.ask(greedy, {"seconds": 0.05}).status == 200

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(go_on_asking) for _ in range(3)]
        try:
            house.await_workers(1, greedy)
            assert house.ask(modest, seconds=5).status == 200
        finally:
            over.set()
        for each in asking:
            each.result()


@pytest.mark.slow
def test_two_hundred_requests_at_once_wait_their_turn(house):
    flow = house.flow("queue", max_scale=2)
    house.await_socket(flow)
    answers = house.ask_many(flow, 200, threads=200)
    assert [answer.status for answer in answers] == [200] * 200
    assert len(house.runs(flow)) == 200


def test_an_open_connection_that_says_nothing_keeps_nobody_waiting(house):
    flow = house.flow("silent")
    house.await_socket(flow)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(house.socket(flow)))
        house.await_workers(1, flow, "busy")
        assert house.ask(flow, seconds=5).status == 200


def test_a_new_version_takes_over_and_the_older_one_answers_while_it_is_listed(house):
    old = house.flow("versions", "states: {a: {state_type: end, result: {v: 1}}}")
    house.await_socket(old)
    assert house.ask(old).body["output"] == {"v": 1}
    (worker,) = house.workers(old)
    new = house.flow("versions", "states: {a: {state_type: end, result: {v: 2}}}", version=2, older=old.versions)
    house.await_socket(new)
    await_that(lambda: all(each["pid"] != worker["pid"] for each in house.workers(old)))
    assert house.ask(new).body["output"] == {"v": 2}
    assert house.ask(old).body["output"] == {"v": 1}
    only = house.flow("versions", "states: {a: {state_type: end, result: {v: 2}}}", version=2)
    await_that(lambda: not house.socket(old).exists())
    assert house.ask(only).body["output"] == {"v": 2}
    assert put(house, only, 2) == 204
    assert put(house, only, 1) == 404


def put(house, flow, version) -> int:
    return request(house, "PUT", f"/sockets/{flow.flow_id}/{version}")


def request(house, method: str, target: str) -> int:
    connection = UnixConnection(house.layout.socket("activator"))
    try:
        connection.request(method, target)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
def test_a_run_under_way_is_finished_by_the_version_it_began_on(house):
    old = house.flow("switch", NAP)
    house.await_socket(old)
    answer = ask_later(house, old, {"seconds": 0.6})
    house.await_workers(1, old, "busy")
    new = house.flow("switch", version=2)
    house.await_socket(new)
    assert house.ask(new).body["output"] == {"said": "Hello Ada"}
    assert answer.result().body["output"] == {"said": "slept"}
    house.await_workers(1, new)


def test_a_flow_that_is_removed_or_switched_off_answers_no_more(house):
    gone, off = house.flow("gone"), house.flow("off")
    for flow in (gone, off):
        house.await_socket(flow)
        assert house.ask(flow).status == 200
    house.remove(gone)
    house.flow("off", active=False)
    for flow in (gone, off):
        await_that(lambda flow=flow: not house.socket(flow).exists())
        house.await_workers(0, flow)
        with pytest.raises(CUT_OFF):
            house.ask(flow)


@pytest.mark.slow
def test_one_worker_does_several_runs_at_a_time_where_the_flow_allows_it(house):
    flow = house.flow("several", NAP, concurrency=4, max_scale=1)
    house.await_socket(flow)
    assert house.ask(flow, {"seconds": 0}).status == 200
    began = time.monotonic()
    answers = house.ask_many(flow, 4, threads=4, body={"seconds": 0.5})
    assert [answer.status for answer in answers] == [200] * 4
    assert time.monotonic() - began < 1.9
    assert len(house.workers(flow)) == 1


def test_a_run_that_nobody_waits_for_keeps_its_place_and_its_worker(house):
    flow = house.flow("later", NAP, idle_seconds=0.1, max_scale=1)
    house.await_socket(flow)
    answer = house.ask(flow, {"seconds": 0.5}, Prefer="respond-async")
    assert answer.status == 202
    (worker,) = house.workers(flow)
    assert worker["state"] == "busy"
    assert house.ask(flow, {"seconds": 0}).status == 200
    house.await_workers(0, flow)
    assert [run.status for run in house.runs(flow)] == [RunStatus.SUCCEEDED] * 2


def test_a_worker_can_be_ended_by_an_operator(house):
    flow = house.flow("ended")
    house.await_socket(flow)
    house.ask(flow)
    (worker,) = house.workers(flow)
    assert request(house, "DELETE", f"/workers/{worker['pid']}") == 204
    house.await_workers(0, flow)
    assert request(house, "DELETE", f"/workers/{worker['pid']}") == 404
    assert house.ask(flow).status == 200


@pytest.mark.slow
def test_waiting_for_a_place_costs_no_processor_time(house):
    house.tenant("patient", max_pods=1)
    flow, other = (house.flow(name, NAP, tenant="patient") for name in ("only", "other"))
    house.await_socket(other)
    answers = [ask_later(house, flow, {"seconds": 1.2}), ask_later(house, flow, {"seconds": 0})]
    house.await_workers(1, flow, "busy")
    waiting = ask_later(house, other, {"seconds": 0})
    before = processor_seconds(house.activator.process.pid)
    time.sleep(0.8)
    assert processor_seconds(house.activator.process.pid) - before < 0.25
    assert [each.result().status for each in (*answers, waiting)] == [200] * 3


def processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
