"""Where images go: registries (`registry/repository:tag`), OCI folders (`oci:DIR[:TAG]`), archives (`tar:FILE`)."""

from __future__ import annotations

from pathlib import Path

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.blob import Blob, blob_of, compact
from intellyhub_knative.images.errors import ReferenceInvalid
from intellyhub_knative.images.image import MANIFEST, Image
from intellyhub_knative.images.layout import write_archive, write_folder
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.reference import TAG, Reference, parse_reference
from intellyhub_knative.images.registry.access import ANONYMOUS, Access
from intellyhub_knative.images.registry.client import Repository
from intellyhub_knative.images.registry.session import Session
from intellyhub_knative.images.sbom import MEDIA_TYPE
from intellyhub_knative.images.source import split_folder

__all__ = ["Archive", "Destination", "Folder", "parse", "push"]

EMPTY = blob_of(b"{}", "application/vnd.oci.empty.v1+json")
"""What stands in for a configuration that there is none of (image specification 1.1)."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """An OCI image layout, which may hold other images."""

    path: Path
    tag: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file that `podman load`, `skopeo` and `docker load` read."""

    path: Path
    name: str
    """What it is called there."""


Destination = Reference | Folder | Archive


def parse(text: str, *, name: str = "") -> Destination:
    """Read a destination; `name` is what an archive's image is called, `repository:tag`. Raises `ReferenceInvalid`."""
    if text.startswith("oci:"):
        path, tag = split_folder(text.removeprefix("oci:"))
        if tag and not TAG.fullmatch(tag):
            raise ReferenceInvalid(f"{tag[:200]!r} is no tag: at most 128 letters, digits, '.', '_', '-'")
        return Folder(path=path, tag=tag)
    if text.startswith("tar:"):
        if not text.removeprefix("tar:"):
            raise ReferenceInvalid("tar: needs a file, such as tar:hello.tar")
        return Archive(path=Path(text.removeprefix("tar:")), name=name)
    reference = parse_reference(text)
    if reference.digest:
        raise ReferenceInvalid(f"{text[:200]!r}: an image's digest follows from what is in it; give a tag, or neither")
    return reference


def push(image: Image, destination: Destination, *, access: Access = ANONYMOUS, watch: Watch = ALONE) -> str:
    """Put an image there; the text that names it: `registry/repository@sha256:...`, `oci:DIR@sha256:...`,
    `tar:FILE@sha256:...`. Doing it again changes nothing. Raises `ImageError`, OSError."""
    if isinstance(destination, Folder):
        digest = write_folder(image, destination.path, destination.tag, watch)
        return f"oci:{destination.path}@{digest}"
    if isinstance(destination, Archive):
        digest = write_archive(image, destination.path, destination.name, watch)
        return f"tar:{destination.path}@{digest}"
    with Session(destination.registry, access, watch) as session:
        return push_to_registry(image, destination, Repository(session, destination.repository, watch), watch)


def push_to_registry(image: Image, reference: Reference, repository: Repository, watch: Watch) -> str:
    """Layers, configuration, manifest, tag, and the bill of materials beside them; what is there is not sent again."""
    manifest = image.manifest_blob
    if not repository.has_manifest(manifest.digest):
        for blob in {blob.digest: blob for blob in (*(each.blob for each in image.layers), image.config_blob)}.values():
            how = repository.push_blob(blob)
            watch.progress(f"{blob.digest[:19]} ({blob.size:,} bytes): {how}")
        repository.push_manifest(manifest, manifest.digest)
    if image.sbom:
        attach_sbom(image, manifest, repository)
    if reference.tag:
        repository.push_manifest(manifest, reference.tag)
    watch.progress(f"pushed {reference.pinned(manifest.digest)}")
    return reference.pinned(manifest.digest)


def attach_sbom(image: Image, manifest: Blob, repository: Repository) -> None:
    """The image's bill of materials, as an artifact that refers to it (`oras discover` shows it)."""
    artifact = make_artifact(image, manifest)
    if repository.has_manifest(artifact.digest):
        return
    repository.push_blob(EMPTY)
    repository.push_blob(blob_of(image.sbom, MEDIA_TYPE))
    repository.attach(artifact, manifest.digest)


def make_artifact(image: Image, manifest: Blob) -> Blob:
    """Its manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": MEDIA_TYPE,
        "config": EMPTY.descriptor,
        "layers": [blob_of(image.sbom, MEDIA_TYPE).descriptor],
        "subject": manifest.descriptor,
    }
    return blob_of(compact(document), MANIFEST)
