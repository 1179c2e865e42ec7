"""`/api/microservices`, as it is published."""

import socket

import pytest

from intellyhub_control_plane.services.watching import look_at_due
from intellyhub_knative.platform.services import outer_names
from intellyhub_knative.platform.tenants import read_tenants

FLOW = """\
name: caching
states:
  keep:
    state_type: command
    command: echo $REDIS_URL $REDIS_PASSWORD
    transition: end
"""


@pytest.fixture
def person(house):
    return house.person()


@pytest.fixture
def redis():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def register(house, person, **given):
    body = {"name": "Cache", "service_type": "redis", **given}
    return house.call(person, "POST", "/api/microservices", body)


def test_the_empty_list_is_as_published_and_a_trailing_slash_is_accepted(house, person):
    for path in ("/api/microservices", "/api/microservices/"):
        answer = house.call(person, "GET", path).json
        assert (answer["microservices"], answer["total"]) == ([], 0)


def test_a_service_is_registered_listed_changed_and_forgotten(house, person, redis):
    answer = register(house, person, connection_info={"url": f"redis://127.0.0.1:{redis}"}, tags=["cache"])
    assert (answer.status_code, answer.json["id"], answer.json["status"]) == (201, "cache", "healthy")
    assert register(house, person).json["id"] == "cache-2"
    assert register(house, person, id="cache").status_code == 409
    listed = house.call(person, "GET", "/api/microservices?service_type=redis&location=remote").json
    assert [each["id"] for each in listed["microservices"]] == ["cache", "cache-2"]
    assert house.call(person, "GET", "/api/microservices?location=local").json["total"] == 0
    changed = house.call(person, "PUT", "/api/microservices/cache", {"connection": {"url": "redis://127.0.0.1:1"}})
    assert (changed.json["status"], changed.json["tags"]) == ("unhealthy", ["cache"])
    checks = house.call(person, "GET", "/api/microservices/cache/health?limit=1").json
    assert (len(checks["items"]), checks["next_cursor"] is not None, checks["status"]) == (1, True, "unhealthy")
    stats = house.call(person, "GET", "/api/microservices/stats").json
    assert stats == {
        "total": 2,
        "by_location": {"remote": 2},
        "by_type": {"redis": 2},
        "by_status": {"unhealthy": 1, "unknown": 1},
    }
    assert house.call(person, "DELETE", "/api/microservices/cache").status_code == 204
    assert house.call(person, "GET", "/api/microservices/cache").status_code == 404


@pytest.mark.parametrize(
    ("method", "verb", "body"),
    [("POST", "restart", None), ("POST", "scale", {"replicas": 2}), ("GET", "logs?tail=5", None)],
)
def test_what_only_a_cluster_does_says_so(house, person, method, verb, body):
    register(house, person, location="local", config={"image": "redis:7"})
    answer = house.call(person, method, f"/api/microservices/cache/{verb}", body)
    assert answer.status_code == 501
    assert "deploys no images" in answer.json["detail"]
    assert "on a Knative cluster" in answer.json["detail"]
    assert "images are not deployed" in house.call(person, "GET", "/api/microservices/cache").json["warnings"][0]


def test_more_than_ten_are_too_many(house, person):
    register(house, person)
    assert house.call(person, "POST", "/api/microservices/cache/scale", {"replicas": 11}).status_code == 422


def test_a_registry_goes_in_and_out(house, person):
    text = """\
version: "1.0"
microservices:
  - {id: graph, type: neo4j, location: remote, connection: {bolt_url: "bolt://127.0.0.1:1", password: "{PW}"}}
  - {id: cache, name: Cache, type: redis, location: local, config: {image: "redis:7"}, cost_estimate: $10}
"""
    body = {"yaml_content": text}
    answer = house.call(person, "POST", "/api/microservices/yaml/import", body).json
    assert answer == {"created": ["graph", "cache"], "updated": [], "total": 2}
    again = house.call(person, "POST", "/api/microservices/yaml/import", body).json
    assert again == {"created": [], "updated": ["graph", "cache"], "total": 2}
    exported = house.call(person, "GET", "/api/microservices/yaml/export?location=remote")
    assert exported.mimetype == "application/yaml"
    assert "id: graph" in exported.text
    assert "id: cache" not in exported.text
    other = house.person()
    moved = house.call(other, "POST", "/api/microservices/yaml/import", {"yaml_content": exported.text})
    assert moved.json["created"] == ["graph"]


@pytest.mark.parametrize(
    "text", ["x", "microservices: [{id: a, type: redis, location: nowhere}]", "microservices: [{id: 'A B', type: x}]"]
)
def test_a_registry_with_a_fault_changes_nothing(house, person, text):
    answer = house.call(person, "POST", "/api/microservices/yaml/import", {"yaml_content": text})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["location"] == "body.yaml_content"
    assert house.call(person, "GET", "/api/microservices").json["total"] == 0


def test_a_secret_that_was_written_out_is_not_shown_again(house, person):
    register(house, person, connection={"url": "redis://127.0.0.1:1", "password": "hunter2"})
    shown = house.call(person, "GET", "/api/microservices/cache")
    assert "hunter2" not in shown.text
    assert "written out" in shown.json["warnings"][0]
    assert "hunter2" not in house.call(person, "GET", "/api/microservices/yaml/export").text
    given = {"connection_info": {**shown.json["connection_info"], "url": "redis://127.0.0.1:2"}}
    house.call(person, "PUT", "/api/microservices/cache", given)
    flow = house.flow(person, FLOW)
    deployed = house.platform.publisher.target.deployment(flow["id"])
    assert dict(deployed.services) == {"REDIS_URL": "redis://127.0.0.1:2", "REDIS_PASSWORD": "hunter2"}


def test_a_flow_finds_its_services_by_name_and_secrets_stay_secrets(house, person):
    house.call(person, "POST", "/api/secrets", {"name": "CACHE_SECRET", "value": "geheim"})
    flow = house.flow(person, FLOW)
    assert not house.platform.publisher.target.deployment(flow["id"]).services
    register(house, person, connection={"url": "redis://127.0.0.1:1", "password": "{CACHE_SECRET}"})
    deployed = house.platform.publisher.target.deployment(flow["id"])
    assert "geheim" not in (house.layout.deployments / f"{flow['id']}.json").read_text()
    (tenant,) = (each for each in read_tenants(house.layout.tenants) if each.tenant_id == person.tenant_id)
    outer = outer_names(deployed, tenant, house.platform.keys)
    assert outer.variables["REDIS_URL"] == "redis://127.0.0.1:1"
    assert outer.secrets["REDIS_PASSWORD"] == "geheim"
    assert house.call(person, "GET", "/api/microservices/cache").json["flows"] == ["hello"]
    house.call(person, "DELETE", "/api/microservices/cache")
    assert not house.platform.publisher.target.deployment(flow["id"]).services


def test_variables_of_the_tenant_come_before_those_of_services(house, person):
    house.call(person, "POST", "/api/variables", {"key": "REDIS_URL", "value": "redis://mine"})
    register(house, person, connection={"url": "redis://127.0.0.1:1"})
    flow = house.flow(person, FLOW)
    deployed = house.platform.publisher.target.deployment(flow["id"])
    (tenant,) = (each for each in read_tenants(house.layout.tenants) if each.tenant_id == person.tenant_id)
    assert outer_names(deployed, tenant, house.platform.keys).all["REDIS_URL"] == "redis://mine"


def test_services_are_looked_at_by_and_by_and_flows_follow(house, person, redis):
    register(house, person, id="a", connection={"url": f"redis://127.0.0.1:{redis}"})
    register(house, person, id="b", connection={"url": "redis://127.0.0.1:1"})
    flow = house.flow(person, FLOW)

    def url():
        return house.platform.publisher.target.deployment(flow["id"]).services["REDIS_URL"]

    assert url() == f"redis://127.0.0.1:{redis}"
    assert look_at_due(house.platform) == 0
    with house.database.transaction() as session:
        from intellyhub_control_plane.models.services import Service

        for service in session.query(Service):
            service.checked_at = None
            if service.id == "a":
                service.connection = {"url": "redis://127.0.0.1:1"}
            else:
                service.connection = {"url": f"redis://127.0.0.1:{redis}"}
    assert look_at_due(house.platform) == 2
    statuses = {each["id"]: each["status"] for each in house.call(person, "GET", "/api/microservices").json["items"]}
    assert statuses == {"a": "unhealthy", "b": "healthy"}
    assert url() == f"redis://127.0.0.1:{redis}"


def test_passwords_are_masked_wherever_they_stand_and_survive_being_sent_back(house, person):
    address = "postgresql://ada:hunter2@127.0.0.1:1/x"
    config = {"env": [{"name": "POSTGRES_PASSWORD", "value": "hunter3"}, {"name": "POSTGRES_DB", "value": "x"}]}
    register(house, person, service_type="postgresql", connection={"url": address}, config=config)
    shown = house.call(person, "GET", "/api/microservices/cache").json
    assert shown["connection_info"] == {"url": "postgresql://ada:***@127.0.0.1:1/x"}
    assert shown["config"]["env"] == [
        {"name": "POSTGRES_PASSWORD", "value": "***"},
        {"name": "POSTGRES_DB", "value": "x"},
    ]
    given = {"connection_info": shown["connection_info"], "config": shown["config"], "name": "Database"}
    house.call(person, "PUT", "/api/microservices/cache", given)
    flow = house.flow(person, FLOW.replace("REDIS", "POSTGRESQL"))
    deployed = house.platform.publisher.target.deployment(flow["id"])
    assert dict(deployed.services) == {"POSTGRESQL_URL": address}
