"""Writes down what was said, with whisper.cpp (https://github.com/ggml-org/whisper.cpp) and a model in its format."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intellyhub_functions.speech.programs.request import Failed, answer
from intellyhub_functions.speech.programs.samples import read_samples

__all__ = ["main"]

HERTZ = 16_000
MAX_THREADS = 4
CENTISECONDS = 100
MAGIC = b"lmgg"
ERRORS = 2


def main() -> int:
    """Write `transcript.json` (`{language, duration, segments}`) for a request `{recording, model, language,
    temperature, prompt}`."""
    return answer(transcribe)


def transcribe(folder: Path, request: Mapping[str, Any]) -> None:
    try:
        import _pywhispercpp
        from pywhispercpp.model import Model
    except ImportError as fault:
        raise Failed("the engine is not installed; pip install 'intellyhub-functions[speech]'") from fault
    language = request["language"]
    check_model(Path(request["model"]))
    with quiet():
        known = language == "auto" or _pywhispercpp.whisper_lang_id(language) >= 0
    if not known:
        raise Failed(f"there is no language {language!r}; languages are named like en or it")
    samples = read_samples(folder / request["recording"], HERTZ)
    seconds = samples.size / HERTZ
    with quiet():
        model = Model(request["model"], n_threads=min(os.cpu_count() or 1, MAX_THREADS), print_progress=False)
        heard = model.transcribe(
            samples,
            language=language,
            temperature=float(request["temperature"]),
            initial_prompt=request["prompt"],
            print_timestamps=False,
        )
        spoken = _pywhispercpp.whisper_full_lang_id(vars(model)["_ctx"])  # the class itself does not tell
    found = {
        "language": _pywhispercpp.whisper_lang_str(spoken) if spoken >= 0 else None,
        "duration": round(seconds, 2),
        "segments": [
            {
                "id": number,
                "start": each.t0 / CENTISECONDS,
                "end": round(min(each.t1 / CENTISECONDS, seconds), 2),  # it listens in windows of 30 seconds
                "text": each.text.strip(),
            }
            for number, each in enumerate(heard)
        ],
    }
    (folder / "transcript.json").write_text(json.dumps(found), encoding="utf-8")


def check_model(path: Path) -> None:
    """Raise Failed for a file of another kind: the library would crash on it."""
    try:
        with path.open("rb") as file:
            kind = file.read(len(MAGIC))
    except OSError as fault:
        raise Failed(f"the model {path.name} cannot be read: {fault.strerror}") from fault
    if kind != MAGIC:
        raise Failed(f"{path.name} is no model of whisper.cpp; those are called ggml-….bin")


@contextmanager
def quiet() -> Iterator[None]:
    """What the library tells of its inner life goes nowhere."""
    kept = os.dup(ERRORS)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, ERRORS)
        yield
    finally:
        os.dup2(kept, ERRORS)
        os.close(kept)
        os.close(nowhere)
