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


def test_a_pressed_button_comes_when_asked_for(api, tmp_path):
    with watch(api, tmp_path, message_types="text, callback_query", ignore_old_messages=False) as source:
        number = api.press("publish", chat_id=7, message_id=12)
        event = source.next()
    assert (event.id, event.subject, event.time) == (str(number), "7", None)
    wanted = {"message_type": "callback_query", "callback_data": "publish", "text": "publish", "message_id": "12"}
    wanted |= {"callback_query_id": f"q{number}", "chat_id": "7", "user_first_name": "Ada"}
    assert {name: event.data[name] for name in wanted} == wanted


def test_a_pressed_button_that_nobody_asked_for_is_not_even_sent(api, tmp_path):
    with watch(api, tmp_path, ignore_old_messages=False) as source:
        api.press("publish")
        api.write("hello")
        assert source.next().data["text"] == "hello"
    assert b'"allowed_updates": ["message"]' in api.calls[-1].body


FILES = {
    "photo": [{"file_id": "small", "width": 1}, {"file_id": "f1", "file_unique_id": "u1", "width": 90, "height": 60}],
    "document": {"file_id": "f1", "file_unique_id": "u1", "file_name": "../../etc/x", "mime_type": "text/plain"},
    "audio": {"file_id": "f1", "file_unique_id": "u1", "duration": 9, "file_name": "song.mp3"},
    "video": {"file_id": "f1", "file_unique_id": "../u1", "duration": 4},
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_told_of_and_saved_under_a_name_that_the_sender_did_not_choose(api, tmp_path, kind):
    api.files["f1"] = b"content"
    api.write(caption="look", **{kind: FILES[kind]})
    with watch(api, tmp_path, message_types=["all"], ignore_old_messages=False, download_files=True) as source:
        data = source.next().data
    assert (data["message_type"], data["text"], data["caption"], data["file_id"]) == (kind, "look", "look", "f1")
    assert Path(data["file_path"]).parts[0] == "workspace"
    assert (tmp_path / data["file_path"]).read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "workspace").iterdir()] == [Path(data["file_path"]).name]
    assert kind != "document" or data["file_name"] == "../../etc/x"


def test_a_file_that_cannot_be_saved_is_logged_and_its_event_comes_all_the_same(api, tmp_path):
    api.write(document={"file_id": "gone", "file_unique_id": "u"})
    with watch(api, tmp_path, message_types="all", ignore_old_messages=False, download_files=True) as source:
        data = source.next().data
    assert (data["file_id"], data.get("file_path")) == ("gone", None)
    assert "could not be saved" in source.context.log.text()


def test_a_voice_message_s_text_is_what_it_says(api, tmp_path, monkeypatch):
    heard = []

    def transcribe(path, parameters, step):
        heard.append((path.read_bytes(), parameters["transcription"]))
        return "good morning"

    monkeypatch.setattr("intellyhub_functions.speech.voice.transcribe_voice", transcribe)
    api.files["v1"] = b"OggS"
    api.write(voice={"file_id": "v1", "file_unique_id": "u1", "duration": 3})
    settings = {"message_types": ["voice"], "transcribe_voice": True, "transcription": {"engine": "whisper"}}
    with watch(api, tmp_path, ignore_old_messages=False, **settings) as source:
        data = source.next().data
    assert [data[name] for name in ("voice_transcription", "text", "message")] == ["good morning"] * 3
    assert heard == [(b"OggS", {"engine": "whisper"})]


def test_a_voice_message_that_cannot_be_transcribed_comes_without_its_words(api, tmp_path, monkeypatch):
    def refuse(path, parameters, step):
        raise PermanentError("no key")

    monkeypatch.setattr("intellyhub_functions.speech.voice.transcribe_voice", refuse)
    api.files["v1"] = b"OggS"
    api.write(voice={"file_id": "v1", "file_unique_id": "u1"})
    with watch(api, tmp_path, message_types=["voice"], ignore_old_messages=False, transcribe_voice=True) as source:
        data = source.next().data
    assert (data["voice_transcription"], data["text"]) == ("", "")
    assert "could not be transcribed: no key" in source.context.log.text()


def test_places_and_contacts_have_their_fields(api, tmp_path):
    api.write(location={"latitude": 45.07, "longitude": 7.69})
    api.write(contact={"phone_number": "+39011", "first_name": "Ben"})
    with watch(api, tmp_path, message_types="all", ignore_old_messages=False) as source:
        place, contact = source.next().data, source.next().data
    assert (place["message_type"], place["latitude"], place["longitude"]) == ("location", "45.07", "7.69")
    assert (contact["contact_phone_number"], contact["contact_first_name"]) == ("+39011", "Ben")
