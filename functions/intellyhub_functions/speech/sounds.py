"""What speech engines take and give: a recording, a transcript of it, a spoken text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.step import Step

__all__ = ["MEDIA_TYPES", "Recording", "Sound", "Speak", "Transcribe", "Transcript", "extension_of"]

MEDIA_TYPES = {
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "audio/mpeg",
    "mpga": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}
"""File name endings of recordings that engines read, with their types."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording to be written down, whole in memory."""

    filename: str
    """Its last part only; the ending says what format it has."""
    content: bytes

    @property
    def extension(self) -> str:
        return extension_of(self.filename)

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES.get(self.extension, "application/octet-stream")


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What was said."""

    text: str
    model: str
    language: str | None = None
    """As the engine names it: `en`, `eng` or `english`."""
    duration_seconds: float | None = None
    segments: tuple[Mapping[str, Any], ...] = ()
    """Each at least `id`, `start`, `end` (seconds) and `text`; in order."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A spoken text."""

    content: bytes
    extension: str
    voice: str
    model: str


Transcribe = Callable[[Recording, Mapping[str, Any], Step], Transcript]
Speak = Callable[[str, Mapping[str, Any], Step], Sound]


def extension_of(filename: str) -> str:
    """The ending of a file name without its dot, in small letters."""
    return PurePosixPath(filename).suffix[1:].lower()
