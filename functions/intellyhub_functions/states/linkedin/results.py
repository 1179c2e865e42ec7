"""LinkedIn pages among the results of a search, whether it answers with a page or with JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from intellyhub_functions.network.exchange import Response

__all__ = ["Found", "read_results"]

PATHS = {"people": re.compile(r"/in/([^/?#]+)"), "companies": re.compile(r"/company/([^/?#]+)")}
WRAPPERS = ("uddg", "q", "url", "u")
"""Query parameters in which search engines hide the address they lead to."""
LISTS = (("results",), ("items",), ("web", "results"), ("organic",), ("data",))
"""Where services keep their results: SearXNG, Google, Brave, Serper, others."""
ADDRESSES, TITLES, TEXTS = ("url", "link", "href"), ("title", "name"), ("content", "snippet", "description")
TAIL = re.compile(r"\s*\|\s*LinkedIn\b.*$|\s*[·•\u2013-]\s*LinkedIn(?: \w+)?$", re.IGNORECASE)
BETWEEN = re.compile(r"\s+[-\u2013\u2014|·]\s+")
MAX_NAME = 100
MAX_TEXT = 500
MAX_ANCHORS = 5000

Found = dict[str, str]


def read_results(response: Response, kind: str, source: str) -> list[Found]:
    """The pages of people or companies, each once, in the order found."""
    found: dict[str, Found] = {}
    for address, title, text in read_links(response):
        page = page_of(address, response.url, kind)
        if page is not None and page not in found and title.strip():
            found[page] = make_result(page, title, text, source)
    return list(found.values())


def read_links(response: Response) -> Iterator[tuple[str, str, str]]:
    """Address, title and text of each result."""
    text = response.body.decode("utf-8", "replace")
    if "json" in response.headers.get("content-type", "").lower():
        yield from read_json(text)
        return
    anchors = Anchors()
    anchors.feed(text)
    anchors.close()
    for address, title in anchors.found:
        yield address, title, ""


def read_json(text: str) -> Iterator[tuple[str, str, str]]:
    """The results of a service that answers in JSON."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    for path in LISTS:
        rows = told
        for name in path:
            rows = rows.get(name) if isinstance(rows, Mapping) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, Mapping):
                yield pick(row, ADDRESSES), pick(row, TITLES), pick(row, TEXTS)


def pick(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((row[name] for name in names if isinstance(row.get(name), str)), "")


def page_of(address: str, base: str, kind: str) -> str | None:
    """The LinkedIn page that an address leads to, in one spelling; None for any other."""
    try:
        parts = urlsplit(urljoin(base, address))
        wrapped = parse_qs(parts.query, max_num_fields=100)
    except ValueError:
        return None
    found = page_at(parts.hostname or "", parts.path, kind)
    for name in WRAPPERS if found is None else ():
        for value in wrapped.get(name, ()):
            try:
                inner = urlsplit(value)
            except ValueError:
                continue
            found = found or page_at(inner.hostname or "", inner.path, kind)
    return found


def page_at(host: str, path: str, kind: str) -> str | None:
    match = PATHS[kind].match(path)
    if match is None or not (host == "linkedin.com" or host.endswith(".linkedin.com")):
        return None
    return f"https://www.linkedin.com/{path.split('/')[1]}/{unquote(match[1])}"


def make_result(page: str, title: str, text: str, source: str) -> Found:
    """A result as the published plugin gives it; what the title does not say is `N/A`."""
    plain = " ".join(TAIL.sub("", " ".join(title.split())).split())
    name, *rest = BETWEEN.split(plain, maxsplit=1)
    where = re.search(r"(?:Location|Località|Luogo)\s*:\s*([^·|\n.]{2,80})", text)
    told = {
        "name": (name or plain)[:MAX_NAME],
        "profile_url": page,
        "title": rest[0][:MAX_TEXT] if rest else "N/A",
        "location": where[1].strip() if where else "N/A",
        "source": source,
    }
    return told | ({"summary": " ".join(text.split())[:MAX_TEXT]} if text.strip() else {})


class Anchors(HTMLParser):
    """Collects address and text of every link."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._address: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and len(self.found) < MAX_ANCHORS:
            self._end()
            self._address = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end()

    def handle_data(self, data: str) -> None:
        if self._address is not None:
            self._text.append(data)

    def close(self) -> None:
        super().close()
        self._end()

    def _end(self) -> None:
        if self._address is not None:
            self.found.append((self._address, " ".join("".join(self._text).split())))
        self._address, self._text = None, []
