"""The mcp_neo4j state against a double of both of Neo4j's HTTP APIs."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="method-assign"

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.catalogue import CATALOGUE
from intellyhub_functions.states.mcp_neo4j.mcp_neo4j import http_address, perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.neo4j_api import Neo4jApi, make_node
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import make_step

FRIENDS = (["name", "friend"], [["Bob", make_node(name="Bob", city="Torino")], ["Eve", None]])


@pytest.fixture(params=[True, False], ids=["query-api", "transactional-api"])
def api(request):
    with Neo4jApi(query_api=request.param) as api:
        yield api


def names_of(api):
    return {"NEO4J_HTTP_URL": api.url, "NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": "verysecret"}


@pytest.fixture
def step(api, tmp_path):
    return make_step(tmp_path, names_of(api))


def test_rows_are_records_and_nodes_their_properties(api, step):
    api.rows = FRIENDS
    found = perform({"query": "MATCH (p {name: $name}) RETURN 1", "parameters": {"name": "Ada"}}, step)
    assert found == [
        {"name": "Bob", "friend": {"name": "Bob", "city": "Torino"}},
        {"name": "Eve", "friend": None},
    ]
    assert api.queries == [{"statement": "MATCH (p {name: $name}) RETURN 1", "parameters": {"name": "Ada"}}]


def test_without_a_query_the_connection_is_tried(step):
    assert perform({}, step) == [{"connected": 1}]
    assert CATALOGUE.states["test_neo4j"].type == CATALOGUE.states["mcp-neo4j"].type == "mcp_neo4j"


def test_a_value_never_becomes_cypher_and_a_whole_query_may_be_a_variable(api, tmp_path):
    step = make_step(tmp_path, {**names_of(api), "name": "x'}) DETACH DELETE n //", "my_query": "RETURN 2"})
    with pytest.raises(PermanentError, match=r"could become Cypher; write \$name"):
        perform({"query": "MATCH (n) WHERE n.name = '{name}' RETURN n"}, step)
    perform({"query": "MATCH (n {name: $name}) RETURN n", "parameters": {"name": "x"}}, step)
    perform({"query": " {my_query} "}, step)
    assert api.queries[-1]["statement"] == "RETURN 2"


def test_a_refusal_is_told_and_a_passing_one_may_be_tried_again(api, step):
    with pytest.raises(PermanentError, match=r"401: Invalid credential.* \(Neo\.ClientError"):
        perform({"password": "wrong"}, step)
    api.error = (400, "Neo.ClientError.Statement.SyntaxError")
    with pytest.raises(PermanentError, match="SyntaxError"):
        perform({"query": "MATSCH"}, step)
    api.error = (500, "Neo.TransientError.Transaction.DeadlockDetected")
    with pytest.raises(RetryableError, match="DeadlockDetected"):
        perform({}, step)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": 1}', b'{"data": {"fields": ["a"], "values": [[]]}}'])
def test_an_answer_that_is_not_neo4j_s_fails_the_step_with_words(tmp_path, body):
    with LocalServer() as strange:
        strange.answer = lambda call: Answer(body=body)
        with pytest.raises(PermanentError, match="not Neo4j's"):
            perform({"neo4j_url": strange.url}, make_step(tmp_path))


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("bolt://graph:7687", "http://graph:7474"),
        ("neo4j+s://graph:7687", "https://graph:7473"),
        ("neo4j+s://abc.databases.neo4j.io", "https://abc.databases.neo4j.io"),
        ("https://graph:443/", "https://graph:443"),
        ("bolt://[::1]:7687", "http://[::1]:7474"),
    ],
)
def test_a_driver_s_address_leads_to_the_http_server(written, address):
    assert http_address(written) == address


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "neo4j_url is missing"),
        ({"neo4j_url": "ftp://x"}, "not an address of Neo4j"),
        ({"neo4j_url": "http://169.254.169.254"}, "may not connect"),
    ],
)
def test_what_cannot_be_reached_is_said(tmp_path, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform(parameters, make_step(tmp_path))


def test_the_example_notes_friends(api, tmp_path):
    api.rows = FRIENDS
    run_example(Path(__file__).parent, tmp_path, names=names_of(api))
    assert (tmp_path / "friends.txt").read_text() == "Ada knows 2: Bob, Torino\n"
