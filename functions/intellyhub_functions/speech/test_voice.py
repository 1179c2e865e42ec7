"""Voice messages of listeners, written down."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.sources.telegram.telegram import listen
from intellyhub_functions.speech.voice import transcribe_voice
from intellyhub_functions.testing.openai_audio import OpenAiAudio
from intellyhub_functions.testing.spoken import make_sound
from intellyhub_functions.testing.surroundings import Listening, make_context, make_step
from intellyhub_functions.testing.telegram_api import TelegramApi


@pytest.fixture
def openai():
    with OpenAiAudio() as server:
        yield server


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "workspace" / "voice_1.oga"
    path.parent.mkdir()
    path.write_bytes(make_sound("see you at eight", "ogg"))
    return path


def test_a_voice_message_is_written_down_with_the_settings_at_hand(openai, voice, tmp_path):
    step = make_step(tmp_path, outer={"OPENAI_API_KEY": "sk-local", "OPENAI_BASE_URL": openai.base_url})
    assert transcribe_voice(voice, {"transcribe_voice": True}, step) == "see you at eight"
    assert b'filename="voice_1.oga"' in openai.calls[0].body


def test_the_listener_s_wishes_are_followed(openai, voice, tmp_path):
    wishes = {"api_key": "sk-local", "base_url": openai.base_url, "language": "it", "model": "gpt-4o-transcribe"}
    assert transcribe_voice(voice, {"transcription": wishes}, make_step(tmp_path)) == "see you at eight"
    assert b"gpt-4o-transcribe" in openai.calls[0].body


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({}, "api_key is missing"),
        ({"engine": "parrot"}, "engines are openai, elevenlabs, whisper"),
        ("it", "transcription must be an object"),
    ],
)
def test_what_is_missing_is_said(voice, tmp_path, wishes, message):
    with pytest.raises(PermanentError, match=message):
        transcribe_voice(voice, {"transcription": wishes}, make_step(tmp_path))


def test_a_voice_message_sent_to_a_bot_becomes_its_words(openai, tmp_path):
    with TelegramApi() as api:
        api.files["voice-1"] = make_sound("see you at eight", "ogg")
        api.write(voice={"file_id": "voice-1", "file_unique_id": "v1", "duration": 2, "mime_type": "audio/ogg"})
        parameters = {"bot_token": api.token, "api_url": api.url, "timeout": 1, "ignore_old_messages": False}
        parameters |= {"message_types": ["voice"], "transcribe_voice": True}
        parameters |= {"transcription": {"api_key": "sk-local", "base_url": openai.base_url}}
        context = make_context(tmp_path)
        with Listening(listen(parameters, context), context) as source:
            data = source.next().data
    assert (data["voice_transcription"], data["text"]) == ("see you at eight",) * 2
    assert (tmp_path / data["voice_file_path"]).exists()
