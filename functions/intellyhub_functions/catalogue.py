"""Every state type and source of this package, in two tables (types known by name only: `published`).

To add one, add its folder and its row here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from intellyhub_engine.catalogue.load import Row, Table, combine, make_catalogue
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.catalogue.names import fold
from intellyhub_functions.published import PUBLISHED, make_published

if TYPE_CHECKING:
    from intellyhub_engine.language.values.values import ValueRecord

__all__ = ["CATALOGUE"]

HERE = Path(__file__).parent


def state(folder: str, perform: str | None, *aliases: str) -> Row:
    """A row for `states/<folder>`, performed by `module:function` in it; None: known by name, not installed."""
    code = perform and f"{__package__}.states.{folder}.{perform}"
    return Row(HERE / "states" / folder / "manifest.json", aliases, code)


def source(folder: str, listen: str | None, *aliases: str, examine: str | None = None) -> Row:
    """A row for `sources/<folder>`; None: its events can be run, listening is not installed. `examine`, a
    `module:function` too, finds the faults that its manifest cannot name."""
    place = f"{__package__}.sources.{folder}"
    code, more = listen and f"{place}.{listen}", examine and f"{place}.{examine}"
    return Row(HERE / "sources" / folder / "manifest.json", aliases, code, more)


STATES = {
    "command": state("command", "command:perform", "shell"),
    "file": state("file", "file:perform"),
    "http": state("http", "http:perform"),
    "rss_reader": state("rss_reader", "rss_reader:perform", "rss"),
    "telegram-bot": state("telegram_bot", "telegram_bot:perform", "telegram"),
}

SOURCES = {
    "a2a": source("a2a", None),
    "directory": source("directory", "directory:listen", "pollingdirectory", examine="faults:examine"),
    "email": source("email", None),
    "event": source("event", "event:listen", "cloudevent", "broker", examine="filters:examine"),
    "mcp": source("mcp", None),
    "mqtt": source("mqtt", None),
    "rss": source("rss", "rss:listen"),
    "schedule": source("schedule", "schedule:listen", "cron", "timer", examine="times:examine"),
    "telegram": source("telegram", "telegram:listen"),
    "webhook": source("webhook", "webhook:listen", examine="faults:examine"),
}


def load_feed_result() -> type[ValueRecord]:
    from intellyhub_functions.feeds.result import RSSFeedResult

    return RSSFeedResult


VALUES = {"rss_feed": load_feed_result}

CATALOGUE = combine(
    make_catalogue(STATES, SOURCES),
    Catalogue(states=Table(PUBLISHED, make_published, fold), values=VALUES),
)
