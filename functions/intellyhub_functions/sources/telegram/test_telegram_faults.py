"""The telegram source when things go wrong: nothing lost, nothing doubled, health tells the truth."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from typing import Any
from urllib.parse import urlsplit

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import Health, MemoryCursors
from intellyhub_functions.sources.telegram import telegram
from intellyhub_functions.sources.telegram.telegram import listen
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context
from intellyhub_functions.testing.telegram_api import TelegramApi


@pytest.fixture
def api():
    with TelegramApi() as server:
        yield server


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What takes seconds out there takes tenths of one here."""
    monkeypatch.setattr(telegram, "CALL_SECONDS", 0.3)
    monkeypatch.setattr("random.uniform", lambda least, most: 0.05)


class Watched(Listening):
    """A source, and the health that it told."""

    def __init__(self, events, context, told):
        super().__init__(events, context)
        self.told = told


def watch(api, tmp_path, url=None, cursors=None, **parameters):
    told: list[Health] = []
    context = make_context(tmp_path, cursors=cursors or MemoryCursors(), log=Log(), report=told.append)
    given = {"bot_token": api.token, "api_url": url or api.url, "timeout": 0, "polling_interval": 0.01}
    return Watched(listen({**given, "ignore_old_messages": False, **parameters}, context), context, told)


def through(api):
    parts = urlsplit(api.url)
    return Proxy((parts.hostname, parts.port))


def test_a_server_that_goes_and_comes_back_costs_no_message(api, tmp_path):
    with through(api) as proxy, watch(api, tmp_path, proxy.url) as source:
        api.write("one")
        assert source.next().data["text"] == "one"
        with proxy.gone():
            await_that(lambda: not source.told[-1].connected)
            assert "Telegram's getUpdates" in source.told[-1].message
            assert source.told[-1].next_attempt_seconds is not None
            api.write("two")
        assert source.next().data["text"] == "two"
        await_that(lambda: source.told[-1].connected)


def test_a_connection_that_has_gone_silent_is_found_by_the_time_limit(api, tmp_path):
    with through(api) as proxy, watch(api, tmp_path, proxy.url) as source:
        api.write("one")
        assert source.next().data["text"] == "one"
        proxy.freeze()
        await_that(lambda: not source.told[-1].connected)
        assert "did not answer within" in source.told[-1].message
        api.write("two")
        proxy.thaw()
        assert source.next().data["text"] == "two"


def test_an_event_that_was_not_asked_beyond_comes_again_after_a_restart_with_the_same_id(api, tmp_path):
    cursors, numbers = MemoryCursors(), [api.write(text) for text in "abc"]
    with watch(api, tmp_path, cursors=cursors) as source:
        first = source.next()  # the thread asks for more at once, so the next ones are on their way too
    seen = {first.id}
    with watch(api, tmp_path, cursors=cursors) as source:
        api.write("d")
        while (event := source.next()).data["text"] != "d":
            seen.add(event.id)
    assert seen <= {str(number) for number in numbers}
    assert str(numbers[0]) in seen


def test_each_event_is_kept_once_over_restarts_in_the_middle_of_a_batch(api, tmp_path):
    cursors = MemoryCursors()
    kept: dict[str, str] = {}
    numbers = [api.write(str(number)) for number in range(10)]
    while len(kept) < 10:
        context = make_context(tmp_path, cursors=cursors)
        given = {"bot_token": api.token, "api_url": api.url, "timeout": 0, "ignore_old_messages": False}
        events: Any = listen(given, context)
        for taken, event in enumerate(events):
            assert event.id not in kept or taken == 0, "only what was not asked beyond may come again"
            kept[event.id] = event.data["text"]
            if taken == 2:
                events.close()  # a kill: the last one is safe, and the source does not know it
                break
            if len(kept) == 10:
                break
    assert kept == {str(number): str(index) for index, number in enumerate(numbers)}


@pytest.mark.parametrize(
    "update",
    [
        {"message": None},
        {"message": {"text": "no chat"}},
        {"message": {"chat": 5, "text": "x"}},
        {"message": {"chat": {"id": 1}, "from": "me", "text": "x"}},
        {"callback_query": {"data": "x"}},
        {"callback_query": "x"},
        {"poll": {"id": "1"}},
        {"message": {"chat": {"id": 1}, "date": "yesterday", "photo": [], "voice": 3, "location": 7, "contact": []}},
        {"message": {"chat": {"id": 1}, "date": 10**30, "text": {"a": [1]}}},
    ],
)
def test_a_malformed_update_does_not_stop_the_ones_behind_it(api, tmp_path, update):
    number = api.give(update)
    api.write("behind")
    with watch(api, tmp_path, message_types="all", download_files=True) as source:
        events = [source.next()]
        if events[0].id == str(number):  # odd, but read
            events.append(source.next())
        assert events[-1].data["text"] == "behind"
        assert source.told[-1].connected


@pytest.mark.parametrize("answer", [b'{"ok": true, "result": 5}', b'{"ok": true, "result": [{}]}', b"<html>", b"[]"])
def test_an_answer_that_is_none_is_a_failure_that_passes(api, tmp_path, answer):
    original = api.answer
    broken = [Answer(body=answer, status=502 if answer == b"<html>" or answer == b"[]" else 200)]
    api.answer = lambda call: broken.pop() if broken else original(call)
    api.write("behind")
    with watch(api, tmp_path) as source:
        assert source.next().data["text"] == "behind"
        assert [health.connected for health in source.told[:2]] == [False, True]


def test_a_token_that_is_taken_back_ends_the_listener(api, tmp_path):
    with watch(api, tmp_path) as source:
        api.write("one")
        source.next()
        api.token = "4242:another"
        with pytest.raises(PermanentError, match="the bot token is wrong"):
            source.next()


def test_a_bot_that_another_process_asks_for_is_waited_for(api, tmp_path):
    original = api.answer
    conflict = b'{"ok": false, "error_code": 409, "description": "Conflict: terminated by other getUpdates request"}'
    broken = [Answer(body=conflict, status=409)]
    api.answer = lambda call: broken.pop() if broken else original(call)
    api.write("one")
    with watch(api, tmp_path) as source:
        assert source.next().data["text"] == "one"
        assert "terminated by other" in source.told[0].message


def test_a_webhook_that_takes_the_updates_is_taken_away(api, tmp_path):
    api.webhook = {"url": "https://example.org/hook"}
    api.write("one")
    with watch(api, tmp_path) as source:
        assert source.next().data["text"] == "one"
        assert "webhook" in source.context.log.text()
    assert api.webhook == {}
