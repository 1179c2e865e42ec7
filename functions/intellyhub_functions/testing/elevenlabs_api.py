"""ElevenLabs' API: speaks, hears what it has spoken, and has agents call. It refuses what ElevenLabs refuses.

https://elevenlabs.io/docs/api-reference.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from intellyhub_functions.testing.forms import read_arguments
from intellyhub_functions.testing.server import Answer, Call, LocalServer
from intellyhub_functions.testing.spoken import hear, make_sound

__all__ = ["ElevenLabsApi"]

VOICES = ("21m00Tcm4TlvDq8ikWAM", "EXAVITQu4vr4xnSDxMaL")
MODELS = ("eleven_monolingual_v1", "eleven_multilingual_v2", "eleven_flash_v2_5", "eleven_v3")
TRANSCRIBING_MODELS = ("scribe_v1", "scribe_v2")
FORMATS = ("mp3", "opus", "pcm", "ulaw", "alaw", "wav")
MAX_CHARACTERS = 10_000
SECONDS_PER_WORD = 0.5
CALLING = "/v1/convai/batch-calling"


class ElevenLabsApi(LocalServer):
    """An account with two voices. `batches` holds what was ordered; a batch is completed when it is asked for."""

    def __init__(self, key: str | None = "xi-local", host: str = "127.0.0.1", port: int = 0) -> None:
        """`key` None: any."""
        super().__init__(host, port)
        self.key = key
        self.failures: list[Answer] = []
        """Given to the next calls instead, first one first."""
        self.lost: int = 0
        """How many of the next orders are taken, but answered 502."""
        self.batches: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def answer(self, call: Call) -> Answer:
        if self.failures:
            return self.failures.pop(0)
        key = call.headers.get("xi-api-key")
        if not key or self.key not in (None, key):
            return refuse(401, "invalid_api_key", "Invalid API key")
        parts = urlsplit(call.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if call.method == "POST" and parts.path.startswith("/v1/text-to-speech/"):
            return speak(parts.path.rpartition("/")[2], query, call.json())
        if (call.method, parts.path) == ("POST", "/v1/speech-to-text"):
            return transcribe(call)
        if parts.path.startswith(f"{CALLING}/"):
            return self._call(call, parts.path.removeprefix(f"{CALLING}/"), query)
        return refuse(404, "not_found", "Not Found")

    def _call(self, call: Call, what: str, query: dict[str, str]) -> Answer:
        if (call.method, what) == ("POST", "submit"):
            return self._submit(call.json())
        if (call.method, what) == ("GET", "workspace"):
            return self._list(int(query.get("limit", 100)), query.get("last_doc"))
        batch = self.batches.get(what.partition("/")[0])
        if batch is None:
            return refuse(404, "batch_call_not_found", f"Batch call with id {what} not found")
        if call.method == "POST" and what.endswith("/cancel"):
            batch |= {"status": "cancelled"}
            return Answer.of_json(without_recipients(batch))
        if batch["status"] == "pending":
            batch |= {"status": "completed", "total_calls_dispatched": batch["total_calls_scheduled"]}
        return Answer.of_json(batch)

    def _submit(self, order: dict[str, Any]) -> Answer:
        faults: list[dict[str, Any]] = [
            {"loc": ["body", name], "msg": "Field required", "type": "missing"}
            for name in ("call_name", "agent_id", "recipients")
            if name not in order
        ]
        faults += [
            {"loc": ["body", "recipients", number, "phone_number"], "msg": "Field required", "type": "missing"}
            for number, person in enumerate(order.get("recipients", ()))
            if not person.get("phone_number")
        ]
        if faults:
            return Answer.of_json({"detail": faults}, 422)
        with self._lock:
            name = f"btcal_{next(self._numbers)}"
            now = int(time.time())
            self.batches[name] = {
                "id": name,
                "name": order["call_name"],
                "agent_id": order["agent_id"],
                "agent_name": "Agent",
                "phone_number_id": order.get("agent_phone_number_id"),
                "created_at_unix": now,
                "last_updated_at_unix": now,
                "scheduled_time_unix": order.get("scheduled_time_unix") or now,
                "total_calls_dispatched": 0,
                "total_calls_scheduled": len(order["recipients"]),
                "total_calls_finished": 0,
                "retry_count": 0,
                "telephony_call_config": {"ringing_timeout_secs": 60},
                "status": "pending",
                "recipients": [
                    {
                        "id": f"rcpt_{number}",
                        "status": "pending",
                        "created_at_unix": now,
                        "updated_at_unix": now,
                        **person,
                    }
                    for number, person in enumerate(order["recipients"])
                ],
            }
        if self.lost:
            self.lost -= 1
            return Answer(status=502, body=b"Bad Gateway")
        return Answer.of_json(without_recipients(self.batches[name]))

    def _list(self, limit: int, last: str | None) -> Answer:
        names = list(reversed(self.batches))
        names = names[names.index(last) + 1 :] if last in names else names
        page = names[:limit]
        more = len(names) > limit
        found = [without_recipients(self.batches[name]) for name in page]
        return Answer.of_json({"batch_calls": found, "has_more": more, "next_doc": page[-1] if more else None})


def without_recipients(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if name != "recipients"}


def speak(voice: str, query: dict[str, str], wishes: dict[str, Any]) -> Answer:
    text, model = wishes.get("text", ""), wishes.get("model_id", "eleven_multilingual_v2")
    extension = query.get("output_format", "mp3_44100_128").partition("_")[0]
    if voice not in VOICES:
        return refuse(404, "voice_not_found", f"A voice with the voice_id {voice} was not found.")
    if model not in MODELS:
        return refuse(400, "model_not_found", f"A model with model ID {model} does not exist.")
    if extension not in FORMATS or "_" not in query.get("output_format", "mp3_44100_128"):
        return Answer.of_json(
            {"detail": [{"loc": ["query", "output_format"], "msg": "Input should be one of mp3_44100_128, …"}]}, 422
        )
    if len(text) > MAX_CHARACTERS:
        return refuse(400, "max_character_limit_exceeded", f"This request's text has {len(text)} characters.")
    return Answer(headers={"content-type": f"audio/{extension}"}, body=make_sound(text, extension))


def transcribe(call: Call) -> Answer:
    wishes, files = read_arguments(call)
    if wishes.get("model_id") not in TRANSCRIBING_MODELS:
        return refuse(400, "invalid_model_id", "The model_id is not one of scribe_v1, scribe_v2")
    if "file" not in files:
        return refuse(400, "invalid_parameters", "Must provide either file or source_url parameter.")
    text = hear(files["file"].content)
    words: list[dict[str, Any]] = []
    for number, word in enumerate(text.split()):
        begun = number * SECONDS_PER_WORD
        if words:
            words.append({"text": " ", "start": begun, "end": begun, "type": "spacing", "logprob": 0.0})
        words.append({"text": word, "start": begun, "end": begun + 0.4, "type": "word", "logprob": -0.1})
    code = wishes.get("language_code", "eng")
    found = {"language_code": code, "language_probability": 0.98, "text": text, "words": words}
    return Answer.of_json(found | {"audio_duration_secs": len(text.split()) * SECONDS_PER_WORD})


def refuse(status: int, code: str, message: str) -> Answer:
    return Answer.of_json({"detail": {"status": code, "message": message}}, status)
