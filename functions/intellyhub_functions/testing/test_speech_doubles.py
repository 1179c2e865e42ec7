"""The doubles of speech services speak to the services' own clients as the services do."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from typing import Any

import pytest

from intellyhub_functions.testing.elevenlabs_api import ElevenLabsApi
from intellyhub_functions.testing.openai_audio import OpenAiAudio
from intellyhub_functions.testing.spoken import hear, make_segments, make_sound

SAID = "Good morning. How are you?"
VOICE = "21m00Tcm4TlvDq8ikWAM"


def test_a_sound_can_be_heard_again():
    assert hear(make_sound(SAID, "wav")) == SAID
    assert hear(b"RIFF of another origin") == "hello"
    assert [segment["text"] for segment in make_segments(SAID)] == [" Good morning.", " How are you?"]


@pytest.mark.slow
def test_openai_s_own_client_speaks_and_hears():
    openai = pytest.importorskip("openai")
    with OpenAiAudio() as server:
        with openai.OpenAI(api_key="sk-local", base_url=server.base_url, max_retries=0) as client:
            sound = client.audio.speech.create(model="tts-1", voice="alloy", input=SAID).content
            assert hear(sound) == SAID
            ask = client.audio.transcriptions.create
            file = ("said.mp3", sound)
            assert ask(file=file, model="whisper-1").text == SAID
            assert ask(file=file, model="whisper-1", response_format="text") == f"{SAID}\n"
            verbose = ask(file=file, model="whisper-1", response_format="verbose_json")
            assert (verbose.language, [each.text for each in verbose.segments]) == (
                "english",
                [" Good morning.", " How are you?"],
            )
            with pytest.raises(openai.BadRequestError, match="not compatible with model"):
                ask(file=file, model="gpt-4o-transcribe", response_format="srt")
            with pytest.raises(openai.BadRequestError, match="Invalid file format"):
                ask(file=("said.txt", sound), model="whisper-1")
        with (
            openai.OpenAI(api_key="sk-wrong", base_url=server.base_url, max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError, match="Incorrect API key"),
        ):
            stranger.audio.speech.create(model="tts-1", voice="alloy", input=SAID)


@pytest.mark.slow
def test_elevenlabs_own_client_speaks_hears_and_calls():
    pytest.importorskip("elevenlabs")
    import httpx
    from elevenlabs.client import ElevenLabs
    from elevenlabs.core.api_error import ApiError

    with ElevenLabsApi() as server, httpx.Client() as connections:
        client = ElevenLabs(api_key="xi-local", base_url=server.url, httpx_client=connections)
        sound = b"".join(client.text_to_speech.convert(VOICE, text=SAID, output_format="mp3_44100_128"))
        heard: Any = client.speech_to_text.convert(model_id="scribe_v2", file=("said.mp3", sound))
        assert (heard.text, heard.words[0].text, heard.words[1].type) == (SAID, "Good", "spacing")
        calls = client.conversational_ai.batch_calls
        people = [{"phone_number": "+39 011"}, {"phone_number": "+39 012"}]
        batch = calls.create(call_name="c", agent_id="a", agent_phone_number_id="p", recipients=people)
        assert (batch.status, batch.total_calls_scheduled) == ("pending", 2)
        assert [each.id for each in calls.list(limit=10).batch_calls] == [batch.id]
        assert [each.phone_number for each in calls.get(batch.id).recipients] == ["+39 011", "+39 012"]
        assert calls.cancel(batch.id).status == "cancelled"
        with pytest.raises(ApiError) as refused:
            list(client.text_to_speech.convert("nobody", text=SAID))
        assert refused.value.status_code == 404
        with pytest.raises(ApiError) as refused:
            calls.create(call_name="c", agent_id="a", recipients=[{}])
        assert refused.value.status_code == 422
