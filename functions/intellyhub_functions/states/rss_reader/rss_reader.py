"""The `rss_reader` state: fetches a feed and keeps its recent articles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.feeds.feed import ACCEPT, read_feed
from intellyhub_functions.feeds.result import RSSFeedResult
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, name_of, send

__all__ = ["perform"]

MAX_FEED_BYTES = 16 * 1024 * 1024


def perform(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """Read the feed; the result is an `RSSFeedResult`, also assigned to `output_variable`."""
    feed = fetch(parameters["feed_url"], parameters.get("timeout", 30), step)
    hours = parameters.get("lookback_hours", 24)
    articles = select(feed.articles, datetime.now(UTC), hours, parameters.get("max_entries", 50))
    result = make_result(feed, articles, parameters["feed_url"], hours)
    step.log("info", f"{len(articles)} of {len(feed.articles)} articles of {feed.title or parameters['feed_url']}")
    return Outcome(value=result, changes={parameters.get("output_variable") or "rss_articles": result})


def fetch(url: str, timeout_seconds: float, step: Step) -> Record:
    """The whole feed. Raises RetryableError where another try may help."""
    response = send(
        Request(
            method="GET",
            url=url,
            headers={"accept": ACCEPT},
            timeout_seconds=timeout_seconds,
            deadline_seconds=step.timeout_seconds,
            max_body_bytes=MAX_FEED_BYTES,
            cancelled=step.cancelled,
        )
    )
    if response.status == 429 or response.status >= 500:
        seconds = retry_after(response)
        raise RetryableError(f"{name_of(url)} answered {response.status}", retry_after_seconds=seconds)
    if response.status >= 400:
        raise PermanentError(f"{name_of(url)} answered {response.status}")
    return read_feed(response.body, url, response.headers)


def select(articles: Sequence[Record], now: datetime, lookback_hours: float, max_entries: int) -> list[Record]:
    """The newest articles of the last hours; 0 hours is no limit, an article without a date is new."""
    oldest = now - timedelta(hours=lookback_hours) if lookback_hours else datetime.min.replace(tzinfo=UTC)
    recent = [article for article in articles if (article.published_datetime or now) >= oldest]
    recent.sort(key=lambda article: article.published_datetime or now, reverse=True)
    return recent[:max_entries]


def make_result(feed: Record, articles: list[Record], url: str, lookback_hours: float) -> RSSFeedResult:
    """The fields that published flows read."""
    dated = [article.published_datetime for article in articles if article.published_datetime]
    return RSSFeedResult(
        feed_info=Record(title=feed.title, link=feed.link, description=feed.description, language=feed.language),
        articles=articles,
        feed_title=feed.title,
        feed_url=url,
        feed_description=feed.description,
        total_articles=len(articles),
        lookback_hours=lookback_hours,
        stats=Record(
            total_in_feed=len(feed.articles),
            total_articles=len(articles),
            authors=len({article.author for article in articles if article.author}),
            newest=max(dated).isoformat() if dated else None,
            oldest=min(dated).isoformat() if dated else None,
        ),
    )
