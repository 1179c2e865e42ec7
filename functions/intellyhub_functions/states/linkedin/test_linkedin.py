"""The linkedin state's searches, against a search site; its example."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.language.values.values import Record, TextRecord
from intellyhub_functions.network.exchange import USER_AGENT, Response
from intellyhub_functions.states.linkedin import linkedin, search
from intellyhub_functions.states.linkedin.linkedin import perform
from intellyhub_functions.states.linkedin.manners import Manners
from intellyhub_functions.states.linkedin.results import read_results
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.linkedin_api import LinkedInApi
from intellyhub_functions.testing.linkedin_site import SearchSite
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import Log, make_step

PEOPLE = {"search_type": "people", "search_query": "Software Engineer", "delay_seconds": 0}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(search, "manners", Manners())


@pytest.fixture
def site():
    with SearchSite() as server:
        yield server


@pytest.fixture
def step(tmp_path, site):
    return make_step(tmp_path, outer={"LINKEDIN_SEARCH_URL": f"{site.url}/search"}, log=Log())


@pytest.mark.parametrize("more", [{}, {"search_parameters": {"format": "json"}}])
def test_people_are_found_once_each_whatever_form_the_answer_has(site, step, more):
    result = perform({**PEOPLE, **more, "filters": {"location": "Milano, Italia"}}, step)
    assert [(found["name"], found["profile_url"], found["title"]) for found in result.results] == [
        ("Ada Rossi", "https://www.linkedin.com/in/ada-rossi", "Software Engineer - TechCorp"),
        ("Ben Bé", "https://www.linkedin.com/in/ben-bé", "UX Designer"),
    ]
    assert (result.success, result.results_count, result.search_type) == (True, 2, "people")
    assert result.results[0]["location"] == ("Milano, Italia" if more else "N/A")
    assert site.queries == ["site:linkedin.com/in Software Engineer Milano, Italia"]
    assert result.strategies_used == ["127.0.0.1"]


def test_companies_are_found_and_no_more_than_asked_for(site, step):
    result = perform({**PEOPLE, "search_type": "companies"}, step)
    assert [found["name"] for found in result.results] == ["TechCorp", "Innovate Srl: panoramica"]
    assert perform({**PEOPLE, "max_results": 1}, step).results_count == 1


def test_the_state_says_who_it_is(site, step):
    perform(PEOPLE, step)
    assert [call.headers["user-agent"] for call in site.calls] == [USER_AGENT] * 2
    assert [call.path.partition("?")[0] for call in site.calls] == ["/robots.txt", "/search"]


@pytest.mark.parametrize("path", ["/closed", "/search?secret=1"])
def test_a_page_that_robots_txt_forbids_is_not_read(site, tmp_path, path):
    step = make_step(tmp_path, log=Log())
    with pytest.raises(PermanentError, match=r"its robots\.txt keeps programs away.*search_url") as failure:
        perform({**PEOPLE, "search_url": f"{site.url}{path}"}, step)
    assert site.searches == []
    result: Any = failure.value.result
    assert result["success"] is False


def test_an_interface_for_programs_has_terms_of_its_own(site, step):
    given = {"search_url": f"{site.url}/closed", "search_headers": {"X-Subscription-Token": "t0ken"}}
    assert perform({**PEOPLE, **given}, step).success
    assert [call.headers.get("x-subscription-token") for call in site.calls] == ["t0ken"]


def test_a_site_without_rules_may_be_read_and_one_whose_rules_cannot_be_had_may_not(site, step, monkeypatch):
    site.robots = Answer(status=404)
    assert perform(PEOPLE, step).success
    monkeypatch.setattr(search, "manners", Manners())
    site.robots = Answer(status=503)
    with pytest.raises(RetryableError, match="nothing there may be read now"):
        perform(PEOPLE, step)
    assert len(site.searches) == 1


def test_rules_are_asked_once_an_hour(site, tmp_path):
    time = [100.0]
    polite, step = Manners(now=lambda: time[0]), make_step(tmp_path)
    for moment, asked in ((100, 1), (3600, 1), (3701, 2)):
        time[0] = moment
        assert polite.forbids(f"{site.url}/closed", step)
        assert not polite.forbids(f"{site.url}/open", step)
        assert len(site.calls) == asked


def test_a_pause_lies_between_two_requests_to_one_site(site, tmp_path):
    site.robots = Answer(body=b"User-agent: *\nCrawl-delay: 7\n")
    waited = []

    class Watched(threading.Event):
        def wait(self, timeout=None):
            waited.append(round(timeout, 1))
            return False

    polite = Manners(now=lambda: 50.0)
    step = replace(make_step(tmp_path), cancelled=Watched())
    polite.forbids(f"{site.url}/search", step)
    for url in ("http://one/a", "http://one/b", "http://two/", f"{site.url}/a", f"{site.url}/b"):
        polite.wait(url, step, 2)
    assert waited == [2.0, 7.0]


def test_a_pause_ends_with_the_run_and_is_not_begun_where_it_is_too_long(tmp_path):
    polite, step = Manners(), make_step(tmp_path, timeout_seconds=1)
    polite.wait("http://one/", step, 60)
    with pytest.raises(StepTimedOut):
        polite.wait("http://one/", step, 60)
    step = make_step(tmp_path)
    step.cancelled.set()
    with pytest.raises(StepCancelled):
        polite.wait("http://one/", step, 60)


def test_a_busy_service_is_put_off_as_long_as_it_says(site, step):
    site.failures.append(Answer(status=429, headers={"Retry-After": "9"}))
    with pytest.raises(RetryableError, match="asked too often") as failure:
        perform(PEOPLE, step)
    assert failure.value.retry_after_seconds == 9


def test_one_service_that_fails_is_left_out_and_named(site, step, monkeypatch):
    monkeypatch.setattr(search, "SITE", f"{site.url}/closed")
    result = perform({**PEOPLE, "use_alternative_search": False}, step)
    assert result.strategies_used == ["127.0.0.1"]
    assert result.note.startswith("direct_search: its robots.txt")


def test_linkedin_s_own_search_is_asked_as_the_published_plugin_asks_it(site, step, monkeypatch):
    monkeypatch.setattr(search, "SITE", site.url)
    asked = {"filters": {"location": "Roma", "experience_level": "mid"}, "use_alternative_search": False}
    result = perform({**PEOPLE, **asked, "max_results": 2}, step)
    assert result.strategies_used == ["direct_search"]
    assert site.searches[0].path == (
        "/search/results/people/?keywords=Software+Engineer&origin=GLOBAL_SEARCH_HEADER&geoUrn=%5BRoma%5D&experience=2%2C3%2C4"
    )


def test_without_a_service_google_and_duckduckgo_are_asked(site, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "ENGINES", {"google": f"{site.url}/search", "duckduckgo": f"{site.url}/html/"})
    result = perform(PEOPLE, make_step(tmp_path, log=Log()))
    assert result.strategies_used == ["google", "duckduckgo"]
    assert {found["source"] for found in result.results} == {"google_search"}


def test_nothing_found_is_no_failure(site, step):
    site.pages.clear()
    result = perform(PEOPLE, step)
    assert (result.success, result.results, result.results_count) == (False, [], 0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"search_type": "jobs"}, "people or companies"),
        ({"search_query": " "}, "search_query is missing"),
        ({"filters": "Milano"}, "filters must be a mapping"),
        ({"search_parameters": "x"}, "search_parameters must be a mapping"),
        ({"search_url": "http://[x"}, "no address"),
    ],
)
def test_what_is_missing_is_named(site, step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform({**PEOPLE, **parameters}, step)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[" * 100_000),
        ("application/json", b'{"results": [1, {"url": 5, "title": "x"}, {"url": "http://[", "title": "x"}]}'),
        ("text/html", b"<a href='http://['>x</a><a href='//linkedin.com/in/" + b"a" * 10 + b"'>" + b"<b>" * 1000),
        ("text/html", b"\xff\xfe<a href=/url?q=http://[>x"),
    ],
)
def test_a_hostile_answer_does_no_harm(kind, body):
    response = Response(status=200, headers={"content-type": kind}, body=body, url="http://e.org/")
    assert read_results(response, "people", "s") in ([], read_results(response, "people", "s"))


def test_a_model_looks_at_the_results_and_where_it_fails_they_come_without_its_words(site, step, monkeypatch):
    asked = []

    def answer(parameters, step):
        asked.append(parameters)
        return TextRecord({"response": "two of them", "provider": "openai", "model": "m"}, "response")

    monkeypatch.setattr(linkedin, "ask_model", answer)
    wanted = {"enabled": True, "provider": "openai", "api_key": "k", "custom_prompt": "How many?"}
    result = perform({**PEOPLE, "llm_analysis": wanted}, step)
    assert (result.llm_analysis["analysis"], result.llm_analysis["model"]) == ("two of them", "m")
    assert asked[0]["user_prompt"].startswith("How many?")
    assert "Ada Rossi" in asked[0]["user_prompt"]

    def refuse(parameters, step):
        raise PermanentError("no credit")

    monkeypatch.setattr(linkedin, "ask_model", refuse)
    result = perform({**PEOPLE, "llm_analysis": wanted, "use_selenium": True}, step)
    assert isinstance(result, Record)
    assert (result.llm_analysis, result.results_count) == (None, 2)
    assert "no credit" in step.log.text()
    assert "use_selenium is left aside" in step.log.text()


def test_the_example_finds_and_tells(site, tmp_path):
    with LinkedInApi() as api:
        names = {
            "LINKEDIN_BASE_URL": api.url,
            "LINKEDIN_ACCESS_TOKEN": "t",
            "LINKEDIN_SEARCH_URL": f"{site.url}/search",
        }
        run_example(Path(__file__).parent, tmp_path, names=names)
        (post,) = api.posts.values()
    assert post["shown"] == "We found 2 engineers (in Milano) #hiring"
