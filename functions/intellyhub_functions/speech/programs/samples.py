"""Samples of sound, as numpy arrays of 32-bit floats from -1 to 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from intellyhub_functions.speech.programs.request import Failed

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.float32]

__all__ = ["read_samples", "resample"]

MAX_SECONDS = 2 * 3600
BLOCK_SECONDS = 60


def read_samples(path: Path, hertz: int) -> Samples:
    """A recording's sound at this rate, its channels mixed into one. Raises Failed where it cannot be read."""
    try:
        import numpy
        import soundfile
    except ImportError as fault:
        raise Failed("the engine is not installed; pip install 'intellyhub-functions[speech]'") from fault
    pieces: list[Samples] = []
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > MAX_SECONDS * file.samplerate:
                raise Failed(f"the recording is longer than {MAX_SECONDS // 3600} hours")
            for block in file.blocks(BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True):
                pieces.append(resample(block.mean(axis=1), file.samplerate, hertz))
                if len(pieces) * BLOCK_SECONDS > MAX_SECONDS:
                    raise Failed(f"the recording is longer than {MAX_SECONDS // 3600} hours")
    except soundfile.LibsndfileError as fault:
        raise Failed(f"the recording cannot be read ({fault.error_string}); wav, flac, mp3 and ogg can be") from fault
    return numpy.concatenate(pieces) if pieces else numpy.zeros(0, dtype=numpy.float32)


def resample(samples: Samples, hertz: int, wanted: int) -> Samples:
    """The same sound at another rate. Higher tones than the new rate can hold are taken out first, by averaging."""
    import numpy

    if hertz == wanted or not samples.size:
        return samples
    width = hertz // wanted
    if width > 1:
        samples = numpy.convolve(samples, numpy.full(width, 1 / width, dtype=numpy.float32), mode="same")
    count = max(round(samples.size * wanted / hertz), 1)
    places = numpy.arange(count) * (hertz / wanted)
    found: Samples = numpy.interp(places, numpy.arange(samples.size), samples).astype(numpy.float32)
    return found
