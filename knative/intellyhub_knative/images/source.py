"""Images to build on: from a registry, an OCI folder (`oci:DIR[:TAG]`) or an OCI archive (`tar:FILE`).

Layers are not fetched before somebody reads them: where an image goes to the registry its base is in, they never are.
"""

from __future__ import annotations

import json
import platform as machine
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from intellyhub_knative.images.blob import Blob, blob_of, check_digest, compact
from intellyhub_knative.images.errors import BaseUnusable, ContentDamaged, ReferenceInvalid
from intellyhub_knative.images.image import INDEX, LAYER, MANIFEST, Image, Layer
from intellyhub_knative.images.layout import NAME, ArchiveSource, FolderSource
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.reference import parse_reference
from intellyhub_knative.images.registry.access import ANONYMOUS, Access
from intellyhub_knative.images.registry.client import DOCKER_INDEX, DOCKER_MANIFEST, Repository
from intellyhub_knative.images.registry.session import Session
from intellyhub_knative.images.store import Store

__all__ = ["open_base", "split_folder", "this_platform"]

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "arm64": "arm64", "AMD64": "amd64"}
LAYERS = {
    LAYER: LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER,
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
"""What layers may be -> what they are called in our images: Docker's are the same bytes."""
BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


class Source(Protocol):
    """Where blobs come from."""

    def blob(self, media_type: str, digest: str, size: int) -> Blob:
        """One of them."""
        ...


def this_platform() -> str:
    """What this machine runs, as images name it: `linux/amd64`."""
    return f"linux/{ARCHITECTURES.get(machine.machine(), machine.machine())}"


def open_base(
    text: str, *, store: Store, platform: str = "", access: Access = ANONYMOUS, watch: Watch = ALONE
) -> Image:
    """The image of one platform (`os/architecture`; this machine's). Documents are kept in the store, and asked for
    again only where the name can move (a tag). Raises `ImageError`, OSError."""
    wanted = platform or this_platform()
    if text.startswith("oci:"):
        folder, tag = split_folder(text.removeprefix("oci:"))
        kept = FolderSource(folder)
        return read_image(kept, choose(kept.index(), tag, text), wanted, text)
    if text.startswith("tar:"):
        archive = ArchiveSource(Path(text.removeprefix("tar:")))
        return read_image(archive, choose(archive.index(), "", text), wanted, text)
    return open_remote(text, wanted, store, access, watch)


def open_remote(text: str, wanted: str, store: Store, access: Access, watch: Watch) -> Image:
    """From a registry."""
    reference = parse_reference(text)
    with Session(reference.registry, access, watch) as session:
        repository = Repository(session, reference.repository, watch)
        source = Cached(repository, store, watch)
        watch.progress(f"the base is {reference}")
        return read_image(source, source.manifest(reference.name), wanted, str(reference))


class Cached:
    """A repository whose blobs and documents are kept in a store."""

    def __init__(self, repository: Repository, store: Store, watch: Watch) -> None:
        self._repository = repository
        self._store = store
        self._watch = watch

    def blob(self, media_type: str, digest: str, size: int) -> Blob:
        """From the store, or fetched into it when it is read."""
        remote = self._repository.blob(media_type, digest, size)
        found = self._store.find(digest, media_type, size)
        if found is not None:
            return replace(found, places=remote.places)
        if media_type in (MANIFEST, DOCKER_MANIFEST, INDEX, DOCKER_INDEX):
            return self.manifest(digest)
        return self._store.lazily(remote, self._watch)

    def manifest(self, name: str) -> Blob:
        """A manifest or index by tag or digest. What a digest names never changes, and need not be asked for twice."""
        if ":" in name:
            path = self._store.path(name)
            if path.is_file():
                content = path.read_bytes()
                kind = kind_of(content)
                found = self._store.find(name, kind, len(content)) if kind else None
                if found is not None:
                    return found
        return self._store.keep(self._repository.manifest(name))


def kind_of(content: bytes) -> str:
    """The media type that a document names, where it does."""
    try:
        kind = json.loads(content).get("mediaType")
    except (ValueError, AttributeError):
        return ""
    return kind if isinstance(kind, str) else ""


def choose(index: Blob, tag: str, text: str) -> Blob:
    """An index reduced to the rows that a tag names; of a folder with one image it need not be named."""
    rows = rows_of(index, text)
    if tag:
        rows = [row for row in rows if (row.get("annotations") or {}).get(NAME) == tag]
    if not rows:
        raise BaseUnusable(f"{text} holds no image{f' with the tag {tag}' if tag else ''}")
    names = sorted({str((row.get("annotations") or {}).get(NAME, "")) for row in rows} - {""})
    if not tag and len(rows) > 1 and len(names) > 1:
        raise BaseUnusable(f"{text} holds several images; name one of them: {', '.join(names[:20])}")
    return blob_with_rows(rows)


def blob_with_rows(rows: list[dict[str, Any]]) -> Blob:
    """An index of these rows."""
    return blob_of(compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}), INDEX)


def read_image(source: Source, found: Blob, wanted: str, text: str) -> Image:
    """Follow indexes to the manifest of one platform, and read it. Raises `BaseUnusable`, `ContentDamaged`."""
    for _ in range(3):
        if not is_index(found):
            break
        row = of_platform(rows_of(found, text), wanted, text)
        found = source.blob(str(row.get("mediaType", "")), check_digest(row.get("digest")), size_of(row))
    else:
        raise BaseUnusable(f"{text}: its indexes name each other")
    try:
        return make_image(source, found, wanted, text)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise BaseUnusable(f"{text} has a manifest that cannot be read: {fault!r}") from fault


def make_image(source: Source, manifest: Blob, wanted: str, text: str) -> Image:
    """An image from its documents."""
    document = json.loads(manifest.read())
    row = document["config"]
    config = json.loads(source.blob(str(row["mediaType"]), check_digest(row["digest"]), size_of(row)).read())
    found = f"{config.get('os')}/{config.get('architecture')}"
    if found != wanted:
        raise BaseUnusable(f"{text} is for {found}; {wanted} is wanted")
    diff_ids = config["rootfs"]["diff_ids"]
    layers = document["layers"]
    if len(layers) != len(diff_ids):
        raise BaseUnusable(f"{text}: its configuration and its manifest do not have the same layers")
    return Image(
        config={key: value for key, value in config.items() if key not in ("rootfs", "history")},
        layers=tuple(
            make_base_layer(source, layer, check_digest(diff_id), text)
            for layer, diff_id in zip(layers, diff_ids, strict=True)
        ),
        history=tuple(config.get("history") or ()),
        annotations={BASE_NAME: text, BASE_DIGEST: manifest.digest},
    )


def make_base_layer(source: Source, row: Mapping[str, Any], diff_id: str, text: str) -> Layer:
    """One layer, not yet fetched."""
    kind = LAYERS.get(str(row.get("mediaType")))
    if kind is None:
        raise BaseUnusable(
            f"{text} has a layer of the type {str(row.get('mediaType'))[:100]!r}, which is not supported"
        )
    blob = source.blob(kind, check_digest(row.get("digest")), size_of(row))
    return Layer(blob=blob, diff_id=diff_id)


def is_index(blob: Blob) -> bool:
    return blob.media_type in (INDEX, DOCKER_INDEX)


def rows_of(index: Blob, text: str) -> list[dict[str, Any]]:
    """What an index names. Raises `BaseUnusable`."""
    try:
        rows = json.loads(index.read())["manifests"]
        return [row for row in rows if isinstance(row, dict)]
    except (ValueError, KeyError, TypeError) as fault:
        raise BaseUnusable(f"{text} has an index that cannot be read: {fault!r}") from fault


def of_platform(rows: list[dict[str, Any]], wanted: str, text: str) -> dict[str, Any]:
    """The row of a platform; one that names none fits, as its configuration will tell."""
    silent, known = [], []
    for row in rows:
        place = row.get("platform")
        if not isinstance(place, dict) or not place.get("os"):
            silent.append(row)
            continue
        name = f"{place.get('os')}/{place.get('architecture')}"
        if name == wanted:
            return row
        known.append(name)
    if silent:
        return silent[0]
    offered = ", ".join(sorted({name for name in known if not name.startswith("unknown")})) or "nothing"
    raise BaseUnusable(f"{text} is not there for {wanted}; it is for {offered}")


def size_of(row: Mapping[str, Any]) -> int:
    """A descriptor's size. Raises `ContentDamaged`."""
    size = row.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ContentDamaged(f"a descriptor has the size {size!r}")
    return size


def split_folder(text: str) -> tuple[Path, str]:
    """`DIR[:TAG]`: what stands behind the last colon is a tag, if no slash follows. Raises `ReferenceInvalid`."""
    folder, colon, tag = text.rpartition(":")
    if colon and "/" not in tag:
        path = folder
    else:
        path, tag = text, ""
    if not path:
        raise ReferenceInvalid("oci: needs a folder, such as oci:images or oci:images:hello")
    return Path(path), tag
