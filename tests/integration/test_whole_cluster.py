"""The whole product on a pretended cluster, as a user has it: by REST, hooks and events, and nothing else.

The tests are one walk: each goes on with what the ones before have left.
"""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from contextlib import contextmanager

import paho.mqtt.publish
import pytest

from intellyhub_functions.testing.mqtt_broker import AmqttBroker
from intellyhub_functions.testing.ports import free_port
from intellyhub_knative.platform.desired_records import Kind, RecordStore
from tests.integration.pretended_cluster.cluster import Cluster
from tests.integration.pretended_cluster.node import walls_work
from tests.integration.pretended_cluster.user import User
from tests.unit.knative.installer.rendered import needs_kubectl

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("whole_cluster"),
    pytest.mark.timeout(180),
    needs_kubectl,
    pytest.mark.skipif(not walls_work(), reason="no process gets a root file system of its own here"),
]

HELLO = """
name: hello
listener: {type: webhook}
states:
  answer: {state_type: end, result: {hello: "{event.body.who}", city: "{CITY}", same: "{API_KEY == 'second-value'}"}}
"""
ORDERS = """
name: orders
listener: {type: event, filter: {type: order.paid}}
states:
  note: {state_type: set, values: {seen: "{n}"}, transition: tell}
  tell: {state_type: emit, type: order.noted, data: {n: "{n}"}, transition: done}
  done: {state_type: end}
"""
NOTES = """
name: notes
listener: {type: event, filter: {type: order.noted}}
states:
  call: {state_type: call, flow: part, parameters: {n: "{n}"}, output: part, transition: done}
  done: {state_type: end, result: {part: "{part}"}}
"""
PART = """
name: part
states:
  done: {state_type: end, result: {n: 1}}
"""
ASKING = """
name: asking
listener: {type: webhook}
states:
  ask: {state_type: wait, approval: "Go on?", output: decision, transition: done}
  done: {state_type: end, result: {version: VERSION, decision: "{decision}"}}
"""
NAPPING = """
name: napping
listener: {type: event, filter: {type: nap.wanted}}
states:
  nap: {state_type: wait, seconds: 3, transition: done}
  done: {state_type: end}
"""
SLOW = """
name: slow
listener: {type: event, filter: {type: slow.wanted}}
states:
  first: {state_type: set, values: {a: 1}, transition: sleep}
  sleep: {state_type: command, shell: "sleep 1.5; echo done", output: said, transition: done}
  done: {state_type: end}
"""
CALLING = """
name: calling
listener: {type: event, filter: {type: call.wanted}}
states:
  call: {state_type: http, url: "http://127.0.0.1:PORT/", transition: done}
  done: {state_type: end}
"""
TIMES = """
name: times
listener: {type: schedule, cron: "*/2 * * * *", catch_up: true}
states:
  done: {state_type: end, result: {at: "{scheduled_at}"}}
"""
TOPICS = """
name: topics
listener: {type: mqtt, host: 127.0.0.1, port: PORT, topic: "t/#", username: ada, client_id: topics}
states:
  done: {state_type: end, result: {payload: "{mqtt_payload}"}}
"""
PORT = free_port()
KINDS = ("services", "revisions", "triggers", "pingsources", "containersources", "secrets", "serviceaccounts")


@pytest.fixture(scope="module")
def cluster():
    with Cluster(INTELLYHUB_REGISTRATION="open", INTELLYHUB_FAREWELL_SECONDS="0") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def bob(cluster):
    return User(cluster.url, "bob")


@pytest.fixture(scope="module")
def ada(cluster, bob):
    """Her flows are built and started while the first tests run."""
    ada = User(cluster.url, "ada")
    ada.ask("POST", "/api/variables", {"key": "CITY", "value": "Rome"})
    ada.ask("POST", "/api/secrets", {"name": "API_KEY", "value": "first-value"})
    ada.publish("hello", HELLO)
    bob.publish("hello", HELLO)
    for name, text in (("orders", ORDERS), ("part", PART), ("notes", NOTES), ("asking", ASKING), ("napping", NAPPING)):
        ada.publish(name, text.replace("VERSION", "1"))
    for name, text in (("slow", SLOW), ("calling", CALLING), ("times", TIMES)):
        ada.publish(name, text.replace("PORT", str(PORT)))
    return ada


@contextmanager
def served(port):
    """Something answers at a port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_published_flow_gets_ready_and_its_hook_answers_from_zero(cluster, ada):
    seen = ada.until_ready("hello")
    assert set(seen) <= {"none", "building", "deploying", "ready"}
    cluster.to_zero()
    assert not cluster.flow_pods("hello")
    answer = ada.hook("hello", {"who": "world"})
    assert (answer.status, answer.json.get("output")) == (200, {"hello": "world", "city": "Rome", "same": False})


def test_variables_and_secrets_that_change_arrive_in_the_pod_that_runs(cluster, ada):
    [pod] = cluster.flow_pods("hello", ada)
    ada.ask("POST", "/api/variables", {"key": "CITY", "value": "Oslo"})
    ada.ask("POST", "/api/secrets", {"name": "API_KEY", "value": "second-value"})
    cluster.until(
        lambda: ada.hook("hello", {"who": "x"}).json["output"] == {"hello": "x", "city": "Oslo", "same": True}
    )
    assert cluster.flow_pods("hello", ada) == [pod]


def test_an_event_goes_through_the_broker_and_makes_one_run_and_so_does_what_that_emits(cluster, ada):
    ada.until_ready("orders")
    ada.until_ready("notes")
    cluster.to_zero()
    answers = [ada.emit("1", {"n": 1}).json for _ in range(2)]
    assert answers == [{"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}]
    assert ada.emit("2", {"n": 2}, kind="order.sent").status == 202
    [run] = ada.until_runs("notes", 1)
    assert ada.get(f"/api/runs/{run['id']}")["variables"]["part"] == {"n": 1}
    ada.until_runs("orders", 1)


def test_who_waits_holds_no_pod_and_goes_on_in_another_one(cluster, ada):
    ada.until_ready("asking")
    ada.until_ready("napping")
    ada.emit("nap", {}, kind="nap.wanted")
    run = ada.hook("asking", {}).json["run_id"]
    ada.until_runs("napping", 1, "waiting")
    cluster.to_zero()
    assert ada.ask("POST", f"/api/runs/{run}/resume", {"decision": "yes"}).status == 202
    ada.until_ended(run)
    ada.until_runs("napping", 1)


def test_a_run_of_an_older_version_ends_on_that_version(cluster, ada):
    runs = [ada.hook("asking", {}).json["run_id"] for _ in range(2)]
    cluster.platform_pod("builder").pause()
    assert ada.publish("asking", ASKING.replace("VERSION", "2"))["version"] == 2
    cluster.until(lambda: ada.flow("asking")["deployment"]["state"] == "building")
    assert ada.ask("POST", f"/api/runs/{runs[0]}/resume", {"decision": "yes"}).status == 202
    assert ada.until_ended(runs[0])["version"] == 1
    cluster.platform_pod("builder").go_on()
    ada.until_ready("asking", 2)
    assert len([name for name in cluster.names("revisions") if name.startswith("asking-")]) == 2
    cluster.to_zero()
    assert ada.ask("POST", f"/api/runs/{runs[1]}/resume", {"decision": "yes"}).status == 202
    assert ada.until_ended(runs[1])["version"] == 1
    fresh = ada.hook("asking", {}).json["run_id"]
    assert ada.get(f"/api/runs/{fresh}")["version"] == 2
    assert ada.ask("POST", "/api/flows/asking/versions/1/rollback").status == 200
    ada.until_ready("asking", 1)
    again = ada.hook("asking", {}).json["run_id"]
    assert ada.get(f"/api/runs/{again}")["version"] == 1


def test_a_dead_letter_is_shown_and_redelivered(cluster, ada):
    ada.until_ready("calling")
    ada.emit("call", {}, kind="call.wanted")
    [letter] = cluster.until(lambda: ada.get("/api/dead-letters")["items"])
    with served(PORT):
        assert ada.ask("POST", f"/api/dead-letters/{letter['id']}/redeliver").status == 202
        cluster.until(lambda: ada.runs("calling")[0]["status"] == "succeeded")
    assert ada.get("/api/dead-letters")["items"] == []


def test_a_schedules_tick_makes_a_run(cluster, ada):
    ada.until_ready("times")
    cluster.until(lambda: any(name.startswith("times-") for name in cluster.names("pingsources")))
    assert [cluster.tick("times") for _ in range(2)] == [204, 204]
    ada.until_runs("times", 1)


def test_a_listener_that_stays_connected_makes_runs(cluster, ada):
    with AmqttBroker() as broker:
        ada.publish("topics", TOPICS.replace("PORT", str(broker.port)))
        ada.until_ready("topics")
        cluster.until(lambda: ada.source("topics")["last_contact_at"])
        paho.mqtt.publish.single("t/a", "21", qos=1, hostname="127.0.0.1", port=broker.port, auth={"username": "bob"})
        ada.until_runs("topics", 1)


def test_another_tenant_is_refused(cluster, ada, bob):
    assert bob.ask("GET", "/api/flows/orders").status == 404
    event = {"Ce-Specversion": "1.0", "Ce-Id": "b", "Ce-Source": "/b", "Ce-Type": "order.paid"}
    assert bob.ask("POST", f"/events/{ada.slug}", {}, event).status == 404
    bob.until_ready("hello")
    bob.hook("hello", {"who": "b"})
    [pod] = cluster.flow_pods("hello", bob)
    shown = {**event, "Authorization": f"Bearer {pod.token}"}
    assert bob.ask("POST", f"/events/{ada.slug}", {}, shown).status == 403
    assert bob.ask("POST", f"/events/{bob.slug}", {}, shown).status == 202
    [theirs] = cluster.flow_pods("orders", ada) or [cluster.wake("orders", ada)]
    status = bob.ask("POST", "/", {}, {**event, "Authorization": f"Bearer {pod.token}"}, url=theirs.url).status
    assert status == 401


def test_a_run_whose_pod_is_killed_in_its_middle_goes_on_in_another_one(cluster, ada):
    ada.until_ready("slow")
    ada.emit("slow", {}, kind="slow.wanted")
    ada.until_runs("slow", 1, "running")
    [pod] = cluster.flow_pods("slow")
    pod.kill()
    [run] = ada.until_runs("slow", 1)
    steps = [
        step["state"] for step in ada.get(f"/api/runs/{run['id']}/steps")["items"] if step["status"] == "succeeded"
    ]
    assert Counter(steps) == {"first": 1, "sleep": 1, "done": 1}


def test_whatever_is_killed_every_event_becomes_one_run(cluster, ada):
    count = 40
    kills = {
        5: lambda: [pod.kill() for pod in cluster.flow_pods("orders")],
        12: lambda: cluster.restart("forwarder"),
        16: lambda: cluster.restart("gateway"),
        20: lambda: cluster.restart("journal"),
        28: lambda: (cluster.database.crash(), cluster.database.begin_again()),
        35: lambda: [pod.kill() for pod in cluster.flow_pods("orders")],
    }
    for number in range(count):
        cluster.until(lambda number=number: ada.emit(f"k{number}", {"n": 100 + number}).status == 202)
        if number in kills:
            kills[number]()
    runs = ada.until_runs("orders", 1 + count)
    seen = Counter(ada.get(f"/api/runs/{run['id']}")["variables"]["seen"] for run in runs)
    assert seen == Counter([1, *range(100, 100 + count)])
    ada.until_runs("notes", 1 + count)


def test_what_is_deleted_leaves_nothing(cluster, ada, bob):
    for flow in ada.get("/api/flows")["items"]:
        assert ada.ask("DELETE", f"/api/flows/{flow['slug']}").status == 204
    cluster.until(lambda: not any(cluster.names(kind, ada.namespace(cluster)) for kind in KINDS))
    assert not cluster.flow_pods("orders")
    assert not [each for each in cluster.names("secrets", bob.namespace(cluster)) if not each.startswith("hello-")]


def test_a_tenant_that_is_gone_leaves_nothing(cluster, bob):
    namespace = bob.namespace(cluster)
    cluster.ask_hub("DELETE FROM tenants WHERE id = %s", bob.tenant)
    store = RecordStore(cluster.hub_url)
    for kind, ids in ((Kind.DEPLOYMENT, store.ids(Kind.DEPLOYMENT)), (Kind.TENANT, [bob.tenant])):
        for record_id in ids:
            if (store.read(kind, record_id) or {}).get("tenant_id") == bob.tenant:
                store.remove(kind, record_id)  # as the next pass of the API does, half a minute later
    store.close()
    cluster.until(lambda: namespace not in cluster.names("namespaces"))
    assert not [key for key in cluster.all_keys() if key.namespace == namespace]


def test_nothing_has_happened_that_nobody_had_thought_of(cluster):
    assert cluster.complaints() == []
    assert cluster.serving.crashes == []
