"""OpenAI's audio API: speaks, and hears what it has spoken. It refuses what OpenAI refuses.

https://platform.openai.com/docs/api-reference/audio. `AudioAnswers` is for doubles that answer other calls, too.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from intellyhub_functions.testing.forms import read_arguments
from intellyhub_functions.testing.server import Answer, Call, LocalServer
from intellyhub_functions.testing.spoken import hear, make_segments, make_sound

__all__ = ["AudioAnswers", "OpenAiAudio"]

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse")
SPOKEN = ("mp3", "opus", "aac", "flac", "wav", "pcm")
HEARD = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
MAX_CHARACTERS = 4096
MAX_BYTES = 25 * 1024 * 1024


class AudioAnswers:
    """What is answered at `/v1/audio/…` to whom has the key."""

    def __init__(self, key: str = "sk-local") -> None:
        self.key = key
        self.failures: list[Answer] = []
        """Given to the next calls instead, first one first."""

    def answer(self, call: Call) -> Answer:
        if self.failures:
            return self.failures.pop(0)
        if call.headers.get("authorization") != f"Bearer {self.key}":
            return refuse(401, "Incorrect API key provided.", "invalid_api_key")
        if (call.method, call.path) == ("POST", "/v1/audio/speech"):
            return speak(call.json())
        if (call.method, call.path) == ("POST", "/v1/audio/transcriptions"):
            return transcribe(call)
        return refuse(404, f"Invalid URL ({call.method} {call.path})", None)


class OpenAiAudio(LocalServer):
    """A server of nothing but audio."""

    def __init__(self, key: str = "sk-local", host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.audio = AudioAnswers(key)

    @property
    def base_url(self) -> str:
        """As the SDK takes it."""
        return f"{self.url}/v1"

    def answer(self, call: Call) -> Answer:
        return self.audio.answer(call)


def speak(wishes: dict[str, Any]) -> Answer:
    text, extension = wishes.get("input"), wishes.get("response_format", "mp3")
    if not wishes.get("model") or not text:
        return refuse(400, "you must provide model and input parameters", "missing_required_parameter")
    if len(text) > MAX_CHARACTERS:
        return refuse(400, f"input: String should have at most {MAX_CHARACTERS} characters", "string_too_long")
    if wishes.get("voice") not in VOICES:
        return refuse(400, f"voice: Input should be one of {', '.join(VOICES)}", "invalid_value")
    if extension not in SPOKEN:
        return refuse(400, f"response_format: Input should be one of {', '.join(SPOKEN)}", "invalid_value")
    return Answer(headers={"content-type": f"audio/{extension}"}, body=make_sound(text, extension))


def transcribe(call: Call) -> Answer:
    wishes, files = read_arguments(call)
    file, model, wanted = files.get("file"), wishes.get("model"), wishes.get("response_format", "json")
    if not model or file is None:
        return refuse(400, "you must provide a model and a file", "missing_required_parameter")
    if len(file.content) > MAX_BYTES:
        return refuse(413, f"Maximum content size limit ({MAX_BYTES}) exceeded", None)
    if PurePosixPath(file.name).suffix[1:].lower() not in HEARD:
        return refuse(400, f"Invalid file format. Supported formats: {list(HEARD)}", "invalid_value")
    if wanted not in (FORMATS if model == "whisper-1" else ("json", "text")):
        return refuse(400, f"response_format '{wanted}' is not compatible with model '{model}'.", "unsupported_value")
    text = hear(file.content)
    if wanted == "text":
        return Answer(headers={"content-type": "text/plain"}, body=f"{text}\n".encode())
    if wanted == "json":
        return Answer.of_json({"text": text})
    segments = make_segments(text)
    duration = segments[-1]["end"] if segments else 0.0
    language = {"it": "italian"}.get(wishes.get("language", "en"), "english")
    return Answer.of_json(
        {"task": "transcribe", "language": language, "duration": duration, "text": text, "segments": segments}
    )


def refuse(status: int, message: str, code: str | None) -> Answer:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Answer.of_json({"error": error}, status)
