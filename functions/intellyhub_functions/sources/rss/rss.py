"""The `rss` source: looks at feeds in turn and makes one event of every new article."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.source import Health, SourceContext
from intellyhub_engine.machine.watch import Watcher
from intellyhub_functions.feeds.feed import ACCEPT, read_feed
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, name_of, send

__all__ = ["Feeds", "listen"]

EVENT_TYPE = "io.intellyhub.rss.article"
MAX_FEED_BYTES = 10 * 1024 * 1024
"""Those of long podcasts have some megabytes; reading takes about half a second for each."""
MAX_FEEDS = 100
MAX_FETCH_SECONDS = 120.0
"""For everything together: a server that sends a byte now and then holds nobody up for ever."""
MAX_SEEN = 2000
"""Article ids kept per feed, and articles of one look: feeds show far fewer at once, and of one that shows more the
older ones would come again and again."""
MAX_BACKOFF_SECONDS = 3600.0


@dataclass(slots=True)
class Watched:
    """One feed: its place, and when it is looked at next."""

    url: str
    due_ns: int = 0
    failures: int = 0
    asked_seconds: float = 0.0
    """How long the server wants to be left alone (`Retry-After`)."""
    fault: str = ""
    """Of the last look, where it failed."""


class News(NamedTuple):
    """What a look has found: all that is kept of a feed while its events are taken, which may last."""

    articles: list[Record]
    description: str
    """Of the feed."""
    seen: list[str]
    """Ids of the articles that were given before."""
    etag: str | None
    """For asking whether the feed has changed; None where it is to come whole the next time."""
    last_modified: str | None


class Feeds:
    """The feeds of one listener. Each is looked at every `check_interval`; one that fails, more and more seldom."""

    def __init__(self, parameters: Mapping[str, Any], context: SourceContext) -> None:
        written = parameters.get("feeds")
        urls = [written] if isinstance(written, str) else list(written or [])
        self._feeds = [Watched(text_of(url)) for url in urls if url]
        if not 0 < len(self._feeds) <= MAX_FEEDS:
            raise PermanentError(f"the rss listener needs feeds, or url, and at most {MAX_FEEDS} of them")
        self._interval_ns = int(parameters.get("check_interval", 300) * 1e9)
        self._parameters = parameters
        self._context = context

    def due_ns(self) -> int:
        """When the next feed is looked at; at once, where the clock was set back by more than any wait."""
        due = min(feed.due_ns for feed in self._feeds)
        return due if due - self._context.now_ns() <= longest_ns(self._interval_ns) else 0

    def look(self) -> Iterator[Event]:
        """What is new in the feeds that are due."""
        now_ns = self._context.now_ns()
        most_ns = now_ns + longest_ns(self._interval_ns)
        for feed in self._feeds:
            if not now_ns < feed.due_ns <= most_ns and not self._context.stopping.is_set():
                feed.due_ns = now_ns + self._interval_ns
                yield from look(feed, self._parameters, self._context)
                feed.due_ns = self._context.now_ns() + wait_ns(feed, self._interval_ns)
                self._tell_failures()

    def _tell_failures(self) -> None:
        """A feed that fails is shown until it does not, also while the others are well."""
        faults = [feed.fault for feed in self._feeds if feed.fault]
        if faults:
            self._context.report(Health(connected=False, message="; ".join(faults)))


listen = Watcher(Feeds)


def wait_ns(feed: Watched, interval_ns: int) -> int:
    """The interval, doubled with every failure in a row; what the server asked for, where that is more."""
    doubled = max(interval_ns << min(feed.failures, 20), int(feed.asked_seconds * 1e9))
    return min(doubled, longest_ns(interval_ns))


def longest_ns(interval_ns: int) -> int:
    """The longest wait for a feed that fails."""
    return max(interval_ns, int(MAX_BACKOFF_SECONDS * 1e9))


def look(feed: Watched, parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """The events of one look at a feed; a failure is logged and counted, and the listener goes on."""
    place = context.cursors.get(f"rss {feed.url}") or {}
    try:
        news = find_news(feed, place, parameters, context)
        if news is not None:
            yield from give(news, feed, place, context)
    except (RetryableError, PermanentError) as failure:
        feed.failures += 1
        feed.asked_seconds = getattr(failure, "retry_after_seconds", None) or 0.0
        context.log("error", f"{failure}; failure {feed.failures} in a row")
        feed.fault = str(failure)
        return
    feed.failures, feed.asked_seconds, feed.fault = 0, 0.0, ""
    context.report(Health(connected=True))


def fetch(
    feed: Watched, place: Mapping[str, Any], parameters: Mapping[str, Any], context: SourceContext
) -> Response | None:
    """The feed, or None where it has not changed since the last look."""
    agent = parameters.get("user_agent") or context.settings.get("RSS_USER_AGENT")
    headers = {
        "accept": ACCEPT,
        "user-agent": agent,
        "if-none-match": place.get("etag"),
        "if-modified-since": place.get("last_modified"),
    }
    response = send(
        Request(
            method="GET",
            url=feed.url,
            headers={name: text_of(value) for name, value in headers.items() if value},
            timeout_seconds=parameters.get("timeout", 30),
            deadline_seconds=MAX_FETCH_SECONDS,
            max_body_bytes=MAX_FEED_BYTES,
            cancelled=context.stopping,
        )
    )
    if response.status == 304:
        return None
    if response.status >= 400:
        seconds = retry_after(response)
        raise RetryableError(f"{name_of(feed.url)} answered {response.status}", retry_after_seconds=seconds)
    return response


def find_news(
    feed: Watched, place: Mapping[str, Any], parameters: Mapping[str, Any], context: SourceContext
) -> News | None:
    """The articles not seen, oldest first, at most `max_entries`; None where the feed has not changed."""
    response = fetch(feed, place, parameters, context)
    if response is None:
        return None
    content = read_feed(response.body, feed.url, response.headers)
    most = parameters.get("max_entries", 10)
    oldest_first = list(reversed(content.articles[:MAX_SEEN]))
    if "seen" in place:
        seen = list(place["seen"])
    else:
        seen = [article.id for article in (oldest_first[:-most] if parameters.get("emit_existing") else oldest_first)]
    known = set(seen)
    new = [article for article in oldest_first if article.id not in known]
    unchanged = response.headers if len(new) <= most else {}  # else the rest is due at the next look
    return News(
        articles=new[:most],
        description=content.description,
        seen=seen,
        etag=unchanged.get("etag"),
        last_modified=unchanged.get("last-modified"),
    )


def give(news: News, feed: Watched, place: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """One event per article. The place moves after each."""
    seen = news.seen
    for article in news.articles:
        yield make_event(article, news.description, feed.url, context)
        seen.append(article.id)
        context.cursors.put(f"rss {feed.url}", {**place, "seen": seen[-MAX_SEEN:]})
    now = {"seen": seen[-MAX_SEEN:], "etag": news.etag, "last_modified": news.last_modified}
    if now != place:
        context.cursors.put(f"rss {feed.url}", now)


def make_event(article: Record, description: str, feed_url: str, context: SourceContext) -> Event:
    """The event of an article; its id is the article's, so that a repetition is known as one."""
    data = {name: value for name, value in article.items() if name != "published_datetime"}
    data |= {"summary": article.description, "feed_url": feed_url, "feed_description": description}
    return Event(
        id=article.id,
        source=context.address,
        type=EVENT_TYPE,
        subject=article.link or None,
        time=article.published,
        datacontenttype="application/json",
        data=data,
    )
