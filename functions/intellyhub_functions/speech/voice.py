"""Writes down a voice message for a listener, as its `transcription` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import shown
from intellyhub_functions.speech.engines import transcriber
from intellyhub_functions.speech.recordings import fetch_recording

__all__ = ["transcribe_voice"]

MAX_BYTES = 25 * 1024 * 1024
TIMEOUT_SECONDS = 60.0


def transcribe_voice(path: Path, parameters: Mapping[str, Any], step: Step) -> str:
    """What was said in the recording at `path`, a file under the workspace. `parameters` are the listener's; its
    `transcription` holds parameters of the state `speech_to_text`. Raises StepFailed's kinds."""
    wishes = parameters.get("transcription") or {}
    if not isinstance(wishes, Mapping):
        raise PermanentError("transcription must be an object, as {engine: openai, language: it}")
    recording = fetch_recording(
        shown(path, step.workspace), "", step, max_bytes=MAX_BYTES, timeout_seconds=TIMEOUT_SECONDS
    )
    return transcriber(wishes.get("engine", "openai"))(recording, wishes, step).text
