"""Blobs in a folder, by digest, as in an OCI layout: what was fetched and what was made, for the next build.

Many processes may use one. What lies there is complete (written aside, then renamed) and may vanish at any time: it is
a cache, and `trim` keeps it small.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.blob import Blob, blob_of, check_digest, chunks_of, file_blob, verified
from intellyhub_knative.images.compression import gzip_chunks
from intellyhub_knative.images.errors import ContentDamaged, RegistryUnreachable
from intellyhub_knative.images.image import LAYER, Layer
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.tree import Entry, make_tar

__all__ = ["Store", "make_layer"]

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of blobs. It is made when something is put in."""

    folder: Path

    def path(self, digest: str) -> Path:
        """Where a blob lies, or would."""
        return self.folder / "blobs" / "sha256" / check_digest(digest).removeprefix("sha256:")

    def find(self, digest: str, media_type: str, size: int) -> Blob | None:
        """A blob that is here."""
        path = self.path(digest)
        try:
            if path.stat().st_size != size:
                return None
            os.utime(path)  # it was used: `trim` takes others first
        except FileNotFoundError:
            return None
        return file_blob(path, media_type, digest, size)

    def keep(self, blob: Blob, watch: Watch = ALONE) -> Blob:
        """The same blob, here: copied or fetched where it is not yet, and once more where that breaks off. Raises
        `ContentDamaged`, OSError, and what its reader raises."""
        found = self.find(blob.digest, blob.media_type, blob.size)
        for attempt in range(ATTEMPTS):
            if found is not None:
                break
            try:
                with blob.open() as file:
                    self._write(watched(verified(chunks_of(file), blob.digest, blob.size), watch), blob.digest)
            except RegistryUnreachable:
                if attempt + 1 == ATTEMPTS:
                    raise
                watch.wait(FIRST_WAIT_SECONDS * 2**attempt)
                continue
            found = file_blob(self.path(blob.digest), blob.media_type, blob.digest, blob.size)
        assert found is not None
        return replace(found, places=blob.places)

    def lazily(self, blob: Blob, watch: Watch = ALONE) -> Blob:
        """The same blob, which is fetched into this store when it is first read."""

        def read() -> BinaryIO:
            return self.keep(blob, watch).open()

        return replace(blob, open=read)

    def layer(
        self, key: str, make: Callable[[], Iterable[Entry]], *, created_by: str, watch: Watch = ALONE
    ) -> tuple[Layer, bool]:
        """A layer of files, and whether it was here already. `key` names what is in it: the files are not looked at
        where a layer with this key is here. Raises `LayerRefused`, OSError."""
        memo = self.folder / "layers" / (hashlib.sha256(key.encode()).hexdigest() + ".json")
        found = self._remembered(memo)
        if found is not None:
            return replace(found, created_by=created_by), True
        layer = self._make(make(), created_by, watch)
        row = {"digest": layer.blob.digest, "size": layer.blob.size, "diff_id": layer.diff_id}
        write_aside(memo, [json.dumps(row).encode()])
        return layer, False

    def trim(self, most_bytes: int) -> int:
        """Remove what was not used for longest until at most `most_bytes` are left; how many bytes went. What somebody
        is just reading stays readable for them."""
        files = []
        for path in self.folder.glob("blobs/sha256/*"):
            with suppress(FileNotFoundError):  # another process tidies up as well
                files.append((path, path.stat()))
        files.sort(key=lambda each: each[1].st_mtime_ns)
        excess, gone = sum(facts.st_size for _, facts in files) - most_bytes, 0
        for path, facts in files:
            if gone >= excess:
                break
            path.unlink(missing_ok=True)
            gone += facts.st_size
        return gone

    def _remembered(self, memo: Path) -> Layer | None:
        try:
            row = json.loads(memo.read_bytes())
            blob = self.find(row["digest"], LAYER, row["size"])
            return None if blob is None else Layer(blob=blob, diff_id=check_digest(row["diff_id"]))
        except (OSError, ValueError, KeyError, TypeError, ContentDamaged):
            return None  # as good as not there: it is made again

    def _make(self, entries: Iterable[Entry], created_by: str, watch: Watch) -> Layer:
        """Tar, compress and keep."""
        plain, packed = hashlib.sha256(), hashlib.sha256()
        size = 0

        def run() -> Iterator[bytes]:
            nonlocal size
            for chunk in gzip_chunks(hashed(watched(make_tar(entries), watch), plain)):
                packed.update(chunk)
                size += len(chunk)
                yield chunk

        scratch = scratch_of(self.folder / "blobs" / "sha256" / "layer")
        try:
            write_all(scratch, run())
            digest = "sha256:" + packed.hexdigest()
            scratch.replace(self.path(digest))
        finally:
            scratch.unlink(missing_ok=True)
        blob = file_blob(self.path(digest), LAYER, digest, size)
        return Layer(blob=blob, diff_id="sha256:" + plain.hexdigest(), created_by=created_by)

    def _write(self, chunks: Iterable[bytes], digest: str) -> None:
        write_aside(self.path(digest), chunks)


def make_layer(entries: Iterable[Entry], *, created_by: str) -> Layer:
    """A small layer, in memory. Pure where the entries are. Raises `LayerRefused`."""
    plain = hashlib.sha256()
    packed = b"".join(gzip_chunks(hashed(make_tar(entries), plain)))
    return Layer(blob=blob_of(packed, LAYER), diff_id="sha256:" + plain.hexdigest(), created_by=created_by)


def hashed(chunks: Iterable[bytes], made: hashlib._Hash) -> Iterator[bytes]:
    """The same chunks, which `made` has seen."""
    for chunk in chunks:
        made.update(chunk)
        yield chunk


def watched(chunks: Iterable[bytes], watch: Watch) -> Iterator[bytes]:
    """The same chunks, as long as they are wanted."""
    for chunk in chunks:
        watch.check()
        yield chunk


def write_aside(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole or not at all."""
    scratch = scratch_of(path)
    try:
        write_all(scratch, chunks)
        scratch.replace(path)
    finally:
        with suppress(FileNotFoundError):
            scratch.unlink()


def scratch_of(path: Path) -> Path:
    """A new name beside a file."""
    return path.with_name(f".{path.name}.{os.urandom(6).hex()}")


def write_all(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
