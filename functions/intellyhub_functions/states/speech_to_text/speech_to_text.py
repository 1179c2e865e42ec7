"""The `speech_to_text` state: fetches a recording and has it written down."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.speech.engines import transcriber
from intellyhub_functions.speech.recordings import fetch_recording
from intellyhub_functions.speech.service import status_of
from intellyhub_functions.speech.sounds import Recording, Transcript
from intellyhub_functions.speech.subtitles import write_subtitles

__all__ = ["perform"]

MEGABYTE = 1024 * 1024


def perform(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """Write down; gives `{success, text, word_count, …}`, whose text form is the text. A failure's result is `{success,
    error, timestamp}`."""
    try:
        return transcribe(parameters, step)
    except StepFailed as failure:
        failure.result = Record(
            success=False,
            error=str(failure),
            status_code=status_of(failure),
            timestamp=datetime.now(UTC).isoformat(),
        )
        raise


def transcribe(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """The recording's text, in the form that was asked for."""
    written = text_of(parameters.get("audio_file")).strip()
    if not written:
        raise PermanentError("audio_file is empty; it names a file of the workspace or an address")
    recording = fetch_recording(
        written,
        parameters.get("workspace_path", "workspace"),
        step,
        max_bytes=parameters.get("max_bytes", 25 * MEGABYTE),
        timeout_seconds=parameters.get("timeout", 60),
    )
    begun = time.monotonic()
    transcript = transcriber(parameters.get("engine", "openai"))(recording, parameters, step)
    entries = describe(transcript, recording, parameters) | {"processing_time": round(time.monotonic() - begun, 2)}
    usage = {"audio_seconds": transcript.duration_seconds} if transcript.duration_seconds else {}
    return Outcome(value=TextRecord(entries, "text"), usage=usage)


def describe(transcript: Transcript, recording: Recording, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that published flows know (FLOW_LANGUAGE section 4.8)."""
    wanted = parameters.get("response_format", "json")
    language = parameters.get("language", "auto")
    size = len(recording.content)
    entries: dict[str, Any] = {
        "success": True,
        "text": transcript.text,
        "word_count": len(transcript.text.split()),
        "model_used": transcript.model,
        "file_info": {
            "filename": recording.filename,
            "file_size": size,
            "format": recording.extension,
            "size_mb": round(size / MEGABYTE, 2),
        },
        "parameters": {
            "language": "auto-detect" if language == "auto" else language,
            "response_format": wanted,
            "temperature": parameters.get("temperature", 0),
        },
    }
    if wanted in ("srt", "vtt"):
        entries |= {"subtitles": write_subtitles(transcript.segments, wanted), "format": wanted}
    if wanted == "verbose_json":
        entries |= {
            "language": transcript.language or "unknown",
            "duration": transcript.duration_seconds,
            "segments": list(transcript.segments),
        }
    return entries
