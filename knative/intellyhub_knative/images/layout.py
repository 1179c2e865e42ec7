"""Images in folders and in archives: the OCI image layout (image specification 1.1), which skopeo, podman, buildah,
containerd and Docker (from 25 on) read. Archives also have what `docker load` of older ones reads.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from intellyhub_knative.images.blob import Blob, blob_of, check_digest, chunks_of, compact, file_blob, part_of, verified
from intellyhub_knative.images.errors import BaseUnusable, ContentDamaged, ReferenceInvalid
from intellyhub_knative.images.image import INDEX, Image
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.store import Store

__all__ = ["ArchiveSource", "FolderSource", "write_archive", "write_folder"]

LAYOUT = compact({"imageLayoutVersion": "1.0.0"})
NAME = "org.opencontainers.image.ref.name"
"""Of a row of an index: its tag."""
FULL_NAME = "io.containerd.image.name"
"""Registry, repository and tag, as containerd and Docker name it when they load it."""
MOST_DOCUMENT_BYTES = 4 << 20
MOST_ROWS = 10_000


def write_folder(image: Image, folder: Path, tag: str, watch: Watch = ALONE) -> str:
    """Put an image into a layout, beside what is there; its digest. Another image of the same tag loses it. Raises
    OSError, `ReferenceInvalid` for a folder that holds something else."""
    if folder.exists() and not (folder / "oci-layout").is_file() and any(folder.iterdir()):
        raise ReferenceInvalid(f"{folder} is neither empty nor an OCI image layout; nothing is written there")
    store = Store(folder=folder)
    for layer in image.layers:
        watch.check()
        store.keep(layer.blob, watch)
    store.keep(image.config_blob)
    manifest = store.keep(image.manifest_blob)
    rows = [row for row in read_rows(folder / "index.json") if not is_same(row, manifest.digest, tag)]
    row = {**manifest.descriptor, "platform": image.platform, **({"annotations": {NAME: tag}} if tag else {})}
    replace_file(folder / "oci-layout", LAYOUT)
    replace_file(folder / "index.json", compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*rows, row]}))
    return manifest.digest


def is_same(row: Any, digest: str, tag: str) -> bool:
    """Whether a row gives way: it has the tag; or it is this very image and has none."""
    named = (row.get("annotations") or {}).get(NAME, "") if isinstance(row, dict) else ""
    return bool(tag and named == tag) or (isinstance(row, dict) and row.get("digest") == digest and named in ("", tag))


def read_rows(path: Path) -> list[Any]:
    """What an index lists; nothing where there is none. Raises `BaseUnusable`."""
    try:
        rows = json.loads(path.read_bytes()[: MOST_DOCUMENT_BYTES + 1]).get("manifests")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError) as fault:
        raise BaseUnusable(f"{path} cannot be read as an index of images: {fault}") from fault
    return rows[:MOST_ROWS] if isinstance(rows, list) else []


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    scratch.write_bytes(content)
    scratch.replace(path)


def write_archive(image: Image, file: Path, name: str = "", watch: Watch = ALONE) -> str:
    """Write an image as a tar of a layout, the same bytes for the same image; its digest. `name`: what it is called
    when it is loaded, `repository:tag`. Raises OSError, `ContentDamaged`."""
    scratch = file.with_name(f".{file.name}.{os.urandom(6).hex()}")
    try:
        with scratch.open("xb") as out:
            for chunk in archive_of(image, name, watch):
                out.write(chunk)
        scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)
    return image.digest


def archive_of(image: Image, name: str, watch: Watch) -> Iterator[bytes]:
    """Sorted members without owners and times."""
    config, manifest = image.config_blob, image.manifest_blob
    blobs = {blob.digest: blob for blob in (config, manifest, *(layer.blob for layer in image.layers))}
    names = {NAME: name.rpartition(":")[2], FULL_NAME: name} if name else {}
    row = {**manifest.descriptor, "platform": image.platform, **({"annotations": names} if names else {})}
    for_docker = {
        "Config": path_of(config.digest),
        "RepoTags": [name] if name else None,
        "Layers": [path_of(layer.blob.digest) for layer in image.layers],
    }
    members: dict[str, Blob] = {path_of(digest): blob for digest, blob in blobs.items()}
    members["index.json"] = blob_of(compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]}), INDEX)
    members["manifest.json"] = blob_of(json.dumps([for_docker], sort_keys=True).encode(), "application/json")
    members["oci-layout"] = blob_of(LAYOUT, "application/json")
    for folder in ("blobs/", "blobs/sha256/"):
        header = tarfile.TarInfo(folder)
        header.type, header.mode = tarfile.DIRTYPE, 0o755
        yield header.tobuf(tarfile.USTAR_FORMAT)
    for path, blob in sorted(members.items()):
        watch.check()
        yield from member_of(path, blob, watch)
    yield bytes(2 * tarfile.BLOCKSIZE)


def member_of(path: str, blob: Blob, watch: Watch) -> Iterator[bytes]:
    """One file of an archive. Raises `ContentDamaged`."""
    header = tarfile.TarInfo(path)
    header.size, header.mode = blob.size, 0o644
    yield header.tobuf(tarfile.USTAR_FORMAT)
    with blob.open() as file:
        for chunk in verified(chunks_of(file), blob.digest, blob.size):
            watch.check()
            yield chunk
    yield bytes(-blob.size % tarfile.BLOCKSIZE)


def path_of(digest: str) -> str:
    """Where a blob lies in a layout."""
    return "blobs/sha256/" + check_digest(digest).removeprefix("sha256:")


class FolderSource:
    """A layout to read images from."""

    def __init__(self, folder: Path) -> None:
        """Raises `BaseUnusable` where there is none."""
        self._folder = folder
        if not (folder / "index.json").is_file():
            raise BaseUnusable(f"{folder} is no OCI image layout: it has no index.json")

    def index(self) -> Blob:
        """What lies there."""
        content = (self._folder / "index.json").read_bytes()
        return blob_of(content, INDEX)

    def blob(self, media_type: str, digest: str, size: int) -> Blob:
        """A blob of it."""
        return file_blob(self._folder / path_of(digest), media_type, digest, size)


class ArchiveSource:
    """A tar of a layout to read images from; compressed ones are not read."""

    def __init__(self, file: Path) -> None:
        """Raises `BaseUnusable`."""
        self._file = file
        try:
            with tarfile.open(file, "r:") as archive:
                self._places = {
                    member.name.removeprefix("./"): (member.offset_data, member.size)
                    for member in archive
                    if member.isreg()
                }
        except (tarfile.TarError, OSError) as fault:
            raise BaseUnusable(f"{file} cannot be read as an archive of an image: {fault}") from fault
        if "index.json" not in self._places:
            raise BaseUnusable(f"{file} is no OCI archive: it has no index.json (podman save --format oci-archive)")

    def index(self) -> Blob:
        """What lies there."""
        with self._opened("index.json") as file:
            return blob_of(file.read(MOST_DOCUMENT_BYTES), INDEX)

    def blob(self, media_type: str, digest: str, size: int) -> Blob:
        """A blob of it. Raises `ContentDamaged` where it is missing."""
        path = path_of(digest)
        if path not in self._places:
            raise ContentDamaged(f"{self._file} lacks {digest}")
        return Blob(media_type=media_type, digest=digest, size=size, open=self._opener(path))

    def _opener(self, path: str) -> Callable[[], BinaryIO]:
        offset, size = self._places[path]

        def read() -> BinaryIO:
            file = self._file.open("rb")
            file.seek(offset)
            return part_of(file, size, closing=True)

        return read

    @contextmanager
    def _opened(self, path: str) -> Iterator[BinaryIO]:
        with self._opener(path)() as file:
            yield file
