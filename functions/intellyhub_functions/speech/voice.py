"""Writes down a voice message for a listener, as its `transcription` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.machine.source import SourceContext
from intellyhub_engine.machine.step import Step
from intellyhub_functions.speech.engines import transcriber
from intellyhub_functions.speech.recordings import fetch_recording
from intellyhub_functions.states.file.paths import shown

__all__ = ["transcribe_voice"]

MAX_BYTES = 25 * 1024 * 1024
TIMEOUT_SECONDS = 60.0
DEADLINE_SECONDS = 300.0


def transcribe_voice(path: Path, parameters: Mapping[str, Any], context: SourceContext) -> str:
    """What was said in the recording at `path`, a file under the workspace. `parameters` are the listener's; its
    `transcription` holds parameters of the state `speech_to_text`. Raises StepFailed's kinds; ends when the source has
    to stop."""
    wishes = parameters.get("transcription") or {}
    if not isinstance(wishes, Mapping):
        raise PermanentError("transcription must be an object, as {engine: openai, language: it}")
    step = make_step_of(context)
    recording = fetch_recording(
        shown(path, context.workspace), "", step, max_bytes=MAX_BYTES, timeout_seconds=TIMEOUT_SECONDS
    )
    return transcriber(wishes.get("engine", "openai"))(recording, wishes, step).text


def make_step_of(context: SourceContext) -> Step:
    """The surroundings of a source as those of a step, which engines work for."""
    return Step(
        run_id="",
        flow=context.flow,
        state="listener",
        seq=0,
        attempt=1,
        scope=Scope({}, outer=context.settings),
        timeout_seconds=DEADLINE_SECONDS,
        cancelled=context.stopping,
        workspace=context.workspace,
        log=context.log,
    )
