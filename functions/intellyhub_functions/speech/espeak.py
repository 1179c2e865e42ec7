"""espeak-ng: speaks without any service, in some hundred languages, as a machine does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import Step
from intellyhub_functions.speech.apart import run_apart, scratch_folder
from intellyhub_functions.speech.sounds import Sound

__all__ = ["speak"]

VOICE = "en"
MODEL = "espeak-ng"
ENCODED = ("flac", "mp3", "ogg", "opus")


def speak(text: str, parameters: Mapping[str, Any], step: Step) -> Sound:
    """Speak as a WAV file, or in a format that the speech extra can write."""
    voice = parameters.get("voice_id") or parameters.get("language") or VOICE
    if not re.fullmatch(r"[A-Za-z0-9_+-]{1,64}", voice):
        raise PermanentError(f"voice_id {voice!r} is no name of a voice; voices are named like en, en-gb, it or it+f3")
    written = parameters.get("format") or "wav"
    if written not in ("wav", *ENCODED):
        raise PermanentError(f"espeak-ng cannot give {written!r}; formats are wav, {', '.join(ENCODED)}")
    limit = parameters.get("max_bytes", 16 * 1024 * 1024)
    request = {"text": text, "voice": voice, "speed": parameters.get("speed") or 1, "pitch": 50, "max_bytes": limit}
    with scratch_folder() as folder:
        run_apart("espeak", request, folder, step, name="espeak-ng")
        if written != "wav":
            run_apart("encode", {"format": written}, folder, step, name=f"writing {written}")
        content = (folder / f"speech.{written}").read_bytes()
    return Sound(content=content, extension=written, voice=voice, model=MODEL)
