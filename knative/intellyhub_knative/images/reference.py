"""Names of images, as Docker, containerd and Kubernetes read them: `registry/repository:tag@sha256:...`."""

from __future__ import annotations

import re

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.blob import DIGEST
from intellyhub_knative.images.errors import ReferenceInvalid

__all__ = ["DOCKER_HUB", "Reference", "parse_reference"]

DOCKER_HUB = "docker.io"
LONGEST = 255
"""Characters of registry and repository together (distribution specification 1.1)."""
REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where an image is, or shall be."""

    registry: str
    """Host and, where it is not the usual one, port."""
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """What a registry calls it within the repository."""
        return self.digest or self.tag

    def pinned(self, digest: str) -> str:
        """The text that names exactly these bytes, for ever."""
        return f"{self.registry}/{self.repository}@{digest}"


def parse_reference(text: str) -> Reference:
    """Read a name. Without a registry it is one of Docker Hub, without tag and digest `latest`. Raises
    `ReferenceInvalid`."""
    rest, _, digest = text.strip().partition("@")
    first, slash, path = rest.partition("/")
    if slash and (any(mark in first for mark in ".:[") or first == "localhost"):
        registry = first
    else:
        registry, path = DOCKER_HUB, rest
    # A colon behind the last slash begins a tag; one before it, a port.
    repository, colon, tag = path.rpartition(":") if ":" in path.rpartition("/")[2] else (path, "", "")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    reference = Reference(
        registry=registry, repository=repository, tag=tag if colon or digest else "latest", digest=digest
    )
    check(text, reference, tagged=bool(colon), named=bool(digest) or "@" in text)
    return reference


def check(text: str, reference: Reference, *, tagged: bool, named: bool) -> None:
    """Raises `ReferenceInvalid`, which says what cannot stand where."""
    shown = text[:200]
    if not REGISTRY.fullmatch(reference.registry):
        raise ReferenceInvalid(
            f"{shown!r}: {reference.registry!r} is no registry's host, such as registry.example:5000"
        )
    if not REPOSITORY.fullmatch(reference.repository):
        raise ReferenceInvalid(
            f"{shown!r}: {reference.repository!r} is no repository; they are small letters, digits, and between them"
            " '.', '_', '-' and '/'"
        )
    if len(reference.registry) + len(reference.repository) >= LONGEST:
        raise ReferenceInvalid(f"{shown!r}: registry and repository have more than {LONGEST} characters")
    if tagged and not TAG.fullmatch(reference.tag):
        raise ReferenceInvalid(f"{shown!r}: {reference.tag!r} is no tag: at most 128 letters, digits, '.', '_', '-'")
    if named and not DIGEST.fullmatch(reference.digest):
        raise ReferenceInvalid(f"{shown!r}: {reference.digest!r} is no digest such as sha256:... (64 digits)")
