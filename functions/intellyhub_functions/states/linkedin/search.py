"""Searches for public LinkedIn pages: through a search service, as the published plugin does, or on LinkedIn itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, send
from intellyhub_functions.states.linkedin.manners import PAUSE_SECONDS, manners
from intellyhub_functions.states.linkedin.results import Found, read_results

__all__ = ["search"]

SITE = "https://www.linkedin.com"
ENGINES = {"google": "https://www.google.com/search", "duckduckgo": "https://html.duckduckgo.com/html/"}
PLACES = {"people": "linkedin.com/in", "companies": "linkedin.com/company"}
MAX_PAGE_BYTES = 4 * 1024 * 1024
EXPERIENCE = {"entry": "1", "mid": "2,3,4", "senior": "5,6,7,8,9,10"}
SIZES = dict(
    zip(
        ("1-10", "11-50", "51-200", "201-500", "501-1000", "1001-5000", "5001-10000", "10001+"), "ABCDEFGH", strict=True
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    """One way to search."""

    name: str
    url: str
    headers: Mapping[str, str]
    is_page: bool
    """True: a page for people, so robots.txt is asked first. An interface for programs has terms of its own."""


def search(parameters: Mapping[str, Any], step: Step) -> Record:
    """The pages found; the first way that finds some is the one that counts. Raises where none could be gone at all."""
    kind, query = read_query(parameters)
    limit = int(parameters.get("max_results", 10))
    filters = parameters.get("filters") or {}
    if not isinstance(filters, Mapping):
        raise PermanentError("filters must be a mapping of location, industry, company_size and experience_level")
    results: list[Found] = []
    used, refused, failures = [], [], []
    for strategy in strategies(kind, query, filters, limit, parameters, step):
        try:
            found = follow(strategy, kind, parameters, step)
        except StepFailed as failure:
            if step.cancelled.is_set():
                raise
            step.log("warning", f"{strategy.name} is left out: {failure}")
            refused.append(f"{strategy.name}: {failure}")
            failures.append(failure)
            continue
        used.append(strategy.name)
        known = {result["profile_url"] for result in results}
        results += [result for result in found if result["profile_url"] not in known]
        if len(results) >= limit:
            break
    if not used:
        raise make_failure(failures)
    now = datetime.now(UTC).isoformat()
    return Record(
        search_type=kind,
        search_query=query,
        filters=dict(filters),
        results_count=len(results[:limit]),
        results=[{**result, "extracted_at": now} for result in results[:limit]],
        llm_analysis=None,
        extracted_at=now,
        success=bool(results),
        strategies_used=used,
        note="; ".join(refused),
    )


def read_query(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """What kind of page is searched, and by which words."""
    kind = text_of(parameters.get("search_type")).strip().lower()
    query = " ".join(text_of(parameters.get("search_query")).split())
    if kind not in PLACES:
        raise PermanentError("search_type must be people or companies")
    if not query:
        raise PermanentError("search_query is missing")
    return kind, query


def strategies(
    kind: str, query: str, filters: Mapping[str, Any], limit: int, parameters: Mapping[str, Any], step: Step
) -> Iterator[Strategy]:
    """The ways to search, in order."""
    service = text_of(parameters.get("search_url") or step.scope.get("LINKEDIN_SEARCH_URL")).strip()
    if not parameters.get("use_alternative_search", True):
        url = add_query(f"{SITE}/search/results/{kind}/", direct_query(kind, query, filters))
        yield Strategy(name="direct_search", url=url, headers={}, is_page=True)
    words = [f"site:{PLACES[kind]}", query, *(text_of(filters.get(name)) for name in ("location", "industry"))]
    text = " ".join(filter(None, words))
    if service:
        more, headers = given(parameters, "search_parameters"), given(parameters, "search_headers")
        url = add_query(service, {"q": text, **more})
        yield Strategy(name=urlsplit(url).hostname or url, url=url, headers=headers, is_page=not more and not headers)
        return
    for name, url in ENGINES.items():
        count = {"num": str(limit)} if name == "google" else {}
        yield Strategy(name=name, url=add_query(url, {"q": text, **count}), headers={}, is_page=True)


def given(parameters: Mapping[str, Any], name: str) -> dict[str, str]:
    written = parameters.get(name) or {}
    if not isinstance(written, Mapping):
        raise PermanentError(f"{name} must be a mapping")
    return {str(key): text_of(value) for key, value in written.items() if value is not None}


def direct_query(kind: str, query: str, filters: Mapping[str, Any]) -> dict[str, str]:
    """The query of LinkedIn's own search page, as the published plugin asks it."""
    asked = {"keywords": query, "origin": "GLOBAL_SEARCH_HEADER"}
    if filters.get("location"):
        asked["geoUrn"] = f"[{text_of(filters['location'])}]"
    if kind == "people" and text_of(filters.get("experience_level")) in EXPERIENCE:
        asked["experience"] = EXPERIENCE[text_of(filters["experience_level"])]
    if kind == "companies" and text_of(filters.get("company_size")) in SIZES:
        asked["companySize"] = SIZES[text_of(filters["company_size"])]
    if filters.get("industry"):
        asked["industry" if kind == "people" else "companyIndustry"] = text_of(filters["industry"])
    return asked


def add_query(url: str, more: Mapping[str, str]) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as fault:
        raise PermanentError(f"search_url is no address: {fault}") from fault
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(more))))))


def follow(strategy: Strategy, kind: str, parameters: Mapping[str, Any], step: Step) -> list[Found]:
    """Ask one service. Raises PermanentError where its robots.txt forbids it, RetryableError where it is busy."""
    if strategy.is_page and manners.forbids(strategy.url, step):
        raise PermanentError("its robots.txt keeps programs away from this page")
    pause = max(float(parameters.get("delay_seconds", PAUSE_SECONDS)), 0.0)
    manners.wait(strategy.url, step, pause)
    response = send(
        Request(
            method="GET",
            url=strategy.url,
            headers={"accept": "application/json, text/html", **strategy.headers},
            timeout_seconds=parameters.get("timeout", 30),
            deadline_seconds=step.timeout_seconds,
            cancelled=step.cancelled,
            max_redirects=0,
            max_body_bytes=MAX_PAGE_BYTES,
        )
    )
    if response.status in (202, 408, 429, 999) or response.status >= 500:
        seconds = retry_after(response)
        raise RetryableError(f"it answered {response.status}: it is asked too often", retry_after_seconds=seconds)
    if response.status != 200:
        raise PermanentError(f"it answered {response.status}")
    return read_results(response, kind, f"{strategy.name}_search")


def make_failure(failures: list[StepFailed]) -> StepFailed:
    """Why nothing could be searched; it may pass where one of the reasons may."""
    reasons = "; ".join(dict.fromkeys(str(failure) for failure in failures))
    passing = [failure for failure in failures if isinstance(failure, RetryableError)]
    message = f"nothing could be searched: {reasons}"
    if passing:
        seconds = [failure.retry_after_seconds for failure in passing if failure.retry_after_seconds is not None]
        return RetryableError(message, retry_after_seconds=max(seconds, default=None))
    return PermanentError(f"{message}. Name a service that programs may ask as search_url (see the documentation)")
