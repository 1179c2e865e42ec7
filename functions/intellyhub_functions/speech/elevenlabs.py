"""ElevenLabs: https://elevenlabs.io/docs/api-reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from intellyhub_engine.machine.step import Step
from intellyhub_functions.parameters import find_address, find_secret
from intellyhub_functions.speech.service import Service
from intellyhub_functions.speech.sounds import Recording, Sound, Transcript
from intellyhub_functions.speech.subtitles import group_words

__all__ = ["make_service", "speak", "transcribe"]

URL = "https://api.elevenlabs.io"
VOICE = "21m00Tcm4TlvDq8ikWAM"  # Rachel
MODEL = "eleven_monolingual_v1"
TRANSCRIBING_MODEL = "scribe_v2"
FORMATS = {
    "mp3": "mp3_44100_128",
    "opus": "opus_48000_64",
    "pcm": "pcm_24000",
    "ulaw": "ulaw_8000",
    "wav": "wav_24000",
}
"""What our names of formats are there; https://elevenlabs.io/docs/api-reference/text-to-speech/convert."""


def make_service(parameters: Mapping[str, Any], step: Step) -> Service:
    """The service with the step's key. Raises PermanentError where there is none."""
    key = find_secret(parameters, "api_key", step.scope, "ELEVENLABS_API_KEY")
    return Service(
        name="ElevenLabs",
        url=find_address(parameters, "base_url", step.scope, "ELEVENLABS_BASE_URL", URL),
        headers={"xi-api-key": key},
        key=key,
        step=step,
        timeout_seconds=parameters.get("timeout", 60),
    )


def speak(text: str, parameters: Mapping[str, Any], step: Step) -> Sound:
    """Speak with one of the account's voices."""
    service = make_service(parameters, step)
    voice, model = parameters.get("voice_id") or VOICE, parameters.get("model_id") or MODEL
    written = parameters.get("format") or "mp3"
    settings = dict(parameters.get("voice_settings") or {})
    if parameters.get("speed"):
        settings["speed"] = parameters["speed"]
    body = {"text": text, "model_id": model, "voice_settings": settings}
    if parameters.get("language"):
        body["language_code"] = parameters["language"]
    response = service.ask(
        "POST",
        f"/v1/text-to-speech/{quote(voice, safe='')}",
        body=body,
        query={"output_format": FORMATS.get(written, written)},
        max_body_bytes=parameters.get("max_bytes", 16 * 1024 * 1024),
    )
    return Sound(content=response.body, extension=written.partition("_")[0], voice=voice, model=model)


def transcribe(recording: Recording, parameters: Mapping[str, Any], step: Step) -> Transcript:
    """Write down a recording; words with their times become segments."""
    from urllib3.filepost import encode_multipart_formdata

    service = make_service(parameters, step)
    model = parameters.get("model") or TRANSCRIBING_MODEL
    fields: dict[str, Any] = {
        "model_id": model,
        "timestamps_granularity": "word",
        "tag_audio_events": "false",
        "file": (recording.filename, recording.content, recording.media_type),
    }
    if parameters.get("language", "auto") != "auto":
        fields["language_code"] = parameters["language"]
    if parameters.get("temperature"):
        fields["temperature"] = str(parameters["temperature"])
    body, content_type = encode_multipart_formdata(fields)
    found = service.read_json(service.ask("POST", "/v1/speech-to-text", body=body, content_type=content_type))
    words = found.get("words")
    segments = group_words(words if isinstance(words, list) else [])
    return Transcript(
        text=str(found.get("text", "")).strip(),
        model=model,
        language=found.get("language_code"),
        duration_seconds=found.get("audio_duration_secs") or (segments[-1]["end"] if segments else None),
        segments=segments,
    )
