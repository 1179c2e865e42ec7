"""Everything that can go wrong with images, as one tree.

ImageError
├── ReferenceInvalid        a text names no image, base or destination
├── CredentialsUnusable     Docker's configuration holds none that can be used here
├── BaseUnusable            the base image cannot carry a flow: no such platform, no engine in it, damaged
├── LayerRefused            files that a layer does not hold: devices, ways out of it, more than is allowed
├── ContentDamaged          bytes are not those of their digest
├── BuildCancelled          whoever asked for it no longer wants it
└── RegistryError           a registry did not do what was asked
    ├── RegistryUnreachable     nobody answers there, or not as a registry; may pass
    └── RegistryRefused         it answered, and says no; knows the status
"""

from __future__ import annotations

from intellyhub_engine.errors import InputInvalid

__all__ = [
    "BaseUnusable",
    "BuildCancelled",
    "ContentDamaged",
    "CredentialsUnusable",
    "ImageError",
    "LayerRefused",
    "ReferenceInvalid",
    "RegistryError",
    "RegistryRefused",
    "RegistryUnreachable",
]


class ImageError(InputInvalid):
    """An image cannot be made, read or written; the message says which and what to do."""


class ReferenceInvalid(ImageError):
    """A text names no image, base or destination."""


class CredentialsUnusable(ImageError):
    """Docker's configuration holds credentials in a way that cannot be used here."""


class BaseUnusable(ImageError):
    """The base image cannot carry a flow."""


class LayerRefused(ImageError):
    """Files that a layer does not hold."""


class ContentDamaged(ImageError):
    """Bytes are not those of their digest."""


class BuildCancelled(ImageError):
    """Whoever asked for it no longer wants it."""


class RegistryError(ImageError):
    """A registry did not do what was asked."""


class RegistryUnreachable(RegistryError):
    """Nobody answers there, or not as a registry does. It may pass."""


class RegistryRefused(RegistryError):
    """A registry says no. `status` is that of its answer."""

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)
