"""The speech engines, in two tables."""

from __future__ import annotations

from collections.abc import Iterable

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.speech import elevenlabs, espeak, openai_audio, whisper
from intellyhub_functions.speech.sounds import Speak, Transcribe

__all__ = ["speaker", "transcriber"]

SPEAKERS: dict[str, Speak] = {
    "elevenlabs": elevenlabs.speak,
    "openai": openai_audio.speak,
    "espeak": espeak.speak,
}
TRANSCRIBERS: dict[str, Transcribe] = {
    "openai": openai_audio.transcribe,
    "elevenlabs": elevenlabs.transcribe,
    "whisper": whisper.transcribe,
}


def speaker(name: str) -> Speak:
    """The engine that speaks; raises PermanentError for a name that is none."""
    if name not in SPEAKERS:
        raise unknown(name, SPEAKERS)
    return SPEAKERS[name]


def transcriber(name: str) -> Transcribe:
    """The engine that writes down; raises PermanentError for a name that is none."""
    if name not in TRANSCRIBERS:
        raise unknown(name, TRANSCRIBERS)
    return TRANSCRIBERS[name]


def unknown(name: str, engines: Iterable[str]) -> PermanentError:
    return PermanentError(f"there is no engine {name!r}; engines are {', '.join(engines)}")
