"""The result of reading a feed: a record with the methods that published flows call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from intellyhub_engine.language.values.values import Record, ValueRecord

__all__ = ["RSSFeedResult"]


class RSSFeedResult(ValueRecord):
    """Its length, its numbered items and its iteration are those of `articles`; everything else is a record."""

    __slots__ = ()

    value_type: ClassVar[str] = "rss_feed"
    exposed: ClassVar[frozenset[str]] = frozenset(
        ("get_articles_by_author", "get_articles_since", "get_articles_with_tag", "search_articles", "to_dict")
    )

    def __len__(self) -> int:
        return len(self.articles)

    def __bool__(self) -> bool:
        return bool(self.articles)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.articles)

    def __getitem__(self, key: Any) -> Any:
        return self.articles[key] if isinstance(key, int | slice) else dict.__getitem__(self, key)

    def __str__(self) -> str:
        return f"{self.feed_title}: {len(self.articles)} articles"

    def search_articles(self, keyword: str) -> list[Record]:
        """The articles with this text in title or description, whatever its case."""
        wanted = str(keyword).casefold()
        return [
            article
            for article in self.articles
            if wanted in article.title.casefold() or wanted in article.description.casefold()
        ]

    def get_articles_by_author(self, author: str) -> list[Record]:
        """The articles whose author's name has this text in it."""
        wanted = str(author).casefold()
        return [article for article in self.articles if wanted in (article.author or "").casefold()]

    def get_articles_with_tag(self, tag: str) -> list[Record]:
        """The articles with this tag."""
        wanted = str(tag).casefold()
        return [article for article in self.articles if wanted in map(str.casefold, article.tags)]

    def get_articles_since(self, since: datetime) -> list[Record]:
        """The dated articles from this time on; a time without zone is UTC."""
        aware = since if since.tzinfo else since.replace(tzinfo=UTC)
        return [
            article
            for article in self.articles
            if article.published_datetime is not None and article.published_datetime >= aware
        ]

    def to_dict(self) -> dict[str, Any]:
        """A plain dict; times as ISO text."""
        entries = dict(self.items())
        entries["articles"] = [
            {name: value for name, value in article.items() if name != "published_datetime"}
            for article in self.articles
        ]
        return entries
