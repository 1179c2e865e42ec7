"""Feeds that would keep a reader busy, or make it read what is not theirs."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
import time

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.feeds.feed import plain, read_feed

LAUGHS = "".join(f'<!ENTITY {chr(98 + level)} "{f"&{chr(97 + level)};" * 10}">' for level in range(9))


def feed(description, prolog=""):
    inner = f"<title>T</title><item><title>A</title><description>{description}</description></item>"
    return f'<?xml version="1.0"?>{prolog}<rss version="2.0"><channel>{inner}</channel></rss>'.encode()


@pytest.mark.parametrize(
    "content",
    [
        feed("&lt;b" * 200_000),
        feed("&lt;script" * 100_000),
        feed(f"<![CDATA[{'<![' * 100_000}]]>"),
        feed("&amp;" * 200_000),
        feed("&j;", f'<!DOCTYPE l [<!ENTITY a "lol">{LAUGHS}]>'),
        feed("&a;" * 20_000, f'<!DOCTYPE l [<!ENTITY a "{"x" * 100_000}">]>'),
    ],
    ids=["open tags", "open scripts", "markup in markup", "entities", "laughs", "large entity"],
)
def test_a_hostile_feed_is_read_in_time_and_stays_small(content):
    began = time.perf_counter()
    assert len(str(read_feed(content, "http://feed", {}))) < 1_000_000
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    "entity", ['<!ENTITY a SYSTEM "file:///etc/passwd">', '<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;']
)
def test_external_entities_are_not_read(entity):
    assert "root:" not in str(read_feed(feed("x&a;", f"<!DOCTYPE l [{entity}]>"), "http://feed", {}))


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a <b>b</b></p> &amp; c", "a b & c"),
        ("a<script>if (x<y) alert('<b>')</script>b", "a b"),
        ("a<STYLE>x</STYLE >b", "a b"),
        ("a<script>never closed", "a"),
        ("1 < 2", "1 < 2"),
    ],
)
def test_markup_becomes_text(markup, text):
    assert plain(markup) == text


def item(content):
    return (
        f'<rss version="2.0"><channel><title>T</title><item><title>A</title>{content}</item></channel></rss>'.encode()
    )


@pytest.mark.parametrize("date", ["0000-00-00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "soon", ""])
def test_an_article_whose_date_is_none_has_none(date):
    [article] = read_feed(item(f"<pubDate>{date}</pubDate>"), "http://feed", {}).articles
    assert (article.title, article.published, article.published_datetime) == ("A", None, None)


@pytest.mark.parametrize("name", ["guid", "title", "link", "author", "description", "category"])
def test_half_a_character_does_not_keep_an_article_from_being_stored(name):
    [article] = read_feed(item(f"<{name}>a &#xD800; b</{name}>"), "http://feed", {}).articles
    assert json.dumps(article, ensure_ascii=False).encode()


@pytest.mark.parametrize("content", [b"", b" ", b"\xff\xfe", b"<html>"])
def test_what_is_no_feed_is_told(content):
    with pytest.raises(PermanentError, match="is not a feed"):
        read_feed(content, "http://feed", {})
