"""The elasticsearch_search state against a double of its document and search APIs."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.states.elasticsearch_search.elasticsearch_search import perform
from intellyhub_functions.testing.elasticsearch_api import ElasticsearchApi
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import make_step


@pytest.fixture
def api():
    with ElasticsearchApi() as api:
        yield api


@pytest.fixture
def step(api, tmp_path):
    return make_step(tmp_path, {"ELASTICSEARCH_URL": api.url})


def run(step, operation, **more):
    return perform({"operation": operation, "index": "orders", **more}, step)


def test_a_repeated_step_puts_one_document_in(api, step):
    first, second = (run(step, "index", document={"total": 5}) for _ in range(2))
    assert first["_id"] == second["_id"]
    assert first.result == second.result == "created"
    assert list(api.indices["orders"].values()) == [{"total": 5}]


def test_a_document_is_kept_changed_found_and_removed(api, step):
    run(step, "index", id="a/1", document={"name": "Ada", "total": 1})
    run(step, "update", id="a/1", document={"total": 2})
    assert run(step, "get", id="a/1").document == {"name": "Ada", "total": 2}
    found = run(step, "search", query="ada")
    assert (found.total, found.documents) == (1, [{"_id": "a/1", "name": "Ada", "total": 2}])
    assert run(step, "search", query="nobody").documents == []
    for _ in range(2):
        run(step, "delete", id="a/1")
    assert run(step, "get", id="a/1").found is False


def test_a_query_may_be_words_or_elasticsearch_s_own(api, step):
    run(step, "index", id="1", document={"a": 1})
    run(step, "search", query={"match": {"a": 1}}, size=3)
    assert api.calls[-1].json() == {"size": 3, "query": {"match": {"a": 1}}}
    run(step, "search", query={"query": {"match_all": {}}, "sort": ["a"]})
    assert api.calls[-1].json() == {"size": 10, "query": {"match_all": {}}, "sort": ["a"]}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"operation": "search", "index": "none"}, r"404: no such index \[none\]"),
        ({"operation": "search", "index": "_all/_doc"}, "index is missing"),
        ({"operation": "index"}, "document is missing"),
        ({"operation": "delete"}, "id is missing"),
        ({"operation": "search", "api_key": "wrong"}, "401: unable to authenticate"),
        ({"operation": "search", "base_url": "http://169.254.169.254"}, "may not connect"),
    ],
)
def test_what_cannot_be_done_is_said(step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        run(step, **{"index": "orders", **parameters}) if "index" not in parameters else perform(parameters, step)


def test_without_a_server_the_service_is_named(tmp_path):
    with pytest.raises(PermanentError, match="register an elasticsearch service"):
        run(make_step(tmp_path), "search")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(api, step, status):
    api.failures.append(Answer(status=status, headers={"retry-after": "7"}, body=b"busy"))
    with pytest.raises(RetryableError, match=str(status)) as told:
        run(step, "search")
    assert told.value.retry_after_seconds == 7


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"hits": 7}'])
def test_an_answer_that_is_not_elasticsearch_s_fails_the_step_with_words(api, step, body):
    api.failures.append(Answer(body=body))
    with pytest.raises(PermanentError, match="not Elasticsearch's"):
        run(step, "search")


def test_the_example_finds_what_it_kept(api, tmp_path):
    run_example(Path(__file__).parent, tmp_path, names={"ELASTICSEARCH_URL": api.url})
    assert (tmp_path / "found.txt").read_text() == "1: Ada Rossi, True\n"
