"""Reads the bytes of a feed (RSS, RDF, Atom) into records; `feedparser` is used here and nowhere else."""

from __future__ import annotations

import calendar
import hashlib
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import Record

__all__ = ["ACCEPT", "read_feed"]

NUMBERED = re.compile(rb"&#(?:[xX]([0-9a-fA-F]{1,12})|([0-9]{1,12}));")
TAG = re.compile(r"<(/?\w*)[^<>]*>")
ACCEPT = "application/rss+xml, application/atom+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.1"


def read_feed(content: bytes, url: str, headers: Mapping[str, str]) -> Record:
    """`{title, description, link, articles}`, the articles in the feed's order. Raises PermanentError for no feed."""
    try:
        parsed = parse(content, url, headers)
        if not parsed.entries and not parsed.get("version"):
            raise PermanentError(f"{url} is not a feed: {parsed.get('bozo_exception') or 'it is another document'}")
        return make_feed(parsed, url)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as fault:
        # what a hostile document has made, or may make, of the library
        raise PermanentError(f"{url} is not a feed that can be read: {type(fault).__name__}") from fault


def parse(content: bytes, url: str, headers: Mapping[str, str]) -> Any:
    """What the library makes of a document."""
    import feedparser

    return feedparser.parse(
        NUMBERED.sub(as_character, content),
        response_headers={"content-location": url, "content-type": headers.get("content-type", "")},
        resolve_relative_uris=False,  # in markup, which `plain` removes; as is what sanitizing would remove, and
        sanitize_html=False,  # its parser takes time that grows with the square of `<![<![<![`
    )


def as_character(reference: re.Match[bytes]) -> bytes:
    """The reference, unless it names no character (`&#xD800;`): one of those would cost the whole feed."""
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return b"?" if number > sys.maxunicode or 0xD800 <= number < 0xE000 else reference[0]


def make_feed(parsed: Any, url: str) -> Record:
    """The feed's own texts and its articles."""
    title = plain(parsed.feed.get("title", ""))
    articles = [make_article(entry, title, url) for entry in parsed.entries]
    return Record(
        title=title,
        description=plain(parsed.feed.get("subtitle", "")),
        link=sound(parsed.feed.get("link", "")),
        language=sound(parsed.feed.get("language", "")),
        articles=articles,
    )


def make_article(entry: Any, feed_title: str, feed_url: str) -> Record:
    """One article; texts without markup, times in UTC."""
    published = published_at(entry)
    description = entry.get("summary") or next((part.value for part in entry.get("content", []) if part.value), "")
    return Record(
        id=make_id(entry, feed_url),
        title=plain(entry.get("title", "")),
        link=sound(entry.get("link", "")),
        description=plain(description),
        author=sound(entry.get("author", "")),
        published=published.isoformat() if published else None,
        published_datetime=published,
        tags=[sound(tag.term) for tag in entry.get("tags", []) if tag.get("term")],
        feed_title=feed_title,
        feed_url=feed_url,
    )


def make_id(entry: Any, feed_url: str) -> str:
    """The same for one article for ever: from its own id, else its address, else its words."""
    own = entry.get("id") or entry.get("link") or f"{entry.get('title', '')}\n{entry.get('summary', '')}"
    return hashlib.md5(sound(f"{feed_url}\n{own}").encode(), usedforsecurity=False).hexdigest()


def published_at(entry: Any) -> datetime | None:
    """When it appeared, else when it was changed; feedparser gives both in UTC. None for a moment that no calendar has,
    such as `0000-00-00`."""
    moment = entry.get("published_parsed") or ("updated_parsed" in entry and entry["updated_parsed"])
    try:
        return datetime.fromtimestamp(calendar.timegm(moment), UTC) if moment else None
    except (ValueError, OverflowError, OSError):
        return None


def sound(text: Any) -> str:
    """A text that can be stored: without halves of characters (`&#xD800;`)."""
    return str(text).encode("utf-8", "replace").decode()


def plain(markup: str) -> str:
    """A text without tags, scripts and styles, entities resolved, white space collapsed; in one pass."""
    kept, position, hidden = [], 0, ""
    for tag in TAG.finditer(markup):
        if not hidden:
            kept.append(markup[position : tag.start()])
        position, name = tag.end(), tag[1].lower()
        if hidden:
            hidden = "" if name == f"/{hidden}" else hidden
        elif name in ("script", "style"):
            hidden = name
    if not hidden:
        kept.append(markup[position:])
    return sound(re.sub(r"\s+", " ", unescape(" ".join(kept))).strip())
