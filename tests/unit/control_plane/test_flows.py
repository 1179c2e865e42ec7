"""Flows: published, changed, rolled back, deleted."""

import pytest
from sqlalchemy import select

from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.target import publishing
from intellyhub_control_plane.web.paging import encode_cursor
from intellyhub_engine.journal.records import RunStatus
from intellyhub_knative.platform.deployments import read_deployments
from tests.unit.control_plane.engines import both_databases
from tests.unit.control_plane.flow_worker import FlowWorker
from tests.unit.control_plane.house import BROKEN, HELLO, HOOK
from tests.unit.control_plane.records import add_run, finished, suspended

CHANGED = HELLO.replace("Hi", "Hello")


@pytest.fixture
def ada(house):
    return house.person()


def deployed(house):
    return {deployment.slug: deployment for deployment in read_deployments(house.layout.deployments)}


@both_databases
def test_a_published_flow_is_deployed_and_shown(house, ada):
    created = house.call(ada, "POST", "/api/flows", {"name": "Pausa Caffè", "yaml_content": HOOK})
    flow = created.json
    assert created.status_code == 201
    assert created.headers["Location"] == f"/api/flows/{flow['id']}"
    assert (flow["slug"], flow["version"], flow["active"], flow["problems"]) == ("pausa-caffe", 1, True, [])
    assert flow["hook_url"] == f"http://hub.test/hooks/{ada.tenant_slug}/pausa-caffe"
    assert flow["listener"] == {"type": "webhook", "parameters": {}}
    deployment = deployed(house)["pausa-caffe"]
    assert (deployment.flow_id, deployment.tenant_id) == (flow["id"], ada.tenant_id)
    assert deployment.listener == {"type": "webhook"}
    assert (house.layout.flows_of(ada.tenant_id) / "pausa-caffe.yaml").read_text() == HOOK
    assert list(house.layout.programs_of(ada.tenant_id).iterdir())


@both_databases
def test_a_flow_is_found_by_its_id_and_by_its_slug(house, ada):
    flow = house.flow(ada)
    by_id, by_slug = (house.call(ada, "GET", f"/api/flows/{name}").json for name in (flow["id"], "hello"))
    assert by_id == by_slug
    assert by_id["yaml_content"] == HELLO
    assert by_id["graph"]["nodes"] == [
        {"id": "greet", "type": "set", "start": True, "end": False},
        {"id": "end", "type": "end", "start": False, "end": True},
    ]
    assert by_id["graph"]["edges"] == [{"source": "greet", "target": "end", "kind": "next", "label": ""}]


def test_a_flow_with_errors_is_refused_with_all_of_them_and_their_places(house, ada):
    answer = house.call(ada, "POST", "/api/flows", {"name": "Broken", "yaml_content": BROKEN})
    assert (answer.status_code, answer.json["type"]) == (422, "urn:intellyhub:problem:invalid-flow")
    found = {problem["code"]: problem for problem in answer.json["problems"]}
    unknown = found["unknown-state-type"]
    assert (unknown["line"], unknown["column"], unknown["end_line"], unknown["end_column"]) == (4, 17, 4, 21)
    assert "unknown-target" in found
    assert house.call(ada, "GET", "/api/flows").json["items"] == []


def test_a_text_can_be_checked_without_being_kept(house, ada):
    good = house.call(ada, "POST", "/api/flows/validate", {"yaml_content": HOOK}).json
    bad = house.call(ada, "POST", "/api/flows/validate", {"yaml_content": BROKEN}).json
    none = house.call(ada, "POST", "/api/flows/validate", {"yaml_content": "- :\n\t-"}).json
    assert (good["valid"], good["listener"]["type"]) == (True, "webhook")
    assert (bad["valid"], none["valid"], none["graph"]) == (False, False, None)


def test_filters_that_could_never_match_are_a_problem_of_the_flow(house, ada):
    text = HOOK.replace("type: webhook", "type: event\n  filters: []")
    answer = house.call(ada, "POST", "/api/flows/validate", {"yaml_content": text}).json
    assert not answer["valid"]


@both_databases
def test_a_new_text_is_a_new_version_and_the_same_text_is_not(house, ada):
    house.flow(ada)
    assert house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED}).json["version"] == 2
    assert house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED}).json["version"] == 2
    assert house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": HELLO}).json["version"] == 1
    versions = house.call(ada, "GET", "/api/flows/hello/versions").json
    assert versions["items"] == versions["versions"]
    assert [(each["version"], each["current"]) for each in versions["items"]] == [(2, False), (1, True)]
    assert versions["items"][0]["created_by"] == ada.email
    assert house.call(ada, "GET", "/api/flows/hello/versions/2").json["yaml_content"] == CHANGED
    assert house.call(ada, "GET", "/api/flows/hello/versions/3").status_code == 404


@both_databases
def test_a_rollback_deploys_the_older_version_again(house, ada):
    house.flow(ada)
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED})
    assert deployed(house)["hello"].current.number == 2
    answer = house.call(ada, "POST", "/api/flows/hello/versions/1/rollback")
    assert (answer.status_code, answer.json["version"]) == (200, 1)
    assert [version.number for version in deployed(house)["hello"].versions] == [1]


@both_databases
def test_a_rollback_of_what_was_not_read_is_refused(house, ada):
    house.flow(ada)
    read = house.call(ada, "GET", "/api/flows/hello").headers["ETag"]
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED})
    stale = house.call(ada, "POST", "/api/flows/hello/versions/1/rollback", If_Match=read)
    assert (stale.status_code, house.call(ada, "GET", "/api/flows/hello").json["version"]) == (412, 2)


def test_an_older_version_stays_deployed_however_many_newer_runs_there_are(house, ada, monkeypatch):
    monkeypatch.setattr(publishing, "PAGE", 2)
    flow = house.flow(ada)
    add_run(house, ada, flow["id"], suspended(approval="May it?"))
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED})
    for _ in range(4):
        add_run(house, ada, flow["id"], suspended(approval="May it?"), text=CHANGED)
    house.platform.publisher.reconcile()
    assert [version.number for version in deployed(house)["hello"].versions] == [2, 1]


def test_an_older_version_stays_deployed_while_its_runs_go_on(house, ada):
    flow = house.flow(ada)
    run_id = add_run(house, ada, flow["id"], suspended(approval="May it?"))
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED})
    assert [version.number for version in deployed(house)["hello"].versions] == [2, 1]
    house.platform.journal.request_cancel(run_id)
    house.platform.publisher.reconcile()
    assert [version.number for version in deployed(house)["hello"].versions] == [2]
    folder = house.layout.flows_of(ada.tenant_id) / flow["id"]
    assert [path.name for path in folder.iterdir()] == ["2.yaml"]


def test_a_flow_that_is_switched_off_says_so_and_is_not_run(house, ada):
    house.flow(ada)
    assert house.call(ada, "PUT", "/api/flows/hello", {"active": False}).json["state"] == "inactive"
    assert not deployed(house)["hello"].active
    assert house.call(ada, "POST", "/api/flows/hello/execute", {}).status_code == 409


@both_databases
def test_a_change_to_what_was_not_read_is_refused(house, ada):
    house.flow(ada)
    read = house.call(ada, "GET", "/api/flows/hello").headers["ETag"]
    assert house.call(ada, "PUT", "/api/flows/hello", {"name": "A"}, If_Match=read).status_code == 200
    stale = house.call(ada, "PUT", "/api/flows/hello", {"name": "B"}, If_Match=read)
    assert (stale.status_code, stale.json["type"]) == (412, "urn:intellyhub:problem:stale")
    assert house.call(ada, "DELETE", "/api/flows/hello", If_Match=read).status_code == 412
    fresh = house.call(ada, "GET", "/api/flows/hello").headers["ETag"]
    assert house.call(ada, "DELETE", "/api/flows/hello", If_Match=fresh).status_code == 204


@both_databases
def test_what_was_read_and_still_stands_is_not_sent_again(house, ada):
    etag = house.call(ada, "GET", f"/api/flows/{house.flow(ada)['id']}").headers["ETag"]
    again = house.call(ada, "GET", "/api/flows/hello", If_None_Match=f'"0", W/{etag}')
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED})
    assert house.call(ada, "GET", "/api/flows/hello", If_None_Match=etag).json["yaml_content"] == CHANGED


def test_a_call_of_a_flow_that_is_not_there_is_a_warning(house, ada):
    house.flow(ada, name="Child")
    call = "states:\n  a:\n    state_type: call\n    flow: {}\n    transition: end\n"
    shown = house.call(ada, "POST", "/api/flows", {"name": "Parent", "yaml_content": call.format("chidl")}).json
    [problem] = shown["problems"]
    assert (problem["severity"], problem["line"], problem["column"]) == ("warning", 4, 11)
    assert (problem["message"], problem["suggestion"]) == (
        "no flow of yours is called 'chidl' yet",
        "did you mean 'child'?",
    )
    for name in ("child", "child.yaml", "'{name}'", "./beside.yaml"):
        validated = house.call(ada, "POST", "/api/flows/validate", {"yaml_content": call.format(name)}).json
        assert (name, validated["problems"]) == (name, [])


def test_a_listener_that_can_never_work_is_refused_at_its_line(house, ada):
    text = HOOK.replace("type: webhook", "type: webhook\n  secret: '{KEY}'\n  signature: githup")
    answer = house.call(ada, "POST", "/api/flows", {"name": "Hook", "yaml_content": text})
    [problem] = answer.json["problems"]
    assert (answer.status_code, problem["line"], problem["suggestion"]) == (422, 5, "did you mean 'github'?")


def test_a_create_that_is_repeated_with_its_key_makes_one_flow(house, ada):
    wanted = {"name": "Hello", "yaml_content": HELLO}
    first, again = (house.call(ada, "POST", "/api/flows", wanted, Idempotency_Key="k1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    other = house.call(ada, "POST", "/api/flows", {**wanted, "name": "Other"}, Idempotency_Key="k1")
    assert other.json["type"] == "urn:intellyhub:problem:idempotency-key-reused"
    assert len(house.call(ada, "GET", "/api/flows").json["items"]) == 1
    assert house.call(house.person(), "POST", "/api/flows", wanted, Idempotency_Key="k1").status_code == 201


def test_names_that_are_alike_get_slugs_of_their_own_and_a_wanted_one_may_be_taken(house, ada):
    assert [house.flow(ada)["slug"] for _ in range(3)] == ["hello", "hello-2", "hello-3"]
    wanted = {"name": "Hello", "yaml_content": HELLO, "slug": "hello-2"}
    assert house.call(ada, "POST", "/api/flows", wanted).json["type"] == "urn:intellyhub:problem:taken"
    assert house.call(ada, "POST", "/api/flows", {**wanted, "slug": "Not/A/Slug"}).status_code == 422


@both_databases
def test_a_quota_is_a_limit(house, ada):
    with house.database.transaction() as session:
        session.get_one(Tenant, ada.tenant_id).max_flows = 1
    house.flow(ada)
    answer = house.call(ada, "POST", "/api/flows", {"name": "Second", "yaml_content": HELLO})
    assert (answer.status_code, answer.json["type"]) == (402, "urn:intellyhub:problem:quota-exceeded")


@both_databases
def test_lists_are_walked_page_by_page(house, ada):
    made = [house.flow(ada, name=f"Flow {number}")["slug"] for number in range(5)]
    walked, cursor = [], None
    while True:
        page = house.call(ada, "GET", f"/api/flows?limit=2{f'&cursor={cursor}' if cursor else ''}").json
        assert page["items"] == page["flows"]
        walked += [flow["slug"] for flow in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert walked == made[::-1]
    found = house.call(ada, "GET", "/api/flows?q=W%203").json["items"]
    assert [flow["slug"] for flow in found] == ["flow-3"]
    assert house.call(ada, "GET", "/api/flows?q=%25").json["items"] == []


CURSORS = ["x", "W10", "WzEsMl0", "eyJhIjoxfQ", "%00", "WyJ4IiwieSJd"]
CURSORS += [encode_cursor(values) for values in (["x"], [2**63], [-1], [True], ["\0"])]
LISTS = ("flows", "flows/hello/versions", "flows/hello/logs", "dead-letters", "sources", "variables")


@both_databases
def test_a_cursor_that_is_none_is_a_fault_of_the_request(house, ada):
    house.flow(ada)
    with FlowWorker(house, None, None, path=house.layout.socket("sources")) as sources:
        sources.answers += [(200, {"items": []})] * 20
        for page in LISTS:
            for cursor in CURSORS:
                if page in ("sources", "variables") and cursor == encode_cursor(["x"]):
                    continue  # these are walked by names: it is one
                answer = house.call(ada, "GET", f"/api/{page}?cursor={cursor}")
                assert (page, cursor, answer.status_code) == (page, cursor, 422)
                assert answer.json["errors"][0]["location"] == "query.cursor"


@both_databases
@pytest.mark.parametrize(
    "path", ["flows/%00", "flows/%00/versions/1", "runs/%00", "runs?flow=%00", "dead-letters?flow=%00"]
)
def test_a_name_that_no_database_can_hold_is_no_fault_of_ours(house, ada, path):
    assert house.call(ada, "GET", f"/api/{path}").status_code in (404, 422)


@both_databases
@pytest.mark.parametrize("path", ["variables/%00", "secrets/%00", "tokens/%00"])
def test_what_has_such_a_name_cannot_be_deleted(house, ada, path):
    assert house.call(ada, "DELETE", f"/api/{path}").status_code == 404


@both_databases
def test_a_deleted_flow_leaves_nothing_behind(house, ada):
    flow = house.flow(ada)
    ended = add_run(house, ada, flow["id"], finished())
    waiting = add_run(house, ada, flow["id"], suspended(approval="May it?"))
    assert house.call(ada, "DELETE", "/api/flows/hello").status_code == 204
    assert deployed(house) == {}
    assert not (house.layout.flows_of(ada.tenant_id) / flow["id"]).exists()
    assert not (house.layout.flows_of(ada.tenant_id) / "hello.yaml").exists()
    assert list(house.layout.programs_of(ada.tenant_id).iterdir()) == []
    assert [house.call(ada, "GET", f"/api/runs/{run_id}").status_code for run_id in (ended, waiting)] == [404, 404]
    assert house.call(ada, "GET", "/api/flows/hello").status_code == 404


def test_the_last_run_is_shown_with_its_flow(house, ada):
    flow = house.flow(ada)
    run_id = add_run(house, ada, flow["id"], finished(RunStatus.FAILED, "it broke"))
    status = house.call(ada, "GET", "/api/flows/hello/status").json
    assert (status["last_run"]["id"], status["last_run"]["status"]) == (run_id, "failed")
    assert (status["state"], status["status"], status["workers"]) == ("sleeping", "sleeping", 0)


@both_databases
def test_every_change_is_in_the_audit_log(house, ada):
    flow = house.flow(ada)
    house.call(ada, "PUT", "/api/flows/hello", {"yaml_content": CHANGED, "active": False}, X_Forwarded_For="192.0.2.7")
    house.call(ada, "POST", "/api/flows/hello/versions/1/rollback")
    house.call(ada, "DELETE", "/api/flows/hello")
    with house.database.transaction(writing=False) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [entry.action for entry in entries] == ["flow.created", "flow.changed", "flow.rolled_back", "flow.deleted"]
    assert {(entry.actor, entry.subject, entry.tenant_id) for entry in entries} == {
        (ada.email, flow["id"], ada.tenant_id)
    }
    assert entries[1].details == {"active": False, "version": 2}
    assert entries[1].address == "192.0.2.7"


def test_a_trailing_slash_is_tolerated(house, ada):
    assert house.call(ada, "GET", "/api/flows/").status_code == 200
