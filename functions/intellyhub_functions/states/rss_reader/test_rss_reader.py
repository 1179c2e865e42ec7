"""The rss_reader state against a feed server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import decode, encode, revive, wrap
from intellyhub_functions.catalogue import CATALOGUE
from intellyhub_functions.feeds.feed import read_feed
from intellyhub_functions.feeds.result import RSSFeedResult
from intellyhub_functions.states.rss_reader.rss_reader import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.surroundings import make_step

NOW = datetime.now(UTC)


@pytest.fixture
def server():
    with FeedServer() as feeds:
        for hours in (50, 20, 1):
            feeds.publish(
                Article(
                    title=f"Python {hours} & more",
                    link=f"https://example.org/{hours}",
                    description=f"<p>About <b>{hours}</b>&nbsp;things</p>",
                    author="Ada Rossi" if hours == 1 else "",
                    published=NOW - timedelta(hours=hours),
                    tags=("AI", "python"),
                )
            )
        yield feeds


@pytest.fixture
def step(tmp_path):
    return make_step(tmp_path)


def read(server, step, **parameters):
    return perform({"feed_url": f"{server.url}/feed.xml", **parameters}, step).value


def test_the_articles_of_the_last_day_come_newest_first(server, step):
    result = read(server, step)
    assert [article.title for article in result.articles] == ["Python 1 & more", "Python 20 & more"]
    assert (result.feed_title, result.total_articles, result.stats.total_in_feed) == ("Local Radar", 2, 3)
    assert result.articles[0].description == "About 1 things"
    assert result.articles[0].published_datetime.tzinfo is not None


def test_zero_hours_is_no_limit_and_entries_are_bounded(server, step):
    assert len(read(server, step, lookback_hours=0)) == 3
    assert len(read(server, step, lookback_hours=0, max_entries=2)) == 2


def test_the_result_goes_to_the_output_variable_too(server, step):
    outcome = perform({"feed_url": f"{server.url}/feed.xml"}, step)
    assert outcome.changes == {"rss_articles": outcome.value}
    named = perform({"feed_url": f"{server.url}/feed.xml", "output_variable": "news"}, step)
    assert list(named.changes) == ["news"]


def test_the_result_counts_iterates_and_searches_its_articles(server, step):
    result = read(server, step, lookback_hours=0)
    assert (len(result), result[0].title, [article.link for article in result][-1]) == (
        3,
        "Python 1 & more",
        "https://example.org/50",
    )
    assert [found.link for found in result.search_articles("PYTHON 20")] == ["https://example.org/20"]
    assert len(result.get_articles_with_tag("ai")) == 3
    assert len(result.get_articles_by_author("rossi")) == 1
    assert len(result.get_articles_since(NOW - timedelta(hours=30))) == 2
    assert result["feed_title"] == "Local Radar"
    assert result.to_dict()["articles"][0]["title"] == "Python 1 & more"


def test_the_result_survives_the_journal_with_its_methods(server, step):
    result = read(server, step)
    again = revive(decode(encode(wrap(result))), CATALOGUE.values)
    assert type(again) is RSSFeedResult
    assert again == result
    assert again.search_articles("20")[0].published_datetime == result[1].published_datetime


def test_an_article_keeps_its_id_over_time(server, step):
    first = read(server, step)[0].id
    assert read(server, step)[0].id == first


@pytest.mark.parametrize(("status", "error"), [(503, RetryableError), (429, RetryableError), (404, PermanentError)])
def test_a_feed_that_does_not_come_is_a_failure(server, step, status, error):
    server.failures.append(status)
    with pytest.raises(error, match=f"answered {status}"):
        read(server, step)


def test_a_page_is_not_a_feed(server, step):
    server.documents["/feed.xml"] = b"<html><body>Hello</body></html>"
    with pytest.raises(PermanentError, match="is not a feed"):
        read(server, step)


def test_an_entity_bomb_is_no_danger():
    bomb = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "' + b"a" * 1000 + b'">'
    bomb += b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(8))
    bomb += b']><rss version="2.0"><channel><title>&i;</title><item><title>x</title></item></channel></rss>'
    feed = read_feed(bomb, "http://x", {})
    assert len(feed.title) < 10_000


def test_atom_is_read_as_well():
    atom = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>urn:1</id><title>A</title>'
        b'<link href="https://e.org/1"/><updated>2025-01-02T03:04:05Z</updated><author><name>Ada</name></author>'
        b"<content>body</content></entry></feed>"
    )
    article = read_feed(atom, "http://x", {}).articles[0]
    assert (article.title, article.author, article.description, article.published) == (
        "A",
        "Ada",
        "body",
        "2025-01-02T03:04:05+00:00",
    )


def test_the_example_reads_a_feed(server, tmp_path):
    run_example(Path(__file__).parent, tmp_path, names={"FEED_URL": f"{server.url}/feed.xml"})
