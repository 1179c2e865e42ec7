"""Which service meets a need, what it gives, how it is looked at, and its file."""

import socket

import pytest

from intellyhub_control_plane.plugins.needs import ServiceNeed
from intellyhub_control_plane.services.checks import find_target, look_at
from intellyhub_control_plane.services.documents import read_registry, write_registry
from intellyhub_control_plane.services.facts import ServiceFacts
from intellyhub_control_plane.services.injection import inject
from intellyhub_control_plane.services.matching import match_need
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions import settings as function_settings
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_knative.platform.services import fill_in


def service(name, kind="neo4j", location="remote", *, healthy=None, **connection):
    return ServiceFacts(id=name, type=kind, location=location, connection=connection, healthy=healthy, message="gone")


def need(kind="neo4j", **facts):
    return ServiceNeed(**{"type": kind, "connection_vars": {"url": "NEO4J_URL"}, **facts})


def best(wanted, *services):
    match = match_need(wanted, services)
    return (match.service.id if match.service else None, match.problem)


def test_the_preferred_place_comes_first_then_those_to_fall_back_to():
    near, far = service("near", location="local", url="x"), service("far", url="x")
    assert best(need(prefer="remote", fallback=("local",)), near, far) == ("far", None)
    assert best(need(prefer="local", fallback=("remote",)), near, far) == ("near", None)
    assert best(need(prefer="remote", fallback=("local",)), near) == ("near", None)
    assert best(need(), near, far) == ("far", None)


def test_a_service_that_is_down_is_taken_only_where_there_is_no_other():
    down, up = service("down", healthy=False, url="x"), service("up", location="local", url="x")
    assert best(need(prefer="remote", fallback=("local",)), down, up) == ("up", None)
    assert best(need(), down) == ("down", "the service 'down' does not answer: gone")


def test_what_is_missing_is_told_in_words():
    assert best(need(), service("cache", "redis")) == (None, "no service of the type 'neo4j' is registered")
    assert best(need(), service("graph", host="x")) == ("graph", "the service 'graph' says nothing of connection.url")
    old = service("old", url="x", version="4.4")
    words = "a service of the type 'neo4j' from version 5.0 on is needed; old has 4.4"
    assert best(need(min_version="5.0"), old) == (None, words)
    assert best(need(min_version="5.0"), service("unknown", url="x")) == ("unknown", None)


def test_a_version_is_read_from_an_image():
    assert ServiceFacts(id="a", type="neo4j", location="local", config={"image": "neo4j:5.15"}).version == "5.15"
    assert (
        ServiceFacts(id="a", type="x", location="local", config={"image": "reg.test:5000/x/y:v1.2.3"}).version
        == "1.2.3"
    )
    assert ServiceFacts(id="a", type="x", location="local", config={"image": "reg.test:5000/x/y"}).version is None


def test_types_have_spellings():
    assert best(need("PostgreSQL"), service("db", "postgres", url="x")) == ("db", None)


def test_a_flow_gets_what_its_plugins_need_and_the_names_that_it_mentions():
    services = [
        service("graph", url="bolt://x", password="{GRAPH_PASSWORD}"),
        service("redis-cache", "redis", url="redis://x", password="p"),
        service("custom-api", "generic", base_url="http://x"),
    ]
    text = "cmd: redis-cli -u $REDIS_URL && curl {CUSTOM_API_BASE_URL}"
    found = inject([need(connection_vars={"url": "NEO4J_URL", "password": "NEO4J_PASSWORD"})], services, [text])
    assert found.values == {
        "NEO4J_URL": "bolt://x",
        "NEO4J_PASSWORD": "{GRAPH_PASSWORD}",
        "REDIS_URL": "redis://x",
        "CUSTOM_API_BASE_URL": "http://x",
    }
    assert found.services == ("graph", "custom-api", "redis-cache")
    assert inject([], services, ["nothing of that"]).values == {}


def test_of_two_services_a_name_means_the_one_that_answers():
    services = [service("a", "redis", healthy=False, url="redis://a"), service("b", "redis", url="redis://b")]
    assert inject([], services, ["REDIS_URL"]).values == {"REDIS_URL": "redis://b"}
    assert inject([], services, ["A_URL"]).values == {"A_URL": "redis://a"}


def test_what_the_tenant_calls_the_same_is_told():
    found = inject([need()], [service("graph", url="bolt://x")], [], own={"NEO4J_URL"})
    assert found.problems == ("your own variable or secret 'NEO4J_URL' is used, not what the service 'graph' gives",)


def test_an_optional_service_that_is_missing_is_no_problem():
    assert inject([need(required=False)], [], []).problems == ()


def test_what_a_secret_was_put_into_is_secret():
    assert fill_in("bolt://{USER}:{PASS}@x/{OTHER}", {"USER": "ada"}, {"PASS": "p"}) == ("bolt://ada:p@x/{OTHER}", True)
    assert fill_in("{USER}", {"USER": 1}, {}) == ("1", False)
    assert fill_in("{PASS}", {}, {"PASS": "{USER}"}) == ("{USER}", True)


@pytest.mark.parametrize(
    ("facts", "host", "port", "url"),
    [
        (service("a", url="bolt://x.test"), "x.test", 7687, None),
        (service("a", "redis", url="redis://u:p@x.test:1234/0"), "x.test", 1234, None),
        (service("a", "postgresql", host="x.test", port="5433"), "x.test", 5433, None),
        (service("a", "kafka", bootstrap_servers="x.test:9093,y.test:9093"), "x.test", 9093, None),
        (service("a", "generic", url="https://x.test/api"), "x.test", 443, None),
        (service("a", url="http://[::1]:80"), "::1", 80, None),
    ],
)
def test_where_a_service_is_comes_from_its_connection(facts, host, port, url):
    target = find_target(facts)
    assert target is not None
    assert (target.host, target.port, target.url) == (host, port, url)


def test_a_port_of_a_container_is_looked_up_outside():
    config = {
        "ports": [{"containerPort": 8080, "servicePort": 80}],
        "healthCheck": {"type": "http", "port": 8080, "path": "up"},
    }
    facts = ServiceFacts(id="a", type="generic", location="local", config=config, connection={"host": "x.test"})
    target = find_target(facts)
    assert target is not None
    assert target.url == "http://x.test:80/up"


@pytest.mark.parametrize("connection", [{}, {"url": "http://[::"}, {"url": "no address"}, {"password": "x"}])
def test_a_service_without_an_address_is_not_looked_at(connection):
    finding = look_at(ServiceFacts(id="a", type="generic", location="remote", connection=connection))
    assert finding.healthy is None
    assert "names no host" in finding.message


def test_a_service_is_healthy_where_something_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = look_at(service("a", url=f"bolt://127.0.0.1:{port}"))
    assert (finding.healthy, finding.message) == (True, "answers")
    gone = look_at(service("a", url=f"bolt://127.0.0.1:{free_port()}"))
    assert gone.healthy is False
    assert "refused" in gone.message.lower()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (401, True), (302, True), (503, False)])
def test_over_http_the_status_says_how_it_is(status, healthy):
    class Server(LocalServer):
        def answer(self, call):
            return Answer(status=status)

    with Server() as server:
        facts = ServiceFacts(
            id="a",
            type="generic",
            location="remote",
            config={"healthCheck": {"type": "http", "path": "/_cluster/health"}},
            connection={"url": server.url},
        )
        finding = look_at(facts)
        assert finding.healthy is healthy
        assert [call.path for call in server.calls] == ["/_cluster/health"]


def test_addresses_that_flows_may_not_reach_are_not_looked_at_either(monkeypatch):
    monkeypatch.setenv("INTELLYHUB_NETWORK", "public")
    function_settings.settings.cache_clear()
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            finding = look_at(service("a", url=f"bolt://127.0.0.1:{server.getsockname()[1]}"))
    finally:
        monkeypatch.undo()
        function_settings.settings.cache_clear()
    assert finding.healthy is False
    assert "may not connect to" in finding.message


def test_a_registry_comes_back_as_it_was_written():
    entries = [
        {"id": "a", "name": "A", "type": "redis", "location": "remote", "connection": {"url": "{X}"}, "tags": ["x"]}
    ]
    assert read_registry(write_registry(entries)) == entries


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "no YAML"),
        ("services: []", "no list `microservices:`"),
        ("microservices: [x]", "service 1 is no mapping"),
        ("microservices: [{name: A}]", "A: `id` is missing; A: `type` is missing"),
        ("microservices: [{id: a, type: redis, conection: {}}]", "a: `conection` is not known"),
    ],
)
def test_a_registry_with_faults_names_them_all(text, message):
    with pytest.raises(InputInvalid, match=message):
        read_registry(text)
