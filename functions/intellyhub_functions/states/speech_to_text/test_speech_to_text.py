"""The speech_to_text state: services that are stood in for, and whisper.cpp as it is."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.errors import PermanentError, RetryableError, StepTimedOut
from intellyhub_functions.settings import settings
from intellyhub_functions.speech.espeak import speak
from intellyhub_functions.states.speech_to_text.speech_to_text import perform
from intellyhub_functions.testing.elevenlabs_api import ElevenLabsApi
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.openai_audio import OpenAiAudio
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.spoken import make_sound
from intellyhub_functions.testing.surroundings import Log, make_step
from intellyhub_functions.testing.whisper_model import write_model

listens = pytest.mark.skipif(
    not all(map(find_spec, ("pywhispercpp", "soundfile", "espeakng_loader"))),
    reason="the extra `speech` is not installed",
)
SAID = "Good morning. How are you?"


class Files(LocalServer):
    """Gives `answer` to everyone."""

    given = Answer(status=404)

    def answer(self, call):
        return self.given


def result_of(failure):
    """What the failed step leaves in its output."""
    return failure.value.result


@pytest.fixture(scope="module")
def blocks():
    with Blocks() as service:
        yield service


@pytest.fixture
def step(tmp_path, blocks):
    return make_step(tmp_path, services={"blocks": blocks})


@pytest.fixture
def openai():
    with OpenAiAudio() as server:
        yield server


@pytest.fixture
def files():
    with Files() as server:
        yield server


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "workspace" / "said.mp3"
    path.parent.mkdir()
    path.write_bytes(make_sound(SAID))
    return path


@pytest.fixture
def parameters(openai):
    return {"api_key": "sk-local", "base_url": openai.base_url, "audio_file": "workspace/said.mp3"}


def test_a_recording_is_written_down_with_the_published_fields(parameters, step, recording):
    outcome = perform(parameters, step)
    result = outcome.value
    assert str(result) == SAID
    assert result.pop("processing_time") >= 0
    assert result == {
        "success": True,
        "text": SAID,
        "word_count": 5,
        "model_used": "whisper-1",
        "file_info": {
            "filename": "said.mp3",
            "file_size": recording.stat().st_size,
            "format": "mp3",
            "size_mb": 0.0,
        },
        "parameters": {"language": "auto-detect", "response_format": "json", "temperature": 0},
    }


def test_wishes_reach_the_service(parameters, openai, step, recording):
    wishes = {"language": "it", "prompt": "IntellyHub", "temperature": 0.1, "response_format": "verbose_json"}
    outcome = perform(parameters | wishes, step)
    result = outcome.value
    assert (result.language, result.duration) == ("italian", len(SAID.replace(". ", ".")) * 0.0625)
    assert [segment["text"] for segment in result.segments] == [" Good morning.", " How are you?"]
    assert outcome.usage == {"audio_seconds": result.duration}
    body = openai.calls[0].body
    for name, value in (("language", "it"), ("prompt", "IntellyHub"), ("temperature", "0.1"), ("model", "whisper-1")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body


def test_opus_is_sent_under_a_name_that_openai_knows(parameters, openai, step, recording):
    recording.rename(recording.with_suffix(".opus"))
    assert perform(parameters | {"audio_file": "said.opus"}, step).value.file_info["format"] == "opus"
    assert b'filename="said.opus.ogg"' in openai.calls[0].body


def test_subtitles_are_srt_or_vtt(parameters, step, recording):
    srt = perform(parameters | {"response_format": "srt"}, step).value
    assert srt.subtitles == (
        "1\n00:00:00,000 --> 00:00:00,812\nGood morning.\n\n2\n00:00:00,812 --> 00:00:01,562\nHow are you?\n"
    )
    assert (srt.format, srt.text) == ("srt", SAID)
    vtt = perform(parameters | {"response_format": "vtt"}, step).value
    assert vtt.subtitles.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.812\nGood morning.\n\n")


def test_a_name_alone_is_looked_for_in_the_folder(parameters, step, recording):
    assert perform(parameters | {"audio_file": "said.mp3"}, step).value.success
    assert perform(parameters | {"audio_file": "said.mp3", "workspace_path": "workspace"}, step).value.success


def test_elevenlabs_writes_down_with_times(step, recording):
    with ElevenLabsApi() as server:
        wishes = {"engine": "elevenlabs", "api_key": "xi-local", "base_url": server.url, "response_format": "srt"}
        result = perform({"audio_file": "said.mp3"} | wishes, step).value
    assert (result.text, result.model_used) == (SAID, "scribe_v2")
    assert result.subtitles == (
        "1\n00:00:00,000 --> 00:00:00,900\nGood morning.\n\n2\n00:00:01,000 --> 00:00:02,400\nHow are you?\n"
    )


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/pod/said.MP3?token=secret", "application/octet-stream", "said.MP3"),
        ("/voice", "audio/ogg; codecs=opus", "voice.ogg"),
        ("/", "audio/mpeg", "recording.mp3"),
    ],
)
def test_a_recording_is_fetched_from_an_address(parameters, files, step, path, kind, name):
    files.given = Answer(headers={"content-type": kind}, body=make_sound(SAID))
    result = perform(parameters | {"audio_file": f"{files.url}{path}"}, step).value
    assert (result.text, result.file_info["filename"]) == (SAID, name)
    assert "authorization" not in files.calls[0].headers


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(status=404), PermanentError, r"/said\.mp3 answered 404$"),
        (Answer(status=503), RetryableError, r"/said\.mp3 answered 503$"),
        (Answer(body=b"x" * 3000), PermanentError, r"said\.mp3 is too large \(File troppo grande"),
        (Answer(), PermanentError, r"said\.mp3 is empty"),
    ],
)
def test_an_address_that_gives_no_recording_is_told_of_without_its_query(
    parameters, files, step, answer, kind, message
):
    files.given = answer
    with pytest.raises(kind, match=message) as failure:
        perform(parameters | {"audio_file": f"{files.url}/said.mp3?token=secret", "max_bytes": 2000}, step)
    assert "secret" not in str(failure.value)
    assert result_of(failure).success is False


def test_inner_addresses_are_refused_where_only_the_public_internet_is_allowed(parameters, files, step, monkeypatch):
    monkeypatch.setenv("INTELLYHUB_NETWORK", "public")
    settings.cache_clear()
    try:
        with pytest.raises(PermanentError, match="may not connect to"):
            perform(parameters | {"audio_file": f"{files.url}/said.mp3"}, step)
    finally:
        settings.cache_clear()
    assert files.calls == []


def test_a_file_that_is_too_large_is_named_as_published_flows_expect(parameters, step, recording):
    recording.write_bytes(b"x" * 3 * 1024 * 1024)
    with pytest.raises(PermanentError) as failure:
        perform(parameters | {"max_bytes": 1024 * 1024}, step)
    assert "File troppo grande: 3.0 MB, limit 1 MB" in result_of(failure).get("error", "")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "audio_file is empty"),
        ("gone.mp3", "gone.mp3: no such file"),
        ("/etc/passwd", "outside the workspace"),
        ("workspace", "workspace: is a directory"),
        ("notes.txt", "no ending of a known format"),
        ("pipe.mp3", "no regular file"),
    ],
)
def test_what_is_no_recording_is_refused(parameters, openai, step, recording, tmp_path, written, message):
    (tmp_path / "notes.txt").write_text("x")
    os.mkfifo(tmp_path / "pipe.mp3")
    with pytest.raises(PermanentError, match=message):
        perform(parameters | {"audio_file": written}, step)
    assert openai.calls == []


def test_a_refusal_is_told_in_the_service_s_words(parameters, step, recording):
    with pytest.raises(PermanentError, match="not compatible with model 'gpt-4o-transcribe'") as failure:
        perform(parameters | {"model": "gpt-4o-transcribe", "response_format": "srt"}, step)
    assert result_of(failure).status_code == 400
    with pytest.raises(PermanentError, match="answered 401: Incorrect API key") as failure:
        perform(parameters | {"api_key": "sk-wrong"}, step)
    assert "sk-wrong" not in str(failure.value)


def test_a_server_of_one_s_own_needs_no_key(openai, step, recording):
    with pytest.raises(PermanentError, match="the OpenAI-compatible server answered 401"):
        perform({"audio_file": "said.mp3", "base_url": openai.base_url}, step)
    assert "authorization" not in openai.calls[0].headers


def test_an_answer_of_another_kind_is_refused(parameters, openai, step, recording):
    openai.audio.failures += [Answer(body=b"<html>"), Answer.of_json([1])]
    for _ in range(2):
        with pytest.raises(PermanentError, match="not the JSON object it should be"):
            perform(parameters, step)


@listens
def test_whisper_needs_a_model_that_is_one(step, recording, tmp_path):
    wishes = {"engine": "whisper", "audio_file": "said.mp3"}
    with pytest.raises(PermanentError, match="model is missing; whisper needs"):
        perform(wishes, step)
    with pytest.raises(PermanentError, match=r"there is no model models/none\.bin"):
        perform(wishes | {"model": "models/none.bin"}, step)
    with pytest.raises(PermanentError, match="outside the workspace"):
        perform(wishes | {"model": "/etc/hostname"}, step)
    (tmp_path / "text.bin").write_text("no model at all")
    with pytest.raises(PermanentError, match=r"text\.bin is no model of whisper\.cpp"):
        perform(wishes | {"model": "text.bin"}, step)
    (tmp_path / "cut.bin").write_bytes(b"lmgg" + bytes(100))
    with pytest.raises(PermanentError, match="whisper"):
        perform(wishes | {"model": "cut.bin"}, step)


@listens
@pytest.mark.slow
def test_whisper_hears_what_espeak_has_spoken(tmp_path, blocks):
    """The real synthesiser, the real recogniser, through a compressed file; the model knows one sentence only."""
    write_model(tmp_path / "model.bin", "good morning to all", "en")
    log = Log()
    step = make_step(tmp_path, {"WHISPER_MODEL": "model.bin"}, log=log, services={"blocks": blocks})
    sound = speak("Good morning to all.", {"format": "opus"}, step)
    (tmp_path / "said.ogg").write_bytes(sound.content)
    outcome = perform({"engine": "whisper", "audio_file": "said.ogg", "response_format": "verbose_json"}, step)
    result = outcome.value
    assert (result.text, result.language, result.model_used) == ("good morning to all", "en", "model.bin")
    assert 1 < result.duration < 3
    assert result.segments[0]["end"] <= result.duration
    assert outcome.usage == {"audio_seconds": result.duration}
    assert log.lines == []
    with pytest.raises(PermanentError, match="there is no language 'xx'"):
        perform({"engine": "whisper", "audio_file": "said.ogg", "language": "xx"}, step)
    (tmp_path / "noise.ogg").write_bytes(b"OggS" + os.urandom(5000))
    with pytest.raises(PermanentError, match="the recording cannot be read"):
        perform({"engine": "whisper", "audio_file": "noise.ogg"}, step)
    hurried = make_step(tmp_path, {"WHISPER_MODEL": "model.bin"}, services={"blocks": blocks}, timeout_seconds=0.1)
    with pytest.raises(StepTimedOut):
        perform({"engine": "whisper", "audio_file": "said.ogg"}, hurried)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".speech")] == []


@listens
@pytest.mark.slow
@pytest.mark.skipif(
    "INTELLYHUB_TEST_WHISPER_MODEL" not in os.environ,
    reason="INTELLYHUB_TEST_WHISPER_MODEL names no trained model of whisper.cpp",
)
def test_a_trained_model_understands_espeak(tmp_path, blocks):
    shutil.copy(os.environ["INTELLYHUB_TEST_WHISPER_MODEL"], tmp_path / "model.bin")
    step = make_step(tmp_path, services={"blocks": blocks})
    (tmp_path / "said.wav").write_bytes(speak("The weather is very nice today.", {"speed": 0.8}, step).content)
    result = perform(
        {"engine": "whisper", "audio_file": "said.wav", "model": "model.bin", "language": "en"}, step
    ).value
    assert "weather" in result.text.lower()


def test_the_example_writes_subtitles(openai, recording, tmp_path):
    recording.rename(recording.with_name("meeting.mp3"))
    names = {"OPENAI_API_KEY": "sk-local", "OPENAI_BASE_URL": openai.base_url}
    run_example(Path(__file__).parent, tmp_path, names=names)
    assert (tmp_path / "meeting.srt").read_text().startswith("1\n00:00:00,000 --> ")
