"""Small images for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intellyhub_knative.images.engine_layer import ENVIRONMENT
from intellyhub_knative.images.image import Image
from intellyhub_knative.images.source import this_platform
from intellyhub_knative.images.store import make_layer
from intellyhub_knative.images.tree import Entry

__all__ = ["an_engine", "an_image"]


def an_image(*contents: bytes, platform: str = "", **settings: Any) -> Image:
    """One layer per content."""
    system, architecture = (platform or this_platform()).split("/")
    layers = tuple(make_layer([Entry(path="a", content=each)], created_by="test") for each in contents or (b"base",))
    return Image(config={"os": system, "architecture": architecture, "config": settings}, layers=layers)


def an_engine(more: Sequence[str] = (), **labels: str) -> Image:
    """What looks like an engine image."""
    lines = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    return an_image(b"engine", Env=[*lines, *more], User="65532:65532", Labels=labels)
