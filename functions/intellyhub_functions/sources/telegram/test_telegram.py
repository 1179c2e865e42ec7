"""The telegram source against a Bot API server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.sources.telegram.telegram import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context
from intellyhub_functions.testing.telegram_api import TelegramApi


@pytest.fixture
def api():
    with TelegramApi() as server:
        yield server


def watch(api, tmp_path, cursors=None, **parameters):
    context = make_context(tmp_path, cursors=cursors, log=Log())
    given = {"bot_token": api.token, "api_url": api.url, "timeout": 1, "polling_interval": 0, **parameters}
    return Listening(listen(given, context), context)


def wait_for_poll(api):
    await_that(lambda: any(b'"timeout": 1' in call.body for call in api.calls))


def test_a_message_is_an_event_with_texts_for_fields(api, tmp_path):
    with watch(api, tmp_path) as source:
        wait_for_poll(api)
        number = api.write("hello", chat_id=77)
        event = source.next()
    assert (event.id, event.type, event.subject) == (str(number), "io.intellyhub.telegram.message", "77")
    assert {name: event.data[name] for name in ("text", "message", "chat_id", "user_first_name", "message_type")} == {
        "text": "hello",
        "message": "hello",
        "chat_id": "77",
        "user_first_name": "Ada",
        "message_type": "text",
    }


def test_messages_from_before_the_first_contact_are_skipped(api, tmp_path):
    api.write("old")
    with watch(api, tmp_path) as source:
        wait_for_poll(api)
        api.write("new")
        assert source.next().data["text"] == "new"


def test_messages_from_before_the_first_contact_come_when_asked_for(api, tmp_path):
    api.write("old")
    with watch(api, tmp_path, ignore_old_messages=False) as source:
        assert source.next().data["text"] == "old"


def test_a_message_that_came_while_nobody_listened_is_not_lost(api, tmp_path):
    cursors = MemoryCursors()
    with watch(api, tmp_path, cursors=cursors) as source:
        wait_for_poll(api)
        api.write("first")
        source.next()
    api.write("second")
    with watch(api, tmp_path, cursors=cursors) as source:
        assert source.next().data["text"] in ("first", "second")


def test_only_accepted_chats_and_kinds_come(api, tmp_path):
    with watch(api, tmp_path, allowed_chat_ids=["7"], ignore_old_messages=False) as source:
        api.write("from elsewhere", chat_id=8)
        api.write(chat_id=7, photo=[{"file_id": "p"}])
        api.write("mine", chat_id=7)
        assert source.next().data["text"] == "mine"


def test_a_voice_message_is_saved_when_asked_for(api, tmp_path):
    api.files["v1"] = b"OggS"
    api.write(voice={"file_id": "v1", "file_unique_id": "u1", "duration": 3, "mime_type": "audio/ogg", "file_size": 4})
    with watch(api, tmp_path, message_types=["voice"], ignore_old_messages=False, download_voice=True) as source:
        data = source.next().data
    assert (data["voice_file_path"], data["voice_duration"]) == ("workspace/voice_u1.ogg", "3")
    assert (tmp_path / data["voice_file_path"]).read_bytes() == b"OggS"


def test_a_wrong_token_ends_the_listener_without_being_shown(api, tmp_path):
    refused = pytest.raises(PermanentError, match="the bot token is wrong")
    with watch(api, tmp_path, bot_token="1:SECRET") as source, refused as failure:
        source.next()
    assert "SECRET" not in str(failure.value)


def test_a_long_poll_is_left_at_once_when_the_source_has_to_end(api, tmp_path):
    with watch(api, tmp_path, timeout=50):
        await_that(lambda: len(api.calls) >= 2)


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert "{" not in (tmp_path / "seen.txt").read_text()
