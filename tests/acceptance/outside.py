"""The world outside, on this machine: a server for every service that published flows name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from intellyhub_functions.testing.a2a_peers import make_agent
from intellyhub_functions.testing.elasticsearch_api import ElasticsearchApi
from intellyhub_functions.testing.elevenlabs_api import ElevenLabsApi
from intellyhub_functions.testing.facebook_api import GraphApi
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.google_sheets import SheetsApi
from intellyhub_functions.testing.linkedin_site import SearchSite
from intellyhub_functions.testing.mcp_peers import serve_app
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.neo4j_api import Neo4jApi
from intellyhub_functions.testing.openai_audio import AudioAnswers
from intellyhub_functions.testing.server import Answer, Call, LocalServer
from intellyhub_functions.testing.spoken import make_sound
from intellyhub_functions.testing.telegram_api import TelegramApi
from intellyhub_functions.testing.wechat_api import WeChatApi

__all__ = ["KEYS", "SAID", "TOKEN", "OpenAi", "World", "outside"]

TOKEN = "4242:local-bot"
KEYS = {"anthropic": "sk-test", "openai": "sk-test", "elevenlabs": "xi-test", "token": TOKEN}
"""What stands in a name -> the key that the service of that name takes here."""
BOOK = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms"
"""The spreadsheet that published flows name."""
SAID = "Good morning. How are you?"
THOUGHTS = {
    "analista di sentiment": "negativo",
    "estrattore di numeri": "+39 011 555",
    "You plan Python programs": '{"steps": [{"title": "Write it", "description": "all of it", "components": ["f"],'
    ' "dependencies": []}]}',
    "You write Python programs": "```python\ndef f(a, b):\n    return a + b\n```",
    "You write tests with pytest": "```python\nfrom main import f\n\n\ndef test_f():\n    assert f(1, 2) == 3\n```",
}
"""What stands in a question -> the answer; all others are answered with their own last text."""


class OpenAi(ModelServer):
    """OpenAI, language and audio; and Anthropic."""

    def __init__(self) -> None:
        super().__init__(key=KEYS["openai"])
        self.audio = AudioAnswers(KEYS["openai"])

    def answer(self, call: Call) -> Answer:
        return self.audio.answer(call) if call.path.startswith("/v1/audio/") else super().answer(call)

    def _next(self, texts: list[str]) -> Turn:
        question = "\n".join(texts)
        found = [answer for words, answer in THOUGHTS.items() if words in question]
        return Turn(text=found[0]) if found else super()._next(texts)


class Recordings(LocalServer):
    """A web site of nothing but recordings."""

    def answer(self, call: Call) -> Answer:
        return Answer(headers={"content-type": "audio/mpeg"}, body=make_sound(SAID))


@dataclass(frozen=True, kw_only=True)
class World:
    """The servers that a test looks at, and what flows are told of all of them."""

    telegram: TelegramApi
    feeds: FeedServer
    elevenlabs: ElevenLabsApi
    openai: OpenAi
    facebook: GraphApi
    wechat: WeChatApi
    names: Mapping[str, Any]
    """What an operator configures: addresses and keys."""
    addresses: Mapping[str, str]
    """An address that stands in a published flow -> what stands for it here."""


class Agent:
    """An agent of the official SDK, who takes every task. Its card says where it was found."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            host, port = scope["server"]
            self._app = self._app or make_agent(lambda text, data: "done", f"http://{host}:{port}")
            await self._app(scope, receive, send)


@contextmanager
def agent() -> Iterator[str]:
    """The agent's address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, about itself
        with serve_app(Agent()) as url:
            yield url


@contextmanager
def outside() -> Iterator[World]:
    """The world, while the context lasts."""
    with ExitStack() as stack:
        telegram = stack.enter_context(TelegramApi(TOKEN))
        feeds = stack.enter_context(FeedServer())
        feeds.publish(Article(title="What AI does", link="https://example.org/ai", published=datetime.now(UTC)))
        elevenlabs = stack.enter_context(ElevenLabsApi(KEYS["elevenlabs"]))
        openai = stack.enter_context(OpenAi())
        facebook = stack.enter_context(GraphApi())
        wechat = stack.enter_context(WeChatApi())
        recordings = stack.enter_context(Recordings())
        search = stack.enter_context(SearchSite())
        sheets = stack.enter_context(SheetsApi())
        users = [["Nome", "Email", "Data"], ["Ada", "ada@example.org", "2025-01-01"]]
        sheets.spreadsheets[BOOK] = {"Sheet1": [list(row) for row in users], "Utenti": users}
        neo4j = stack.enter_context(Neo4jApi())
        neo4j.rows = (["person"], [["Ada"]])
        names = {
            "A2A_URL": stack.enter_context(agent()),
            "ANTHROPIC_BASE_URL": openai.base_url,
            "CUSTOM_API_BASE_URL": recordings.url,
            "CUSTOM_API_KEY": "custom",
            "ELASTICSEARCH_URL": stack.enter_context(ElasticsearchApi()).url,
            "ELEVENLABS_API_KEY": KEYS["elevenlabs"],
            "ELEVENLABS_AGENT_ID": "agent",
            "ELEVENLABS_AGENT_PHONE_ID": "phone",
            "ELEVENLABS_BASE_URL": elevenlabs.url,
            "FACEBOOK_BASE_URL": facebook.url,
            "GOOGLE_SERVICE_ACCOUNT_KEY": sheets.account_key,
            "GOOGLE_SHEETS_BASE_URL": sheets.url,
            "LINKEDIN_SEARCH_URL": f"{search.url}/search",
            "NEO4J_HTTP_URL": neo4j.url,
            "NEO4J_PASSWORD": "verysecret",
            "NEO4J_USERNAME": "neo4j",
            "OPENAI_API_KEY": KEYS["openai"],
            "OPENAI_BASE_URL": openai.base_url,
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_CHAT_ID": "7",
            "WECHAT_AGENT_ID": "1000002",
            "WECHAT_BASE_URL": wechat.url,
            "WECHAT_CORP_ID": "corp",
            "WECHAT_CORP_SECRET": "secret",
            "WECHAT_USER_ID": "ada",
        }
        yield World(
            telegram=telegram,
            feeds=feeds,
            elevenlabs=elevenlabs,
            openai=openai,
            facebook=facebook,
            wechat=wechat,
            names=names,
            addresses={
                "https://feeds.example.com/news.xml": f"{feeds.url}/feed.xml",
                "https://example.com/podcast.mp3": f"{recordings.url}/podcast.mp3",
            },
        )
