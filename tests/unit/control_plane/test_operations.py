"""Workers, sources, dead letters, health, metrics, documents, the console."""

import json
import sqlite3

import pytest
from openapi_spec_validator import validate
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.openapi import document_text
from tests.unit.control_plane.flow_worker import FlowWorker
from tests.unit.control_plane.house import HELLO, HOOK, House
from tests.unit.control_plane.records import add_dead_letter, add_run, finished

SCHEDULE = """\
name: tick
listener:
  type: schedule
  every: 1h
states:
  note:
    state_type: set
    values: {seen: true}
    transition: end
"""


@pytest.fixture
def ada(house):
    return house.person()


def test_only_ones_own_workers_are_listed(house, ada):
    flow = house.flow(ada)
    worker = {
        "tenant_id": ada.tenant_id,
        "flow_id": flow["id"],
        "slug": "hello",
        "version": 1,
        "pid": 42,
        "state": "busy",
        "started_at": "2026-01-31T08:00:00.000Z",
        "in_flight": 1,
        "requests": 7,
        "memory_bytes": 1 << 20,
        "owner": "w/42/x",
    }
    with FlowWorker.activator(house) as activator:
        activator.answers.append((200, {"items": [worker, {**worker, "tenant_id": "0" * 32}]}))
        listed = house.call(ada, "GET", "/api/workers").json["workers"]
        [shown] = house.call(ada, "GET", "/api/flows").json["items"]
    assert [(each["pid"], each["flow"]["slug"], each["state"]) for each in listed] == [(42, "hello", "busy")]
    assert (shown["workers"], shown["state"]) == (1, "running")


def test_workers_that_cannot_be_asked_are_a_fault_of_the_platform_not_an_empty_list(house, ada):
    answer = house.call(ada, "GET", "/api/workers")
    assert (answer.status_code, answer.json["type"]) == (503, "urn:intellyhub:problem:unreachable")
    assert answer.headers["Retry-After"]


def test_a_source_says_how_it_is_and_never_dies_silently(house, ada):
    flow = house.flow(ada, SCHEDULE, "Tick")
    silent = house.call(ada, "GET", "/api/flows/tick").json
    assert (silent["state"], silent["source"]["connected"]) == ("error", False)
    house.platform.live.pages.forget()  # a second later
    source = {"tenant_id": ada.tenant_id, "flow_id": flow["id"], "connected": True, "message": "waits", "events": 3}
    with FlowWorker(house, None, None, path=house.layout.socket("sources")) as sources:
        sources.answers.append((200, {"items": [source]}))
        shown = house.call(ada, "GET", "/api/flows/tick").json
        listed = house.call(ada, "GET", "/api/sources").json["sources"]
    assert (shown["state"], shown["source"]["message"], shown["source"]["events"]) == ("listening", "waits", 3)
    assert [(each["flow"]["slug"], each["type"], each["health"]["connected"]) for each in listed] == [
        ("tick", "schedule", True)
    ]


def test_a_hook_that_lets_nobody_in_is_an_error_of_its_flow(house, ada):
    flow = house.flow(ada, HOOK, "Hook")
    closed = {"tenant_id": ada.tenant_id, "flow_id": flow["id"], "connected": False, "message": "{NOPE} has no value"}
    with FlowWorker(house, None, None, path=house.layout.socket("gateway")) as gateway:
        gateway.answers.append((200, {"items": [closed]}))
        shown = house.call(ada, "GET", "/api/flows/hook").json
    assert (shown["state"], shown["source"]["message"]) == ("error", "{NOPE} has no value")


def test_a_flow_whose_workers_cannot_start_says_why(house, ada):
    flow = house.flow(ada)
    failing = {"flow_id": flow["id"], "version": 1, "failures": 3, "reason": "it ended with exit code 70"}
    with FlowWorker.activator(house) as activator:
        activator.answers.append((200, {"items": [], "failing": [failing, {**failing, "flow_id": "0" * 32}]}))
        shown = house.call(ada, "GET", "/api/flows/hello").json
    assert (shown["state"], shown["failure"]) == ("error", "it ended with exit code 70")


def test_the_last_page_of_dead_letters_has_no_next_one(house, ada):
    flow = house.flow(ada)
    for _ in range(2):
        add_dead_letter(house, ada, flow["id"])
    first = house.call(ada, "GET", "/api/dead-letters?limit=1").json
    last = house.call(ada, "GET", f"/api/dead-letters?limit=1&cursor={first['next_cursor']}").json
    assert (len(first["items"]), len(last["items"]), last["next_cursor"]) == (1, 1, None)


def test_a_page_of_large_dead_letters_has_a_next_one(house, ada):
    flow = house.flow(ada)
    made = {add_dead_letter(house, ada, flow["id"], "x" * 700_000) for _ in range(3)}
    cursor, walked = "", []
    while cursor is not None:
        page = house.call(ada, "GET", f"/api/dead-letters{f'?cursor={cursor}' if cursor else ''}").json
        walked += [letter["id"] for letter in page["items"]]
        cursor = page["next_cursor"]
    assert walked == sorted(made, reverse=True)


def test_sources_are_walked_page_by_page(house, ada):
    for name in ("b", "a", "c"):
        house.flow(ada, HOOK, name)
    house.flow(ada, name="deaf")
    with FlowWorker(house, None, None, path=house.layout.socket("sources")) as sources:
        sources.answers += [(200, {"items": []})] * 2
        first = house.call(ada, "GET", "/api/sources?limit=2").json
        rest = house.call(ada, "GET", f"/api/sources?limit=2&cursor={first['next_cursor']}").json
    assert [source["flow"]["slug"] for source in first["items"]] == ["a", "b"]
    assert ([source["flow"]["slug"] for source in rest["items"]], rest["next_cursor"]) == (["c"], None)


def test_dead_letters_are_shown_redelivered_and_thrown_away(house, ada):
    flow = house.flow(ada)
    first, second = (add_dead_letter(house, ada, flow["id"], {"n": number}) for number in range(2))
    letters = house.call(ada, "GET", "/api/dead-letters?flow=hello").json["dead_letters"]
    assert [(each["id"], each["event"]["data"], each["code"]) for each in letters] == [
        (second, {"n": 1}, 500),
        (first, {"n": 0}, 500),
    ]
    assert house.call(ada, "POST", f"/api/dead-letters/{first}/redeliver").json == {"redelivered": 1}
    assert house.call(ada, "POST", f"/api/dead-letters/{first}/redeliver").status_code == 404
    assert house.call(ada, "DELETE", f"/api/dead-letters/{second}").status_code == 204
    assert house.call(ada, "GET", "/api/dead-letters").json["items"] == []


def test_health_is_cheap_or_asks_every_part(house, ada):
    assert house.call(None, "GET", "/health").json["status"] == "ok"
    with FlowWorker.activator(house) as activator:
        activator.answers.append((200, {"status": "ok"}))
        answer = house.call(ada, "GET", "/api/health?detailed=true")
    parts = answer.json["components"]
    assert answer.status_code == 200
    assert {name: part["status"] for name, part in parts.items()} == {
        "activator": "ok",
        "broker": "down",
        "control": "ok",
        "database": "ok",
        "gateway": "down",
        "journal": "ok",
        "sources": "down",
    }
    assert answer.json["status"] == "degraded"
    assert parts["broker"]["reason"] == "nobody listens there"


def test_why_a_part_is_down_is_told_to_those_who_are_signed_in(house):
    assert house.call(None, "GET", "/api/health").json["components"] is None
    told = house.call(None, "GET", "/api/health?detailed=true").json["components"]
    assert told["broker"]["status"] == "down"
    assert [part for part in told.values() if part["reason"] or part["pid"]] == []


def test_without_its_journal_the_platform_is_down(house, ada):
    house.layout.socket("journal").unlink()
    answer = house.call(ada, "GET", "/api/health?detailed=true")
    assert (answer.status_code, answer.json["status"]) == (503, "down")


def test_metrics_are_for_platform_administrators(house, ada):
    admin = house.person(Role.VIEWER, admin=True)
    flow = house.flow(ada)
    add_run(house, ada, flow["id"], finished())
    assert house.call(ada, "GET", "/api/metrics").status_code == 403
    text = house.call(admin, "GET", "/api/metrics").text
    assert "intellyhub_flows 1.0" in text
    assert 'intellyhub_runs{status="succeeded"}' in text
    assert 'intellyhub_request_seconds_count{operation="flows.create_flow",status="2xx"}' in text


def test_the_document_is_valid_and_names_every_operation_once():
    document = json.loads(document_text())
    validate(document)
    assert document["openapi"].startswith("3.1")
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    assert {"listFlows", "createFlow", "executeFlow", "listRuns", "watchRun"} <= set(names)


def test_the_api_is_described_offline(house):
    assert house.client.get("/api/openapi.json").json == json.loads(document_text())
    for page in ("/api/docs", "/docs"):
        answer = house.client.get(page)
        assert "http://" not in answer.text + house.client.get("/api/docs/start.js").text
        assert "<script>" not in answer.text
    for file in ("css/swagger-ui.css", "js/swagger-ui-bundle.js"):
        assert house.client.get(f"/api/docs/files/{file}", buffered=True).status_code == 200
    assert house.client.get("/api/docs/files/../../../settings.py").status_code == 404


@pytest.fixture
def built(layout, database_url):
    """A platform with a console of three files."""
    folder = layout.data / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<html>console</html>")
    (folder / "assets" / "app-1a2b.js").write_text("go()")
    (folder / "assets" / "app-1a2b.js.gz").write_bytes(b"packed")
    (layout.data / "secret.txt").write_text("secret")
    house = House(layout, database_url, console=folder)
    yield house.client
    house.close()


def test_the_console_is_served_beside_the_api(built):
    for path in ("/", "/flows/hello", "/runs/1?x=1"):
        answer = built.get(path, buffered=True)
        assert (answer.text, answer.headers["Cache-Control"]) == ("<html>console</html>", "no-cache")
    asset = built.get("/assets/app-1a2b.js", buffered=True)
    assert "immutable" in asset.headers["Cache-Control"]
    assert asset.mimetype == "text/javascript"
    packed = built.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert (packed.data, packed.headers["Content-Encoding"]) == (b"packed", "gzip")


@pytest.mark.parametrize(
    "path", ["/assets/old.js", "/api/nothing", "/hooks/x", "/events/x", "/../secret.txt", "/%2e%2e/secret.txt"]
)
def test_what_is_no_page_of_the_console_is_not_found(built, path):
    answer = built.get(path, buffered=True)
    assert "secret" not in answer.text
    assert answer.status_code == 404 or answer.text == "<html>console</html>"


def test_without_a_built_console_a_page_says_what_to_do(layout, database_url):
    house = House(layout, database_url, console=layout.data / "nothing")
    assert "make console" in house.client.get("/").text
    house.close()


@pytest.mark.parametrize("path", ["/", "/api/flows", "/api/openapi.json", "/nothing", "/health"])
def test_every_answer_tells_browsers_what_not_to_do(house, path):
    headers = house.client.get(path, buffered=True).headers
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_unknown_paths_and_methods_and_large_bodies_are_problems_too(house, ada):
    assert house.call(ada, "GET", "/api/nothing").json["type"] == "urn:intellyhub:problem:not-found"
    answer = house.call(ada, "PATCH", "/api/flows")
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]
    large = house.call(ada, "POST", "/api/flows", {"name": "x", "yaml_content": "x" * (17 << 20)})
    assert large.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/api/nonsense", 404, "there is no address GET /api/nonsense; see /api/docs"),
        ("POST", "/api/nonsense", 404, "there is no address POST /api/nonsense; see /api/docs"),
        ("PATCH", "/api/flows/hello", 405, "PATCH is not offered here; DELETE and GET and PUT are"),
        ("POST", "/api/workers", 405, "POST is not offered here; GET is"),
        ("POST", "/api/flows/hello/versions/abc/rollback", 404, "there is no version 'abc'"),
        ("GET", "/api/flows/hello/versions/0", 404, "there is no version '0'"),
        ("POST", "/api/dead-letters/abc/redeliver", 404, "there is no dead letter 'abc'"),
    ],
)
def test_what_is_not_there_is_said_in_our_own_words(house, ada, method, path, status, detail):
    house.flow(ada)
    answer = house.call(ada, method, path)
    assert (answer.status_code, answer.json["detail"]) == (status, detail)


def test_a_disk_that_is_full_is_told_as_that(house, ada, monkeypatch):
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(*_: object) -> None:
        raise OperationalError("INSERT", {}, full)

    monkeypatch.setattr(Session, "flush", fail)
    answer = house.call(ada, "POST", "/api/variables", {"key": "a", "value": 1})
    assert (answer.status_code, answer.json["type"]) == (507, "urn:intellyhub:problem:full")


def test_a_fault_of_ours_tells_nothing_of_itself(house, ada, monkeypatch):
    from intellyhub_control_plane import examination

    monkeypatch.setattr(examination, "examine_text", lambda *_: 1 / 0)
    answer = house.call(ada, "POST", "/api/flows", {"name": "x", "yaml_content": HELLO})
    assert (answer.status_code, answer.json["type"]) == (500, "urn:intellyhub:problem:internal")
    assert "ZeroDivision" not in answer.text


def test_version_names_our_packages(house):
    packages = house.client.get("/api/version").json["packages"]
    assert {"intellyhub-engine", "intellyhub-control-plane"} <= set(packages)
