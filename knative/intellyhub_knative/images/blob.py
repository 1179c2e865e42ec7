"""Blobs: bytes named by their digest, wherever they lie, and the descriptors that manifests name them with."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, BinaryIO

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.errors import ContentDamaged

__all__ = [
    "CHUNK",
    "DIGEST",
    "Blob",
    "blob_of",
    "check_digest",
    "chunks_of",
    "compact",
    "digest_of",
    "file_blob",
    "part_of",
    "verified",
]

CHUNK = 1 << 20
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""The one algorithm that all registries have; sha512 is as good as never seen, and refused."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes that can be read, perhaps only by fetching them first."""

    media_type: str
    digest: str
    """`sha256:` and 64 hexadecimal digits."""
    size: int
    """In bytes."""
    open: Callable[[], BinaryIO] = field(compare=False, repr=False)
    """A new reader, at the beginning. Its bytes are not verified yet. Raises `ImageError`, OSError."""
    places: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """(registry, repository) where it is known to be: it can be mounted from there."""

    @property
    def descriptor(self) -> dict[str, Any]:
        """As a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    def read(self, most_bytes: int = 4 << 20) -> bytes:
        """All of it, verified. Raises `ContentDamaged`, also for more than `most_bytes`."""
        if self.size > most_bytes:
            raise ContentDamaged(f"{self.digest} has {self.size} bytes; what it should be has at most {most_bytes}")
        with self.open() as file:
            return b"".join(verified(chunks_of(file), self.digest, self.size))


def digest_of(content: bytes) -> str:
    """The name of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def check_digest(text: object) -> str:
    """The same digest. Raises `ContentDamaged` for what is none: names of files and addresses are made from it."""
    if not isinstance(text, str) or not DIGEST.fullmatch(text):
        raise ContentDamaged(f"{str(text)[:100]!r} is no digest such as sha256:...; others are not supported")
    return text


def blob_of(content: bytes, media_type: str) -> Blob:
    """Bytes in memory."""
    return Blob(media_type=media_type, digest=digest_of(content), size=len(content), open=lambda: io.BytesIO(content))


def file_blob(path: Path, media_type: str, digest: str, size: int) -> Blob:
    """A file whose digest is known."""
    return Blob(media_type=media_type, digest=digest, size=size, open=lambda: path.open("rb"))


def chunks_of(file: BinaryIO, most: int | None = None) -> Iterator[bytes]:
    """A reader's bytes in pieces, `most` of them at most."""
    left = most
    while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
        yield chunk
        if left is not None:
            left -= len(chunk)


def verified(chunks: Iterator[bytes], digest: str, size: int) -> Iterator[bytes]:
    """The same chunks. Raises `ContentDamaged` when, after the last one, they were not those of the digest; as soon as
    there are more than there should be."""
    seen, made = 0, hashlib.sha256()
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise ContentDamaged(f"{digest} should have {size} bytes and has more")
        made.update(chunk)
        yield chunk
    if seen != size or "sha256:" + made.hexdigest() != digest:
        raise ContentDamaged(f"{digest} is damaged: {seen} of {size} bytes came, with another digest")


def part_of(file: BinaryIO, size: int, *, closing: bool) -> BinaryIO:
    """The next bytes of a file, as a file of their own; `closing`: that closes the other too."""
    return io.BufferedReader(Part(file, size, closing))


class Part(io.RawIOBase):
    """What `part_of` reads from."""

    def __init__(self, file: BinaryIO, size: int, closing: bool) -> None:
        super().__init__()
        self._file = file
        self._left = size
        self._closing = closing

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end."""
        content = self._file.read(min(len(buffer), self._left))
        buffer[: len(content)] = content
        self._left -= len(content)
        return len(content)

    def close(self) -> None:
        """The other file too, where that is wanted."""
        if self._closing:
            self._file.close()
        super().close()


def compact(document: Mapping[str, Any]) -> bytes:
    """JSON whose bytes depend on its values only."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
