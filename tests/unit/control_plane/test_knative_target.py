"""The control plane on a cluster: rows for files, statuses for sockets, rollouts. With a real PostgreSQL."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson
import pytest

from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.settings import Target, read_settings
from intellyhub_control_plane.target import places
from intellyhub_control_plane.target.knative import KnativeTarget
from intellyhub_control_plane.target.rollouts import settle_rollouts
from intellyhub_knative.platform.deployments import make_deployment
from intellyhub_knative.platform.desired_records import Kind, RecordStore, StatusKind
from tests.unit.control_plane.conftest import fresh_database
from tests.unit.control_plane.house import HELLO, House
from tests.unit.control_plane.records import add_run, step

SECOND = HELLO.replace("Hi", "Hello")


@pytest.fixture
def house(layout, request):
    with fresh_database("postgresql", layout, request) as url:
        house = House(layout, url, target=Target.KNATIVE)
        yield house
        close(house)


def close(house):
    target = house.platform.publisher.target
    assert isinstance(target, KnativeTarget)
    target.store.close()
    house.close()


@pytest.fixture
def store(house):
    store = RecordStore(house.settings.database_url)
    yield store
    store.close()


@pytest.fixture
def ada(house):
    return house.person()


def deployed(store, flow):
    return make_deployment(store.read(Kind.DEPLOYMENT, flow["id"]))


def build(house, flow, *numbers):
    """As the builder does."""
    with house.database.transaction() as session:
        for number in numbers:
            version = session.get_one(FlowVersion, (flow["id"], number))
            version.image = f"registry.test/flow@sha256:{number:064x}"
        tenant_id = session.get_one(Flow, flow["id"]).tenant_id
    house.platform.publisher.publish_flow(tenant_id, flow["id"])


def say(house, store, flow, person, **status):
    """As the reconciler does."""
    given = {"tenant_id": person.tenant_id, "state": "ready", "serves": True, "message": "", "urls": {}, "routed": {}}
    store.write_status(StatusKind.FLOW, flow["id"], given | {"source": None, "rollout": None} | status)
    house.platform.statuses.recent.forget()
    house.platform.live.pages.forget()


def test_a_publication_becomes_rows_which_hold_no_image_before_it_is_built(house, store, ada):
    flow = house.flow(ada)
    record = deployed(store, flow)
    assert (record.current.number, record.current.image) == (1, "")
    row = f"flows/{ada.tenant_id}/{flow['id']}/1.yaml"
    assert store.read(Kind.FILE, row) == {"text": HELLO}
    assert store.read(Kind.FILE, f"flows/{ada.tenant_id}/hello.yaml") == {"text": HELLO}
    house.platform.publisher.publish_tenant(ada.tenant_id)
    assert store.read(Kind.TENANT, ada.tenant_id)["slug"] == ada.tenant_slug
    build(house, flow, 1)
    assert deployed(store, flow).current.image.startswith("registry.test/flow@sha256:")


def test_a_flow_and_a_tenant_that_are_gone_leave_no_rows(house, store, ada):
    flow = house.flow(ada)
    assert house.call(ada, "DELETE", f"/api/flows/{flow['id']}").status_code == 204
    assert (store.ids(Kind.DEPLOYMENT), store.ids(Kind.FILE)) == (frozenset(), frozenset())
    house.flow(ada, name="Another")
    with house.database.transaction() as session:
        session.delete(session.get_one(Tenant, ada.tenant_id))
    house.platform.publisher.reconcile()
    assert {kind: store.ids(kind) for kind in Kind} == dict.fromkeys(Kind, frozenset())


def test_a_pass_changes_no_row_where_all_agrees(house, store, ada):
    build(house, house.flow(ada), 1)
    house.platform.publisher.reconcile()
    before = store.revision()
    house.platform.publisher.reconcile()
    assert store.revision() == before


def test_a_pod_that_begins_with_an_empty_folder_finds_what_is_deployed(house, ada, layout):
    flow = house.flow(ada)
    other = House(layout, house.settings.database_url, target=Target.KNATIVE)
    assert set(other.platform.publisher.target.deployments()) == {flow["id"]}
    close(other)


def test_how_it_stands_on_the_cluster_is_shown_with_the_flow(house, store, ada):
    flow = house.flow(ada)
    shown = house.call(ada, "GET", f"/api/flows/{flow['id']}").json["deployment"]
    assert (shown["state"], shown["message"]) == ("building", "The build waits for its turn.")
    message = "no node has room for the worker. Add nodes."
    say(house, store, flow, ada, state="failing", serves=False, message=message)
    shown = house.call(ada, "GET", f"/api/flows/{flow['id']}").json
    assert (shown["state"], shown["failure"], shown["deployment"]["state"]) == ("error", message, "failing")
    say(house, store, flow, ada, routed={"v1": 100}, urls={"v1": "http://v1-hello.test"})
    shown = house.call(ada, "GET", f"/api/flows/{flow['id']}").json
    assert (shown["state"], shown["failure"]) == ("sleeping", None)
    assert shown["deployment"]["routed"] == {"v1": 100}


def test_what_is_said_of_the_version_before_makes_no_new_one_ready(house, store, ada):
    flow = house.flow(ada)
    say(house, store, flow, ada, version=1, message="all is well", routed={"v1": 100})
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": SECOND})
    shown = house.call(ada, "GET", f"/api/flows/{flow['id']}").json["deployment"]
    assert (shown["state"], shown["serves"], shown["routed"]) == ("building", True, {"v1": 100})
    assert shown["message"] == "The build waits for its turn."
    build(house, flow, 2)
    say(house, store, flow, ada, version=2)
    assert house.call(ada, "GET", f"/api/flows/{flow['id']}").json["deployment"]["state"] == "ready"


def test_the_newest_version_with_an_image_stays_until_the_current_one_has_one(house, store, ada):
    flow = house.flow(ada)
    build(house, flow, 1)
    for text in (SECOND, SECOND.replace("Hello", "Ciao")):
        house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": text})
    assert [version.number for version in deployed(store, flow).versions] == [3, 1]
    build(house, flow, 3)
    assert [version.number for version in deployed(store, flow).versions] == [3]


def test_a_source_says_how_it_is(house, store, ada):
    text = HELLO.replace("variables:", "listener:\n  type: schedule\n  cron: '* * * * *'\nvariables:")
    flow = house.flow(ada, text)
    say(house, store, flow, ada, source={"ready": False, "message": "the poller cannot be found"})
    [source] = house.call(ada, "GET", "/api/sources").json["items"]
    assert (source["health"]["connected"], source["health"]["message"]) == (False, "the poller cannot be found")
    workers = house.call(ada, "GET", "/api/workers").json
    assert (workers["items"], "pods" in workers["reason"]) == ([], True)


def test_another_tenants_statuses_are_not_shown(house, store, ada):
    flow, bob = house.flow(ada), house.person()
    say(house, store, flow, ada, source={"ready": True, "message": ""})
    assert house.call(bob, "GET", "/api/sources").json["items"] == []
    assert house.call(bob, "GET", "/api/flows").json["items"] == []


def test_a_new_version_gets_its_percentage_and_the_old_one_stays(house, store, ada):
    flow = house.flow(ada)
    wish = {"yaml_content": SECOND, "rollout": {"percent": 10, "step": 20, "interval_seconds": 30}}
    assert house.call(ada, "PUT", f"/api/flows/{flow['id']}", wish).status_code == 200
    record = deployed(store, flow)
    assert [version.number for version in record.versions] == [2, 1]
    assert (record.rollout.stable, record.rollout.percent, record.rollout.step) == (1, 10, 20)
    answer = house.call(ada, "POST", f"/api/flows/{flow['id']}/rollout", {"percent": 50})
    assert answer.status_code == 200
    later = deployed(store, flow)
    assert (later.rollout.stable, later.rollout.percent) == (1, 50)
    assert later.rollout.began_at > record.rollout.began_at
    assert house.call(ada, "POST", f"/api/flows/{flow['id']}/promote").status_code == 200
    assert deployed(store, flow).rollout is None
    assert [version.number for version in deployed(store, flow).versions] == [2]


def test_a_rollback_ends_a_rollout(house, store, ada):
    flow = house.flow(ada)
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": SECOND, "rollout": {"percent": 10}})
    assert house.call(ada, "POST", f"/api/flows/{flow['id']}/versions/1/rollback").status_code == 200
    assert (deployed(store, flow).current.number, deployed(store, flow).rollout) == (1, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [({"percent": 101}, 422), ({"percent": 10, "stable": 2}, 409), ({"percent": 10, "stable": 9}, 404), ({}, 422)],
)
def test_a_rollout_that_cannot_be_is_refused(house, ada, body, status):
    flow = house.flow(ada)
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": SECOND})
    assert house.call(ada, "POST", f"/api/flows/{flow['id']}/rollout", body).status_code == status


def test_a_first_version_has_nothing_to_be_rolled_out_from(house, ada):
    flow = house.flow(ada)
    answer = house.call(ada, "POST", f"/api/flows/{flow['id']}/rollout", {"percent": 10})
    assert (answer.status_code, "no version before" in answer.json["detail"]) == (409, True)


@pytest.mark.parametrize(("phase", "current", "action"), [("rolled_back", 1, "taken_back"), ("done", 2, "promoted")])
def test_what_the_cluster_ends_is_made_good_in_the_database(house, store, ada, phase, current, action):
    flow = house.flow(ada)
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": SECOND, "rollout": {"percent": 10}})
    began_at = deployed(store, flow).rollout.began_at
    rollout = {"version": 2, "stable": 1, "percent": 0, "began_at": began_at, "phase": phase, "message": "it failed"}
    say(house, store, flow, ada, rollout=rollout | {"began_at": "another"})
    assert settle_rollouts(house.platform) == []
    say(house, store, flow, ada, rollout=rollout)
    assert settle_rollouts(house.platform) == [flow["id"]]
    assert settle_rollouts(house.platform) == []
    assert (deployed(store, flow).current.number, deployed(store, flow).rollout) == (current, None)
    with house.database.transaction() as session:
        actions = [entry.action for entry in session.query(AuditEntry).filter_by(actor="platform")]
        assert session.get_one(Flow, flow["id"]).rollout is None
    assert actions == [f"flow.{action}"]


def test_a_pass_of_the_publisher_keeps_a_rollout(house, store, ada):
    flow = house.flow(ada)
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": SECOND, "rollout": {"percent": 10}})
    before = deployed(store, flow)
    house.platform.publisher.reconcile()
    assert deployed(store, flow) == before


class Worker(BaseHTTPRequestHandler):
    """Answers as a flow's worker behind the cluster's gateway, or as the gateway itself."""

    answers: ClassVar[list[Any]] = []
    asked: ClassVar[list[Any]] = []
    hosts: ClassVar[list[str]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append((self.path, self.headers["Authorization"], self.headers["Prefer"]))
        type(self).hosts.append(self.headers["Host"])
        status, document, kind = self.answers.pop(0)
        body = orjson.dumps(document) if document is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def worker(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Worker)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(places, "find_address", lambda deployment, version: url)
    Worker.answers, Worker.asked, Worker.hosts = [], [], []
    yield Worker
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_flow_is_run_at_its_address(house, ada, worker):
    flow = house.flow(ada)
    assert house.call(ada, "POST", f"/api/flows/{flow['id']}/execute", {}).status_code == 409  # it is being built
    build(house, flow, 1)
    worker.answers.append((202, {"run_id": "r1"}, "application/json"))
    answer = house.call(ada, "POST", f"/api/flows/{flow['id']}/execute", {})
    assert (answer.status_code, answer.json["run_id"]) == (202, "r1")
    [(path, token, prefer)] = worker.asked
    assert (path, token[:7], prefer) == ("/runs", "Bearer ", None)


def test_outside_of_the_cluster_a_flow_is_asked_for_by_name_at_its_gateway(layout, request, worker, monkeypatch):
    place = urlsplit(places.find_address(None, None))  # type: ignore[arg-type, attr-defined]
    monkeypatch.setattr(places, "find_address", lambda deployment, version: "http://hello.ih-ada.svc.cluster.local")
    with fresh_database("postgresql", layout, request) as url:
        house = House(layout, url, target=Target.KNATIVE, cluster_gateway=(place.hostname, place.port))
        ada = house.person()
        flow = house.flow(ada)
        build(house, flow, 1)
        worker.answers.append((202, {"run_id": "r1"}, "application/json"))
        assert house.call(ada, "POST", f"/api/flows/{flow['id']}/execute", {}).json["run_id"] == "r1"  # type: ignore[index]
        close(house)
    assert worker.hosts == ["hello.ih-ada.svc.cluster.local"]


def test_what_the_gateway_answers_in_place_of_a_worker_is_said_plainly(house, ada, worker):
    flow = house.flow(ada)
    build(house, flow, 1)
    worker.answers.append((404, None, "text/plain"))
    answer = house.call(ada, "POST", f"/api/flows/{flow['id']}/execute", {})
    assert (answer.status_code, "not ready yet" in answer.json["detail"]) == (503, True)


def test_an_older_version_is_asked_when_the_cluster_has_its_tag(house, store, ada, worker, monkeypatch):
    monkeypatch.setattr(places, "TAG_SECONDS", 0.3)
    flow = house.flow(ada)
    run_id = add_run(house, ada, flow["id"], step())
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": SECOND})
    build(house, flow, 1, 2)
    again = f"/api/runs/{run_id}/replay"
    assert house.call(ada, "POST", again, {"version": 1}).status_code == 503
    say(house, store, flow, ada, urls={"v1": "http://v1-hello.test"})
    worker.answers.append((202, {"run_id": "r2"}, "application/json"))
    assert house.call(ada, "POST", again, {"version": 1}).json["run_id"] == "r2"


def test_a_cluster_needs_a_postgresql():
    from intellyhub_control_plane.errors import SettingsInvalid

    with pytest.raises(SettingsInvalid, match="INTELLYHUB_TARGET=knative"):
        read_settings({"INTELLYHUB_TARGET": "knative"})


def test_one_machine_says_that_it_cannot_split_requests(layout, database_url):
    house = House(layout, database_url)
    ada = house.person()
    flow = house.flow(ada)
    assert house.call(ada, "POST", f"/api/flows/{flow['id']}/rollout", {"percent": 10}).status_code == 409
    shown = house.call(ada, "GET", f"/api/flows/{flow['id']}").json or {}
    assert shown["deployment"] is None
    house.close()
