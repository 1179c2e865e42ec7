"""A model for whisper.cpp that hears the same words in every recording: weights made here, no training.

It is a real model file, so that the real engine reads it, listens and writes down. All layers are zero but two: what
the decoder adds for the place of a token leads to the token that comes next.
Format: https://github.com/ggml-org/whisper.cpp/blob/master/models/convert-pt-to-ggml.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Weights = NDArray[numpy.floating[Any]]

__all__ = ["write_model"]

MAGIC = 0x67676D6C
HALF_PRECISION = 1
WIDTH, HEADS, ENCODER_LAYERS, DECODER_LAYERS = 64, 1, 4, 1
PLACES_HEARD, PLACES_WRITTEN = 1500, 448
BANDS, FREQUENCIES = 80, 201
TEXT_TOKENS, TOKENS = 50257, 51865
END, FIRST_LANGUAGE, FIRST_TIME = 50257, 50259, 50364
LANGUAGES = ("en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it")
STRENGTH, PUSH = 10.0, 100.0


def write_model(path: Path, words: str = "hello world", language: str = "it") -> Path:
    """Write a model that hears `words`, and takes every recording to be in `language`."""
    spoken = [f" {word}" for word in words.split()]
    vocabulary = [f" w{number}" for number in range(TEXT_TOKENS)]
    vocabulary[: len(spoken) + 1] = [" ", *spoken]
    said = [FIRST_TIME, *range(1, len(spoken) + 1), END]
    follows = {0: FIRST_LANGUAGE + LANGUAGES.index(language)}
    follows |= dict(enumerate(said, 2))  # the prompt takes three places: start, language, transcribe
    with path.open("wb") as file:
        sizes = (
            TOKENS,
            PLACES_HEARD,
            WIDTH,
            HEADS,
            ENCODER_LAYERS,
            PLACES_WRITTEN,
            WIDTH,
            HEADS,
            DECODER_LAYERS,
            BANDS,
        )
        file.write(struct.pack("<I11i", MAGIC, *sizes, HALF_PRECISION))
        file.write(struct.pack("<2i", BANDS, FREQUENCIES) + bytes(4 * BANDS * FREQUENCIES))
        file.write(struct.pack("<i", TEXT_TOKENS))
        file.write(b"".join(struct.pack("<I", len(text)) + text.encode() for text in vocabulary))
        for name, weights in make_weights(follows):
            ends = reversed(weights.shape)
            kind = HALF_PRECISION if weights.dtype.itemsize == 2 else 0
            file.write(struct.pack("<3i", weights.ndim, len(name), kind))
            file.write(struct.pack(f"<{weights.ndim}i", *ends) + name.encode() + weights.tobytes())
    return path


def make_weights(follows: Mapping[int, int]) -> Iterator[tuple[str, Weights]]:
    """Every tensor: zero, but for what makes the token `follows[place]` come after the token at that place."""
    import numpy

    places = numpy.zeros((PLACES_WRITTEN, WIDTH), numpy.float32)
    tokens = numpy.zeros((TOKENS, WIDTH), numpy.float16)
    for place, token in follows.items():
        places[place, place] = PUSH
        tokens[token, place] = STRENGTH

    def zeros(*shape: int, exact: bool = False) -> Weights:
        whole = exact or len(shape) == 1
        return numpy.zeros(shape, numpy.float32) if whole else numpy.zeros(shape, numpy.float16)

    yield "encoder.positional_embedding", zeros(PLACES_HEARD, WIDTH, exact=True)
    yield "encoder.conv1.weight", zeros(WIDTH, BANDS, 3)
    yield "encoder.conv1.bias", zeros(WIDTH, 1, exact=True)
    yield "encoder.conv2.weight", zeros(WIDTH, WIDTH, 3)
    yield "encoder.conv2.bias", zeros(WIDTH, 1, exact=True)
    yield "encoder.ln_post.weight", zeros(WIDTH)
    yield "encoder.ln_post.bias", zeros(WIDTH)
    yield "decoder.positional_embedding", places
    yield "decoder.token_embedding.weight", tokens
    yield "decoder.ln.weight", numpy.ones(WIDTH, numpy.float32)
    yield "decoder.ln.bias", zeros(WIDTH)
    blocks: list[tuple[str, tuple[str, ...]]]
    blocks = [(f"encoder.blocks.{layer}", ("attn",)) for layer in range(ENCODER_LAYERS)]
    blocks += [(f"decoder.blocks.{layer}", ("attn", "cross_attn")) for layer in range(DECODER_LAYERS)]
    for block, attentions in blocks:
        yield f"{block}.mlp.0.weight", zeros(4 * WIDTH, WIDTH)
        yield f"{block}.mlp.0.bias", zeros(4 * WIDTH)
        yield f"{block}.mlp.2.weight", zeros(WIDTH, 4 * WIDTH)
        for name in ("mlp_ln.weight", "mlp_ln.bias", "mlp.2.bias"):
            yield f"{block}.{name}", zeros(WIDTH)
        for attention in attentions:
            for name in ("query", "key", "value", "out"):
                yield f"{block}.{attention}.{name}.weight", zeros(WIDTH, WIDTH)
            for name in ("_ln.weight", "_ln.bias", ".query.bias", ".value.bias", ".out.bias"):
                yield f"{block}.{attention}{name}", zeros(WIDTH)
