"""A flow's image: the engine image, the layers of what the flow uses, and one small layer with the flow. Pure."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from intellyhub_knative.images.errors import BaseUnusable
from intellyhub_knative.images.image import NAMES_LIMIT, Image, Layer, add_layer
from intellyhub_knative.images.plugin_layers import FLOW
from intellyhub_knative.images.store import make_layer
from intellyhub_knative.images.tree import entries_of_texts

__all__ = ["EPOCH", "PYTHON", "make_flow_image", "tables_of"]

EPOCH = "1970-01-01T00:00:00Z"
"""When an image was made that says nothing of it."""
PYTHON = "intellyhub.dev/python"
"""The label of an engine image that says which Python runs in it, `3.11.9`; else Docker's own PYTHON_VERSION."""
ENGINE = "intellyhub.dev/engine"
"""The label that says which engine is in it."""
FLOW_FILE = "/flow/flow.yaml"


def tables_of(base: Image) -> str | None:
    """INTELLYHUB_CATALOGUE of an engine image; None where flows cannot be compiled for it here: its Python is another
    one, or it does not say which. Flows then start as well, but some 30 ms later."""
    found = base.labels.get(PYTHON) or base.environment.get("PYTHON_VERSION")
    return base.environment.get("INTELLYHUB_CATALOGUE", "") if found == platform.python_version() else None


def make_flow_image(
    base: Image,
    *,
    flow_files: Mapping[str, bytes],
    layers: Sequence[Layer] = (),
    labels: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    packages: Sequence[str] = (),
    created: str = EPOCH,
    sbom: bytes = b"",
) -> Image:
    """The image of one flow version.

    `flow_files` go below `/flow` (`make_flow_files`); `layers` lie between the engine and the flow, each once, in an
    order of their own, so that flows share them; `packages` are folders in them that every module of the worker may
    import from, behind the engine's own; `created` is RFC 3339, and the same for the same image. Raises `BaseUnusable`,
    `LayerRefused`.
    """
    check_base(base)
    image = replace(
        base,
        config={**base.config, "created": created, "config": make_settings(base, labels, environment, packages)},
        sbom=sbom,
    )
    for layer in {layer.diff_id: layer for layer in sorted(layers, key=lambda each: each.diff_id)}.values():
        image = add_layer(image, layer, created)
    image = add_layer(image, make_layer(entries_of_texts(flow_files, FLOW), created_by="flow"), created)
    if len(image.layers) > NAMES_LIMIT:
        raise BaseUnusable(f"the image would have {len(image.layers)} layers; {NAMES_LIMIT} are possible")
    return image


def check_base(base: Image) -> None:
    """Raises `BaseUnusable` for an image without an engine."""
    if base.environment.get("INTELLYHUB_FLOW") != FLOW_FILE:
        name = base.annotations.get("org.opencontainers.image.base.name", "the base image")
        raise BaseUnusable(
            f"{name} is no engine image: INTELLYHUB_FLOW is not {FLOW_FILE} in it"
            " (build one with `make image`, or name another)"
        )
    if base.config.get("os") != "linux":
        raise BaseUnusable(f"the base image is for {base.config.get('os')!r}; flows run on linux")


def make_settings(
    base: Image,
    labels: Mapping[str, str] | None,
    environment: Mapping[str, str] | None,
    packages: Sequence[str],
) -> dict[str, Any]:
    """What a container of the image is started with: all of the base's, and more variables and labels."""
    variables = {**base.environment, **(environment or {})}
    if packages:
        path = variables.get("PYTHONPATH", "")
        variables["PYTHONPATH"] = ":".join(filter(None, (path, *packages)))
    settings = {**base.settings, "Env": [f"{name}={value}" for name, value in variables.items()]}
    if labels or base.labels:
        settings["Labels"] = {**base.labels, **(labels or {})}
    return settings
