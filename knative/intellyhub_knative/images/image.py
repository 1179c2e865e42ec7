"""Images: a configuration over layers, and the manifest that names them (OCI image specification 1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.blob import Blob, blob_of, compact

__all__ = ["CONFIG", "INDEX", "LAYER", "MANIFEST", "NAMES_LIMIT", "Image", "Layer", "add_layer", "make_index"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NAMES_LIMIT = 127
"""Layers that overlay file systems take at most, in practice."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A tar of files, compressed."""

    blob: Blob
    diff_id: str
    """The digest of the tar before it was compressed."""
    created_by: str = ""
    """What made it, for people who look at an image's history."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What a registry holds under one digest."""

    config: Mapping[str, Any]
    """The configuration document, without `rootfs` and `history`."""
    layers: tuple[Layer, ...]
    """The lowest first."""
    history: tuple[Mapping[str, Any], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    sbom: bytes = b""
    """CycloneDX, JSON: goes to a registry beside the image."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a container is started with: `Env`, `Cmd`, `User`, `Labels`, ..."""
        found = self.config.get("config")
        return found if isinstance(found, Mapping) else {}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it sets."""
        lines = self.settings.get("Env") or ()
        return {name: value for name, _, value in (str(line).partition("=") for line in lines)}

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.settings.get("Labels") or {})

    @property
    def platform(self) -> dict[str, str]:
        """`os`, `architecture` and, where there is one, `variant`."""
        return {key: self.config[key] for key in ("architecture", "os", "variant") if self.config.get(key)}

    @property
    def config_blob(self) -> Blob:
        """The configuration as it is stored."""
        diff_ids = [layer.diff_id for layer in self.layers]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        return blob_of(compact({**self.config, "rootfs": rootfs, "history": list(self.history)}), CONFIG)

    @property
    def manifest_blob(self) -> Blob:
        """The manifest as it is stored; its digest is the image's."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config_blob.descriptor,
            "layers": [layer.blob.descriptor for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return blob_of(compact(document), MANIFEST)

    @property
    def digest(self) -> str:
        """The manifest's."""
        return self.manifest_blob.digest

    @property
    def size(self) -> int:
        """Bytes in a registry, all layers and documents, as if nothing of it were there yet."""
        documents = self.config_blob.size + self.manifest_blob.size
        return documents + sum(blob.size for blob in {layer.blob.digest: layer.blob for layer in self.layers}.values())


def add_layer(image: Image, layer: Layer, created: str) -> Image:
    """The image with one more layer on top. Whoever tells a history tells it of every layer
    (https://github.com/opencontainers/image-spec/blob/main/config.md#properties): some tools refuse others."""
    told = sum(not line.get("empty_layer") for line in image.history)
    untold = ({"comment": "its base says nothing of this layer"},) * (len(image.layers) - told)
    line = {"created": created, "created_by": layer.created_by, "comment": "intellyhub"}
    return replace(image, layers=(*image.layers, layer), history=(*untold, *image.history, line))


def make_index(image: Image, names: Mapping[str, str]) -> Blob:
    """An index of this one image; `names` are annotations of its row, such as its tag."""
    row: dict[str, Any] = {**image.manifest_blob.descriptor, "platform": image.platform}
    if names:
        row["annotations"] = dict(names)
    return blob_of(compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]}), INDEX)
