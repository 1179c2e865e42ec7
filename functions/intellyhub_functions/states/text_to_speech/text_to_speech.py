"""The `text_to_speech` state: has a text spoken, and keeps the recording in the workspace."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.files.storage import write_whole
from intellyhub_functions.speech.engines import speaker
from intellyhub_functions.speech.service import status_of
from intellyhub_functions.speech.sounds import Sound

__all__ = ["perform"]

MAX_CHARACTERS = 100_000


def perform(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """Speak; gives `{success, filepath, filename, file_size, …}`. A failure's result is `{success, error, …}`."""
    text = text_of(parameters.get("text"))
    try:
        return keep(say(text, parameters, step), text, parameters, step)
    except StepFailed as failure:
        failure.result = Record(
            success=False,
            error=str(failure),
            status_code=status_of(failure),
            voice_id=parameters.get("voice_id"),
            text_length=len(text),
        )
        raise


def say(text: str, parameters: Mapping[str, Any], step: Step) -> Sound:
    """The spoken text."""
    if not text.strip():
        raise PermanentError("text is empty; there is nothing to say")
    if len(text) > MAX_CHARACTERS:
        raise PermanentError(f"text has {len(text)} characters; at most {MAX_CHARACTERS} are spoken at once")
    sound = speaker(parameters.get("engine", "elevenlabs"))(text, parameters, step)
    if not sound.content:
        raise RetryableError("the answer holds no sound")
    return sound


def keep(sound: Sound, text: str, parameters: Mapping[str, Any], step: Step) -> Outcome:
    """Write the recording to the workspace, and tell of it."""
    folder = parameters.get("workspace_path", "workspace")
    path = place(f"{folder}/{make_name(parameters.get('filename_prefix'), sound, step)}", step.workspace)
    try:
        write_whole(path, sound.content)
    except OSError as fault:
        raise PermanentError(f"{shown(path, step.workspace)}: {(fault.strerror or str(fault)).lower()}") from fault
    value = Record(
        success=True,
        filepath=shown(path, step.workspace),
        filename=path.name,
        workspace_path=folder,
        file_size=len(sound.content),
        format=sound.extension,
        voice_id=sound.voice,
        model_id=sound.model,
        text_length=len(text),
        message="Audio generated",
    )
    return Outcome(value=value, usage={"characters": len(text)})


def make_name(prefix: str | None, sound: Sound, step: Step) -> str:
    """`prefix_20250102_030405_1a2b3c.mp3`; the end keeps apart what is spoken within one second."""
    times = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
    own = hashlib.sha256(step.idempotency_key.encode()).hexdigest()[:6]
    safe = re.sub(r"[^\w. -]+", "_", prefix or "").strip(". ")[:100]
    extension = re.sub(r"\W", "", sound.extension) or "bin"
    return f"{'_'.join(filter(None, (safe, times, own)))}.{extension}"
