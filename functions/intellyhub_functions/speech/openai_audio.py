"""OpenAI's audio API, and that of the many servers that speak it: https://platform.openai.com/docs/api-reference/audio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.machine.step import Step
from intellyhub_functions.parameters import find_address, find_secret
from intellyhub_functions.speech.service import Service
from intellyhub_functions.speech.sounds import Recording, Sound, Transcript

__all__ = ["speak", "transcribe"]

URL = "https://api.openai.com/v1"
VOICE = "alloy"
MODEL = "gpt-4o-mini-tts"
TRANSCRIBING_MODEL = "whisper-1"


def make_service(parameters: Mapping[str, Any], step: Step) -> Service:
    """The service. Only OpenAI itself cannot be asked without a key."""
    url = find_address(parameters, "base_url", step.scope, "OPENAI_BASE_URL", URL)
    key = ""
    if url == URL or parameters.get("api_key") or step.scope.get("OPENAI_API_KEY"):
        key = find_secret(parameters, "api_key", step.scope, "OPENAI_API_KEY")
    return Service(
        name="OpenAI" if url == URL else "the OpenAI-compatible server",
        url=url,
        headers={"authorization": f"Bearer {key}"} if key else {},
        key=key,
        step=step,
        timeout_seconds=parameters.get("timeout", 60),
    )


def speak(text: str, parameters: Mapping[str, Any], step: Step) -> Sound:
    """Speak with one of the service's voices."""
    service = make_service(parameters, step)
    voice, model = parameters.get("voice_id") or VOICE, parameters.get("model_id") or MODEL
    extension = parameters.get("format") or "mp3"
    body = {"model": model, "voice": voice, "input": text, "response_format": extension}
    body |= {name: parameters[name] for name in ("speed", "instructions") if parameters.get(name)}
    limit = parameters.get("max_bytes", 16 * 1024 * 1024)
    response = service.ask("POST", "/audio/speech", body=body, max_body_bytes=limit)
    return Sound(content=response.body, extension=extension, voice=voice, model=model)


def transcribe(recording: Recording, parameters: Mapping[str, Any], step: Step) -> Transcript:
    """Write down a recording. Segments are asked for only where they are wanted: not every model has them."""
    from urllib3.filepost import encode_multipart_formdata

    service = make_service(parameters, step)
    model = parameters.get("model") or TRANSCRIBING_MODEL
    plain = parameters.get("response_format", "json") in ("json", "text")
    fields: dict[str, Any] = {
        "model": model,
        "response_format": "json" if plain else "verbose_json",
        "temperature": str(parameters.get("temperature", 0)),
        "file": (make_name(recording), recording.content, recording.media_type),
    }
    if parameters.get("language", "auto") != "auto":
        fields["language"] = parameters["language"]
    if parameters.get("prompt"):
        fields["prompt"] = parameters["prompt"]
    body, content_type = encode_multipart_formdata(fields)
    found = service.read_json(service.ask("POST", "/audio/transcriptions", body=body, content_type=content_type))
    segments = found.get("segments")
    return Transcript(
        text=str(found.get("text", "")).strip(),
        model=model,
        language=found.get("language"),
        duration_seconds=found.get("duration"),
        segments=tuple(segment for segment in segments if isinstance(segment, dict)) if segments else (),
    )


def make_name(recording: Recording) -> str:
    """A file name with an ending that the service knows: Opus comes in Ogg files."""
    return f"{recording.filename}.ogg" if recording.extension == "opus" else recording.filename
