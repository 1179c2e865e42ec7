"""The doubles refuse what the services they stand for refuse."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from datetime import UTC, datetime

import pytest
import urllib3

from intellyhub_functions.feeds.feed import read_feed
from intellyhub_functions.testing.feeds import Article, FeedServer, make_rss
from intellyhub_functions.testing.marks import fault_in_marks
from intellyhub_functions.testing.telegram_api import TelegramApi


@pytest.mark.parametrize(
    ("text", "mode", "fault"),
    [
        ("<b>x</b> <a href='y'>z</a> a & b", "HTML", None),
        ("<b>x", "HTML", "Can't find end tag corresponding to start tag b"),
        ("<div>x</div>", "HTML", 'Unsupported start tag "div"'),
        ("<b><i>x</b></i>", "HTML", "Unmatched end tag b"),
        ("*x* _y_", "Markdown", None),
        ("a_b", "Markdown", "Can't find end of the entity starting at byte offset 1"),
        ("*x", None, None),
    ],
)
def test_marks_are_read_as_telegram_reads_them(text, mode, fault):
    assert fault_in_marks(text, mode) == fault


def call(api, method, **arguments):
    with urllib3.PoolManager() as pool:
        return pool.request("POST", f"{api.url}/bot{api.token}/{method}", json=arguments, retries=False).json()


def test_updates_are_given_until_they_are_confirmed():
    with TelegramApi() as api:
        first, second = api.write("a"), api.write("b")
        assert [update["update_id"] for update in call(api, "getUpdates")["result"]] == [first, second]
        assert [update["update_id"] for update in call(api, "getUpdates", offset=second)["result"]] == [second]
        assert [update["update_id"] for update in call(api, "getUpdates")["result"]] == [second]
        assert call(api, "getUpdates", offset=second + 1)["result"] == []
        assert api.write("c") > second


def test_a_message_is_kept_and_told():
    told: list[object] = []
    with TelegramApi(on_message=told.append) as api:
        assert call(api, "sendMessage", chat_id=1, text="x")["result"]["message_id"] == 1
        assert call(api, "sendMessage", chat_id=1, text="")["error_code"] == 400
        assert call(api, "sendMessage", chat_id=1, text="x" * 4097)["description"].endswith("too long")
    assert told == api.sent == [{"message_id": 1, "chat_id": 1, "text": "x"}]


def test_a_feed_reads_back_what_was_published():
    article = Article(
        title="A < B & C",
        link="https://e.org/1",
        description="<b>x</b>",
        author="Ada",
        published=datetime(2025, 1, 2, tzinfo=UTC),
        tags=("t",),
    )
    found = read_feed(make_rss("T", [article], "D"), "http://x", {}).articles[0]
    assert (found.title, found.author, found.description, found.tags) == ("A < B & C", "Ada", "x", ["t"])
    assert found.published_datetime == article.published


def test_an_unchanged_feed_answers_that_it_is():
    with FeedServer() as server, urllib3.PoolManager() as pool:
        server.publish(Article(title="a", link="https://e.org/a"))
        etag = pool.request("GET", f"{server.url}/feed.xml").headers["etag"]
        assert pool.request("GET", f"{server.url}/feed.xml", headers={"if-none-match": etag}).status == 304
        server.publish(Article(title="b", link="https://e.org/b"))
        assert pool.request("GET", f"{server.url}/feed.xml", headers={"if-none-match": etag}).status == 200
