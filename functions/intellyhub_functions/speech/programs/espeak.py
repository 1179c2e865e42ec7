"""Speaks with espeak-ng's library. https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h.

The library is the one of the Python package espeakng-loader, else the system's. Text is text: no SSML, no phonemes.
"""

from __future__ import annotations

import ctypes
import importlib.util
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_functions.speech.programs.request import Failed, answer

__all__ = ["main"]

SYSTEM = ("libespeak-ng.so.1", "libespeak-ng.1.dylib", "libespeak-ng.dylib")
OK = 0
SYNCHRONOUS, DONT_EXIT = 2, 0x8000
BUFFER_MILLISECONDS = 200
RATE, VOLUME, PITCH = 1, 2, 3
AT_CHARACTER, UTF8, END_PAUSE = 1, 1, 0x1000
USUAL_WORDS_PER_MINUTE = 175
STOP, GO_ON = 1, 0


def main() -> int:
    """Write `speech.wav` for a request `{text, voice, speed, pitch, max_bytes}`."""
    return answer(speak)


def speak(folder: Path, request: Mapping[str, Any]) -> None:
    library, data = load()
    rate = library.espeak_Initialize(SYNCHRONOUS, BUFFER_MILLISECONDS, data, DONT_EXIT)
    if rate <= 0:
        raise Failed("espeak-ng's data cannot be read")
    if library.espeak_SetVoiceByName(request["voice"].encode()) != OK:
        raise Failed(f"there is no voice {request['voice']!r}; voices are named like en, en-gb, it or it+f3")
    library.espeak_SetParameter(RATE, round(USUAL_WORDS_PER_MINUTE * request["speed"]), 0)
    library.espeak_SetParameter(PITCH, request["pitch"], 0)
    library.espeak_SetParameter(VOLUME, 100, 0)
    with wave.open(str(folder / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        if not synthesise(library, request["text"], file, request["max_bytes"]):
            raise Failed(f"the speech is larger than {request['max_bytes']} bytes; speak a shorter text")


def synthesise(library: ctypes.CDLL, text: str, file: wave.Wave_write, max_bytes: int) -> bool:
    """Write the samples of a text; False where they are more than may be."""
    size = 0
    whole = True

    def take(samples: Any, count: int, events: Any) -> int:
        nonlocal size, whole
        size += 2 * count
        whole = size <= max_bytes
        if samples and count and whole:
            file.writeframesraw(ctypes.string_at(samples, 2 * count))
        return GO_ON if whole else STOP

    listener = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(take)
    library.espeak_SetSynthCallback(listener)
    written = text.replace("\0", " ").encode() + b"\0"
    ended = library.espeak_Synth(written, len(written), 0, AT_CHARACTER, 0, UTF8 | END_PAUSE, None, None)
    if ended != OK:
        raise Failed(f"espeak-ng failed with error {ended}")
    library.espeak_Synchronize()
    return whole


def load() -> tuple[ctypes.CDLL, bytes | None]:
    """The library, and the folder that holds its data; None where it knows itself."""
    found = importlib.util.find_spec("espeakng_loader")
    folders = found.submodule_search_locations if found else ()
    for folder in map(Path, folders or ()):
        for path in sorted(folder.glob("libespeak-ng.*")):
            return typed(ctypes.CDLL(str(path))), str(folder).encode()
    for name in SYSTEM:
        try:
            return typed(ctypes.CDLL(name)), None
        except OSError:
            continue
    raise Failed("the engine is not installed; pip install 'intellyhub-functions[speech]', or espeak-ng in the system")


def typed(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, its functions declared as far as integers do not say it."""
    text, number = ctypes.c_char_p, ctypes.c_int
    library.espeak_Initialize.argtypes = (number, number, text, number)
    library.espeak_SetVoiceByName.argtypes = (text,)
    position = ctypes.c_uint
    library.espeak_Synth.argtypes = (
        text,
        ctypes.c_size_t,
        position,
        number,
        position,
        position,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    return library


if __name__ == "__main__":
    raise SystemExit(main())
