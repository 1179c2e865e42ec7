"""Writes `speech.wav` in another format, with libsndfile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_functions.speech.programs.request import Failed, answer
from intellyhub_functions.speech.programs.samples import resample

__all__ = ["main"]

FORMATS = {
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
OPUS_HERTZ = 24_000


def main() -> int:
    """Write `speech.<format>` for a request `{format}`."""
    return answer(encode)


def encode(folder: Path, request: Mapping[str, Any]) -> None:
    try:
        import soundfile
    except ImportError as fault:
        raise Failed("it needs pip install 'intellyhub-functions[speech]'; wav goes without") from fault
    written = request["format"]
    samples, hertz = soundfile.read(folder / "speech.wav", dtype="float32")
    if written == "opus":  # it knows few rates
        samples, hertz = resample(samples, hertz, OPUS_HERTZ), OPUS_HERTZ
    kind, subtype = FORMATS[written]
    soundfile.write(folder / f"speech.{written}", samples, hertz, format=kind, subtype=subtype)
