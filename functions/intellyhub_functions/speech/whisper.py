"""whisper.cpp: writes down recordings on this machine, with a model file that its operator or the flow provides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.speech.apart import run_apart, scratch_folder
from intellyhub_functions.speech.sounds import Recording, Transcript

__all__ = ["transcribe"]


def transcribe(recording: Recording, parameters: Mapping[str, Any], step: Step) -> Transcript:
    """Write down a recording that libsndfile can read: WAV, FLAC, MP3, Ogg."""
    written = text_of(parameters.get("model") or step.scope.get("WHISPER_MODEL") or "")
    if not written:
        raise PermanentError(
            "model is missing; whisper needs the path of a model of whisper.cpp, or the variable WHISPER_MODEL"
        )
    model = place(written, step.workspace)
    if not model.is_file():
        raise PermanentError(f"there is no model {shown(model, step.workspace)}")
    name = f"recording.{recording.extension}"
    request = {
        "recording": name,
        "model": str(model),
        "readable": [str(model)],
        "language": parameters.get("language") or "auto",
        "temperature": parameters.get("temperature", 0),
        "prompt": parameters.get("prompt") or "",
    }
    with scratch_folder() as folder:
        (folder / name).write_bytes(recording.content)
        run_apart("whisper", request, folder, step, name="whisper")
        found = json.loads((folder / "transcript.json").read_text(encoding="utf-8"))
    return Transcript(
        text=" ".join(filter(None, (segment["text"] for segment in found["segments"]))),
        model=model.name,
        language=found["language"],
        duration_seconds=found["duration"],
        segments=tuple(found["segments"]),
    )
