"""What builders are told by their environment."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import field

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.builds.variables import ENGINE, REGISTRY, engine_image
from intellyhub_knative.images.reference import parse_reference
from intellyhub_knative.images.registry.access import Access, read_access

__all__ = ["BuildSettings", "read_build_settings"]

CACHE_BYTES = "INTELLYHUB_BUILD_CACHE_BYTES"


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """Settings of one builder. docs/builds.md lists the variables."""

    engine: str = ""
    """`INTELLYHUB_ENGINE_IMAGE` (or `FSM_EXECUTOR_IMAGE`): what flows' images are built on."""
    registry: str = ""
    """`INTELLYHUB_REGISTRY`: beginning of the images' names, `registry.example/flows`."""
    access: Access = field(default_factory=Access, repr=False)
    """How registries are reached, and who we are there."""
    cache_bytes: int = 8 << 30
    """`INTELLYHUB_BUILD_CACHE_BYTES`: layers that are kept for builds to come."""
    builder: str = ""
    """Who builds: the pod's or the machine's name."""

    def missing(self, target: str = "") -> str:
        """What has to be set before images can be built for a target, or for the platform, in a sentence; empty:
        nothing."""
        needed = ((ENGINE, self.engine), (REGISTRY, self.registry or target))
        missing = [name for name, value in needed if not value]
        if not missing:
            return ""
        return (
            f"{' and '.join(missing)} must be set where flows are built: the engine image, and the registry's"
            " repository to which images of flows go, such as registry.example/flows"
        )


def read_build_settings(environment: Mapping[str, str]) -> BuildSettings:
    """From the environment; empty means unset. Raises `InputInvalid`."""
    registry = environment.get(REGISTRY, "").rstrip("/")
    if registry:
        parse_reference(f"{registry}/flow")
    written = environment.get(CACHE_BYTES) or str(BuildSettings.cache_bytes)
    if not written.isascii() or not written.isdigit():
        raise InputInvalid(f"{CACHE_BYTES} is {written!r}; it is a number of bytes")
    return BuildSettings(
        engine=engine_image(environment),
        registry=registry,
        access=read_access(environment),
        cache_bytes=int(written),
        builder=f"{socket.gethostname()[:80]}-{environment.get('INTELLYHUB_DATA', '')[-30:]}",
    )
