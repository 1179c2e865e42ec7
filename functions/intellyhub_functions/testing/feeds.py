"""A server of RSS feeds: articles are added while it runs, unchanged feeds answer 304."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree

from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["Article", "FeedServer", "make_rss"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """One item of a feed."""

    title: str
    link: str
    description: str = ""
    author: str = ""
    published: datetime | None = None
    """With a time zone; None leaves the date out."""
    tags: tuple[str, ...] = ()


def make_rss(title: str, articles: list[Article], description: str = "", link: str = "https://example.org/") -> bytes:
    """An RSS 2.0 document, the articles in the order given."""
    root = ElementTree.Element("rss", {"version": "2.0", "xmlns:dc": "http://purl.org/dc/elements/1.1/"})
    channel = ElementTree.SubElement(root, "channel")
    for name, text in (("title", title), ("link", link), ("description", description)):
        ElementTree.SubElement(channel, name).text = text
    for article in articles:
        item = ElementTree.SubElement(channel, "item")
        fields = [("title", article.title), ("link", article.link), ("guid", article.link)]
        fields += [("description", article.description), ("dc:creator", article.author)]
        fields += [("category", tag) for tag in article.tags]
        if article.published:
            fields.append(("pubDate", format_datetime(article.published.astimezone(UTC), usegmt=True)))
        for name, text in fields:
            if text:
                ElementTree.SubElement(item, name).text = text
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


class FeedServer(LocalServer):
    """Serves `documents`, path -> bytes; `publish` puts an article on top of one it makes itself."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.documents: dict[str, bytes] = {}
        self.failures: list[int] = []
        """Statuses that the next requests are answered, first one first."""
        self._articles: dict[str, list[Article]] = {}
        self._lock = threading.Lock()
        self._held = False

    def publish(self, article: Article, path: str = "/feed.xml", title: str = "Local Radar") -> None:
        """Add an article at the top of the feed."""
        with self._lock:
            articles = self._articles.setdefault(path, [])
            articles.insert(0, article)
            self.documents[path] = make_rss(title, articles, "News from this machine")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Answer 304 while the context lasts, so that several changes appear at once."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def answer(self, call: Call) -> Answer:
        if self._held:
            return Answer(status=304)
        if self.failures:
            return Answer(status=self.failures.pop(0))
        document = self.documents.get(call.path.partition("?")[0])
        if document is None:
            return Answer(status=404)
        etag = f'"{hashlib.sha256(document).hexdigest()[:16]}"'
        headers = {"etag": etag, "content-type": "application/rss+xml; charset=utf-8"}
        if call.headers.get("if-none-match") == etag:
            return Answer(status=304, headers=headers)
        return Answer(headers=headers, body=document)
