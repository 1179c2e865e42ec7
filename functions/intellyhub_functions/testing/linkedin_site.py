"""A search engine that knows some LinkedIn pages, and says in its robots.txt what programs may read.

It answers at `/search` with a page, or with JSON where `format=json` is asked, as SearXNG does; `/closed` is forbidden.
"""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["SearchSite"]

ROBOTS = "User-agent: *\nDisallow: /closed\nDisallow: /*?*secret=\n\nUser-agent: OtherBot\nDisallow: /\n"
PEOPLE = (
    ("https://it.linkedin.com/in/ada-rossi?trk=x", "Ada Rossi - Software Engineer - TechCorp | LinkedIn"),
    ("https://www.linkedin.com/in/ada-rossi", "Ada Rossi | LinkedIn"),
    ("https://www.linkedin.com/in/ben-b%C3%A9", "Ben Bé \u2013 UX Designer \u2013 LinkedIn Italia"),
    ("https://evil.example/in/eve", "Eve - notlinkedin.com"),
    ("https://www.linkedin.com/company/techcorp", "TechCorp | LinkedIn"),
    ("https://linkedin.com.evil.example/in/mallory", "Mallory | LinkedIn"),
    ("https://www.linkedin.com/company/innovate/about", "Innovate Srl: panoramica | LinkedIn"),
)


class SearchSite(LocalServer):
    """Knows `pages`: (address, title)."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.pages: list[tuple[str, str]] = list(PEOPLE)
        self.robots: Answer = Answer(body=ROBOTS.encode(), headers={"content-type": "text/plain"})
        self.failures: list[Answer] = []
        """Given instead to the next searches, first one first."""

    @property
    def queries(self) -> list[str]:
        """What was searched, in order."""
        return [dict(parse_qsl(urlsplit(call.path).query)).get("q", "") for call in self.searches]

    @property
    def searches(self) -> list[Call]:
        """Every call but those of robots.txt."""
        return [call for call in self.calls if call.path != "/robots.txt"]

    def answer(self, call: Call) -> Answer:
        parts = urlsplit(call.path)
        if parts.path == "/robots.txt":
            return self.robots
        if self.failures:
            return self.failures.pop(0)
        if dict(parse_qsl(parts.query)).get("format") == "json":
            return Answer.of_json({"results": [make_row(*page) for page in self.pages]})
        return Answer(body=self._page().encode(), headers={"content-type": "text/html; charset=utf-8"})

    def _page(self) -> str:
        """Addresses as they are, and hidden in the site's own, as Google and DuckDuckGo do in turn."""
        links = []
        for number, (address, title) in enumerate(self.pages):
            hidden = (address, f"/url?q={quote(address)}&sa=U", f"//duckduckgo.com/l/?uddg={quote(address)}")[
                number % 3
            ]
            links.append(f'<div><a href="{html.escape(hidden)}"><h3>{html.escape(title)}</h3></a><p>text</p></div>')
        return f"<html><body><a href='/about'>About<br></a>{''.join(links)}<a href='/next'>unclosed</body></html>"


def make_row(address: str, title: str) -> dict[str, Any]:
    return {"url": address, "title": title, "content": "Location: Milano, Italia · 500+ connections"}
