"""The text_to_speech state: services that are stood in for, and espeak-ng as it is."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import io
import threading
import wave
from importlib.util import find_spec
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_functions.states.text_to_speech.text_to_speech import perform
from intellyhub_functions.testing.elevenlabs_api import ElevenLabsApi
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.openai_audio import OpenAiAudio
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.spoken import hear
from intellyhub_functions.testing.surroundings import make_step

speaks = pytest.mark.skipif(not find_spec("espeakng_loader"), reason="the extra `speech` is not installed")
encodes = pytest.mark.skipif(not find_spec("soundfile"), reason="the extra `speech` is not installed")


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
def elevenlabs():
    with ElevenLabsApi() as server:
        yield server


@pytest.fixture
def openai():
    with OpenAiAudio() as server:
        yield server


def test_a_voice_of_elevenlabs_speaks_into_a_file_of_the_workspace(elevenlabs, step, tmp_path):
    parameters = {"api_key": "xi-local", "text": "Ciao Ada", "filename_prefix": "hi", "base_url": elevenlabs.url}
    outcome = perform(parameters | {"voice_settings": {"stability": 0.5}}, step)
    result = outcome.value
    assert hear((tmp_path / result.filepath).read_bytes()) == "Ciao Ada"
    assert result.filename.startswith("hi_")
    assert result.filename.endswith(".mp3")
    assert result == {
        "success": True,
        "filepath": f"workspace/{result.filename}",
        "filename": result.filename,
        "workspace_path": "workspace",
        "file_size": (tmp_path / result.filepath).stat().st_size,
        "format": "mp3",
        "voice_id": "21m00Tcm4TlvDq8ikWAM",
        "model_id": "eleven_monolingual_v1",
        "text_length": 8,
        "message": "Audio generated",
    }
    assert outcome.usage == {"characters": 8}
    (call,) = elevenlabs.calls
    assert call.path == "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM?output_format=mp3_44100_128"
    assert call.json() == {
        "text": "Ciao Ada",
        "model_id": "eleven_monolingual_v1",
        "voice_settings": {"stability": 0.5},
    }


def test_openai_speaks_as_it_is_told_to(openai, step, tmp_path):
    wishes = {"engine": "openai", "voice_id": "coral", "format": "opus", "speed": 1.5, "instructions": "cheerfully"}
    result = perform(
        wishes | {"text": "Good day", "api_key": "sk-local", "base_url": openai.base_url, "workspace_path": "a/b"}, step
    ).value
    assert hear((tmp_path / result.filepath).read_bytes()) == "Good day"
    assert (result.workspace_path, result.format, result.voice_id) == ("a/b", "opus", "coral")
    assert openai.calls[0].json() == {
        "model": "gpt-4o-mini-tts",
        "voice": "coral",
        "input": "Good day",
        "response_format": "opus",
        "speed": 1.5,
        "instructions": "cheerfully",
    }


def test_address_and_key_come_from_the_environment(elevenlabs, tmp_path):
    step = make_step(tmp_path, outer={"ELEVENLABS_API_KEY": "xi-local", "ELEVENLABS_BASE_URL": elevenlabs.url})
    assert perform({"text": "Hi"}, step).value.success


@pytest.mark.parametrize("engine", ["elevenlabs", "openai"])
def test_a_missing_key_is_named_before_anyone_is_asked(step, engine):
    with pytest.raises(PermanentError, match="api_key is missing; set it, or the variable"):
        perform({"engine": engine, "text": "Hi"}, step)
    with pytest.raises(PermanentError, match=r"api_key is \{MY_KEY\}, a variable that is not set"):
        perform({"engine": engine, "text": "Hi", "api_key": "{MY_KEY}"}, step)


def test_a_refusal_is_told_in_the_service_s_words_and_without_the_key(elevenlabs, step):
    with pytest.raises(PermanentError, match="ElevenLabs answered 401: Invalid API key") as failure:
        perform({"api_key": "wrong-key", "text": "Hi", "base_url": elevenlabs.url}, step)
    assert (result_of(failure).success, result_of(failure).status_code) == (False, 401)
    assert result_of(failure).text_length == 2
    elevenlabs.failures.append(Answer(status=400, body=b"the key xi-local is bad"))
    with pytest.raises(PermanentError, match=r"400: the key \*\*\* is bad"):
        perform({"api_key": "xi-local", "text": "Hi", "base_url": elevenlabs.url}, step)


def test_a_busy_service_may_be_asked_again_when_it_says(openai, step):
    openai.audio.failures.append(Answer(status=429, headers={"retry-after": "7"}))
    with pytest.raises(RetryableError) as failure:
        perform({"engine": "openai", "api_key": "sk-local", "text": "Hi", "base_url": openai.base_url}, step)
    assert (failure.value.retry_after_seconds, result_of(failure).status_code) == (7, 429)


def test_a_quota_that_is_used_up_is_not_asked_again(openai, step):
    spent = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    openai.audio.failures.append(Answer.of_json(spent, 429))
    with pytest.raises(PermanentError, match="exceeded your current quota"):
        perform({"engine": "openai", "api_key": "sk-local", "text": "Hi", "base_url": openai.base_url}, step)


def test_an_answer_that_is_too_large_is_refused(elevenlabs, step, tmp_path):
    elevenlabs.failures.append(Answer(body=b"x" * 5000))
    with pytest.raises(PermanentError, match="larger than 1000 bytes"):
        perform({"api_key": "xi-local", "text": "Hi", "base_url": elevenlabs.url, "max_bytes": 1000}, step)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "message"), [(" ", "text is empty"), ("x" * 100_001, "has 100001 characters")])
def test_nothing_and_too_much_are_not_spoken(step, text, message):
    with pytest.raises(PermanentError, match=message):
        perform({"engine": "espeak", "text": text}, step)


def test_files_stay_in_the_workspace(elevenlabs, step, tmp_path):
    parameters = {"api_key": "xi-local", "text": "Hi", "base_url": elevenlabs.url}
    with pytest.raises(PermanentError, match="outside the workspace"):
        perform(parameters | {"workspace_path": "../away"}, step)
    result = perform(parameters | {"filename_prefix": "../../etc/x"}, step).value
    assert (tmp_path / "workspace" / result.filename).exists()


def test_an_engine_that_is_none_is_named(step):
    with pytest.raises(PermanentError, match="engines are elevenlabs, openai, espeak"):
        perform({"engine": "parrot", "text": "Hi"}, step)


@speaks
def test_espeak_speaks_without_any_service(step, tmp_path):
    short = perform({"engine": "espeak", "text": "Good morning."}, step).value
    long = perform({"engine": "espeak", "text": "Buongiorno a tutti, e benvenuti.", "voice_id": "it"}, step).value
    with wave.open(str(tmp_path / long.filepath)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        assert 1 < file.getnframes() / 22050 < 5
        samples = file.readframes(file.getnframes())
    assert max(samples) > 0
    assert long.file_size > short.file_size
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]
    assert step.log.lines == []


@speaks
def test_marks_in_a_text_are_read_out_and_never_obeyed(step, tmp_path):
    plain = perform({"engine": "espeak", "text": "one two"}, step).value
    marked = perform({"engine": "espeak", "text": '<break time="9s"/> one [[t_]] two \0 x'}, step).value
    assert plain.file_size < marked.file_size < 12 * plain.file_size


@speaks
def test_a_faster_voice_takes_less_time(step):
    slow, fast = (perform({"engine": "espeak", "text": "one two three", "speed": speed}, step) for speed in (0.5, 2))
    assert fast.value.file_size < slow.value.file_size / 2


@speaks
@encodes
@pytest.mark.slow
@pytest.mark.parametrize(("extension", "begin"), [("mp3", b"\xff"), ("opus", b"OggS"), ("flac", b"fLaC")])
def test_what_espeak_says_can_be_kept_in_other_formats(step, tmp_path, extension, begin):
    import soundfile

    result = perform({"engine": "espeak", "text": "Good morning", "format": extension}, step).value
    content = (tmp_path / result.filepath).read_bytes()
    assert content.startswith(begin)
    assert 0.5 < soundfile.info(io.BytesIO(content)).duration < 3


@speaks
@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"voice_id": "xx-nowhere"}, "there is no voice 'xx-nowhere'"),
        ({"voice_id": "../../etc"}, "is no name of a voice"),
        ({"format": "midi"}, "cannot give 'midi'"),
        ({"max_bytes": 1000}, "larger than 1000 bytes"),
    ],
)
def test_what_espeak_cannot_do_is_said_in_a_sentence(step, wishes, message):
    with pytest.raises(PermanentError, match=message):
        perform({"engine": "espeak", "text": "Good morning"} | wishes, step)


@speaks
def test_a_long_speech_ends_with_the_step_s_time_and_with_its_cancellation(tmp_path, blocks):
    parameters = {"engine": "espeak", "text": "word " * 19_000, "speed": 0.25, "max_bytes": 2**28}
    with pytest.raises(StepTimedOut):
        perform(parameters, make_step(tmp_path, services={"blocks": blocks}, timeout_seconds=0.2))
    step = make_step(tmp_path, services={"blocks": blocks})
    threading.Timer(0.2, step.cancelled.set).start()
    with pytest.raises(StepCancelled):
        perform(parameters, step)
    assert list(tmp_path.iterdir()) == []


@speaks
def test_the_example_says_good_morning(tmp_path):
    result = run_example(Path(__file__).parent, tmp_path)
    with wave.open(str(tmp_path / result.variables["result"])) as file:
        assert file.getnframes() > 10_000
