"""The rss source against a feed server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.journal.cursors import FileCursors
from intellyhub_engine.machine.source import Health, MemoryCursors
from intellyhub_functions.sources.rss import rss
from intellyhub_functions.sources.rss.rss import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context


@pytest.fixture
def server():
    with FeedServer() as feeds:
        feeds.publish(Article(title="old", link="https://e.org/old"))
        yield feeds


def watch(server, tmp_path, **parameters):
    cursors = parameters.pop("cursors", None) or MemoryCursors()
    context = make_context(tmp_path, cursors=cursors)
    return Listening(
        listen({"feeds": f"{server.url}/feed.xml", "check_interval": 0.02, **parameters}, context), context
    )


def wait_for_calls(server, count):
    await_that(lambda: len(server.calls) >= count)


def test_what_is_there_at_first_contact_makes_no_event(server, tmp_path):
    with watch(server, tmp_path) as source:
        wait_for_calls(server, 2)
        server.publish(
            Article(title="new", link="https://e.org/new", description="<i>text</i>", author="Ada", tags=("a",))
        )
        event = source.next()
    assert (event.data["title"], event.data["summary"], event.data["feed_title"]) == ("new", "text", "Local Radar")
    assert (event.type, event.source, event.subject) == (
        "io.intellyhub.rss.article",
        "/flows/flow/listener",
        "https://e.org/new",
    )


def test_existing_articles_come_oldest_first_when_asked_for(server, tmp_path):
    server.publish(Article(title="newer", link="https://e.org/newer"))
    with watch(server, tmp_path, emit_existing=True) as source:
        assert [source.next().data["title"] for _ in range(2)] == ["old", "newer"]


def test_a_restart_neither_repeats_nor_skips(server, tmp_path):
    cursors = FileCursors(tmp_path / "cursors")
    with watch(server, tmp_path, cursors=cursors, emit_existing=True) as source:
        source.next()
        wait_for_calls(server, 2)  # the source asked for more, so the first event is known as safe
    server.publish(Article(title="while away", link="https://e.org/away"))
    with watch(server, tmp_path, cursors=FileCursors(tmp_path / "cursors"), emit_existing=True) as source:
        assert source.next().data["title"] == "while away"


def test_an_event_that_was_not_safe_comes_again_with_its_id(server, tmp_path):
    cursors = MemoryCursors()
    context = make_context(tmp_path, cursors=cursors)
    parameters = {"feeds": f"{server.url}/feed.xml", "emit_existing": True}
    events = listen(parameters, context)
    first = next(events)
    del events  # the consumer died with the event in hand
    assert next(listen(parameters, context)).id == first.id


def test_more_new_articles_than_are_looked_at_come_with_the_next_look(server, tmp_path):
    with watch(server, tmp_path, max_entries=2) as source:
        wait_for_calls(server, 1)
        await_that(lambda: source.context.cursors.get(f"rss {server.url}/feed.xml"))
        with server.held():
            for number in range(5):
                server.publish(Article(title=str(number), link=f"https://e.org/{number}"))
        assert [source.next().data["title"] for _ in range(5)] == ["0", "1", "2", "3", "4"]


def test_of_a_feed_longer_than_what_is_remembered_only_news_come(server, tmp_path, monkeypatch):
    monkeypatch.setattr(rss, "MAX_SEEN", 3)
    for number in range(5):
        server.publish(Article(title=str(number), link=f"https://e.org/{number}"))
    with watch(server, tmp_path, max_entries=2) as source:
        await_that(lambda: source.context.cursors.get(f"rss {server.url}/feed.xml"))
        for title in ("new", "newer"):
            server.publish(Article(title=title, link=f"https://e.org/{title}"))
            assert source.next().data["title"] == title


def test_an_unchanged_feed_is_not_sent_again(server, tmp_path):
    with watch(server, tmp_path):
        wait_for_calls(server, 3)
    assert server.calls[2].headers["if-none-match"].startswith('"')


def test_a_failing_feed_is_told_and_asked_more_seldom_while_others_go_on(server, tmp_path):
    health: list[Health] = []
    log = Log()
    context = make_context(tmp_path, log=log, report=health.append)
    server.failures += [500]
    parameters = {"feeds": [f"{server.url}/feed.xml", f"{server.url}/none.xml"], "check_interval": 0.02}
    with Listening(listen(parameters, context), context) as source:
        await_that(lambda: any(state.connected for state in health))
        server.publish(Article(title="new", link="https://e.org/new"))
        assert source.next().data["title"] == "new"
    assert "answered 500; failure 1 in a row" in log.text()
    assert "none.xml answered 404" in log.text()
    assert not health[0].connected
    assert "none.xml answered 404" in health[-1].message


def test_a_listener_without_feeds_is_refused(tmp_path):
    with pytest.raises(PermanentError, match="needs feeds"):
        next(listen({}, make_context(tmp_path)))


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert "{" not in (tmp_path / "seen.txt").read_text()
