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
    from intellyhub_engine.machine.hook import OpenHook

__all__ = ["CATALOGUE"]

HERE = Path(__file__).parent


def state(folder: str, perform: str, *aliases: str, examine: str | None = None) -> Row:
    """A row for `states/<folder>`, performed by `module:function` in it; `examine`, such a function too, finds the
    faults that its manifest cannot name."""
    place = f"{__package__}.states.{folder}"
    manifest = HERE / "states" / folder / "manifest.json"
    return Row(manifest, aliases, f"{place}.{perform}", examine=examine and f"{place}.{examine}")


def source(
    folder: str,
    listen: str | None,
    *aliases: str,
    examine: str | None = None,
    hook: str | None = None,
    complete: str | None = None,
    brought: bool = False,
) -> Row:
    """A row for `sources/<folder>`; None: its events can be run, listening is not installed. `module:function` too:
    `examine` finds the faults that its manifest cannot name, `hook` reads the requests that make its events, `complete`
    fetches what these only name. Nobody listens on a platform to one that is `brought`."""

    def place(function: str | None) -> str | None:
        return function and f"{__package__}.sources.{folder}.{function}"

    return Row(
        HERE / "sources" / folder / "manifest.json",
        aliases,
        place(listen),
        examine=place(examine),
        hook=place(hook),
        complete=place(complete),
        brought=brought,
    )


STATES = {
    "a2a": state("a2a", "a2a:perform", "a2a-send", examine="faults:examine"),
    "command": state("command", "command:perform", "shell"),
    "elevenlabs_batch_calling": state(
        "elevenlabs_batch_calling", "elevenlabs_batch_calling:perform", "elevenlabs-batch-calling"
    ),
    "elasticsearch_search": state(
        "elasticsearch_search", "elasticsearch_search:perform", "elasticsearch", "opensearch"
    ),
    "email": state("email", "email:perform", "mail", "smtp", "send_email"),
    "facebook": state("facebook", "facebook:perform"),
    "file": state("file", "file:perform"),
    "google_sheets": state("google_sheets", "google_sheets:perform", "google-sheets"),
    "http": state("http", "http:perform"),
    "llm_agent": state(
        "llm_agent", "llm_agent:perform", "llm", "llm-agent", "llm_agent_lite", examine="faults:examine"
    ),
    "mcp": state("mcp", "mcp:perform", examine="faults:examine"),
    "linkedin": state("linkedin", "linkedin:perform"),
    "python_code_generator": state("python_code_generator", "python_code_generator:perform", "python-code-generator"),
    "mcp_neo4j": state("mcp_neo4j", "mcp_neo4j:perform", "mcp-neo4j", "neo4j", "test_neo4j", "test-neo4j"),
    "python": state("python", "python:perform", "python_function", "script"),
    "rss_reader": state("rss_reader", "rss_reader:perform", "rss"),
    "speech_to_text": state("speech_to_text", "speech_to_text:perform", "speech-to-text"),
    "sql": state("sql", "sql:perform", "database", "sql_query"),
    "telegram-bot": state("telegram_bot", "telegram_bot:perform", "telegram"),
    "text_to_speech": state("text_to_speech", "text_to_speech:perform", "text-to-speech"),
    "wechat": state("wechat", "wechat:perform", "wechat_work", "wecom"),
}

SOURCES = {
    "a2a": source("a2a", "a2a:listen", examine="hook:examine", hook="hook:open_hook", brought=True),
    "directory": source("directory", "directory:listen", "pollingdirectory", examine="faults:examine"),
    "email": source("email", "email:listen", examine="filters:examine"),
    "event": source("event", "event:listen", "cloudevent", "broker", examine="filters:examine", brought=True),
    "mcp": source("mcp", "mcp:listen", examine="hook:examine", hook="hook:open_hook", brought=True),
    "mqtt": source("mqtt", "mqtt:listen", examine="topics:examine"),
    "postgres": source("postgres", "postgres:listen", "postgresql", examine="faults:examine"),
    "rss": source("rss", "rss:listen"),
    "s3": source("s3", "s3:listen", examine="faults:examine"),
    "schedule": source("schedule", "schedule:listen", "cron", "timer", examine="times:examine"),
    "sqs": source("sqs", "sqs:listen", examine="faults:examine"),
    "telegram": source("telegram", "telegram:listen", hook="hook:open_hook", complete="completion:complete_sent"),
    "webhook": source("webhook", "webhook:listen", examine="faults:examine", hook="hook:open_hook", brought=True),
}


def load_feed_result() -> type[ValueRecord]:
    from intellyhub_functions.feeds.result import RSSFeedResult

    return RSSFeedResult


def load_mcp_of_tenant() -> OpenHook:
    from intellyhub_functions.sources.mcp.hook import open_tenant_hook

    return open_tenant_hook


HOOKS = {"mcp": load_mcp_of_tenant}
"""What is answered for all flows of a tenant, at `/<name>/<tenant>`."""

VALUES = {"rss_feed": load_feed_result}

CATALOGUE = combine(
    make_catalogue(STATES, SOURCES),
    Catalogue(
        states=Table(PUBLISHED, make_published, fold),
        values=VALUES,
        hooks=HOOKS,
        beside=f"{__package__}.plugins.beside:catalogue_beside",
    ),
)
