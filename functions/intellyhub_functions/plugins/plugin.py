"""What a plugin is once it is installed, and what its manifest says it offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from intellyhub_engine.catalogue.names import fold, fold_source
from intellyhub_engine.frozen import dataclass

__all__ = ["InstalledPlugin", "Offer", "PluginManifest", "spelled"]


@dataclass(frozen=True, kw_only=True)
class InstalledPlugin:
    """A plugin of one flow. Paths are absolute."""

    name: str
    folder: str
    """Its files; a single Python file is a plugin too."""
    layer: str | None = None
    """The folder of what it requires: on `sys.path` where this plugin runs, and nowhere else."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One state type, or one source, of a plugin."""

    type: str
    aliases: tuple[str, ...] = ()
    module: str
    """The file of its code, relative to the plugin's folder."""
    name: str | None = None
    """The class or function in it; None: the class that registers itself under the type."""
    native: bool = False
    """Written with `intellyhub`; else a class of the interface that was published for IntellyHub."""
    description: str = ""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """As in `documentation.parameters`."""
    fields: tuple[str, ...] = ()
    """Of a source: the keys of its events' data, as far as they are known."""
    sample: Mapping[str, Any] = field(default_factory=dict)
    pure: bool = False
    timeout_seconds: float | None = None
    example: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class PluginManifest:
    """What a manifest says, whatever its shape; written down, or made from the code's text."""

    name: str
    version: str
    description: str
    author: str
    license: str
    kind: str
    """`state` or `listener`: the first of what it offers."""
    entry_file: str
    states: tuple[Offer, ...]
    listeners: tuple[Offer, ...]
    requirements: tuple[str, ...]
    """As written."""
    optional_requirements: tuple[str, ...]
    secrets: tuple[str, ...]
    """Names that a native plugin may see of the tenant's secrets and variables."""
    document: Mapping[str, Any]
    """The manifest as JSON."""

    @property
    def state_types(self) -> tuple[str, ...]:
        """Every spelling its states answer to."""
        return spellings(self.states)

    @property
    def listener_types(self) -> tuple[str, ...]:
        """Every spelling its listeners answer to."""
        return spellings(self.listeners)


def spellings(offers: tuple[Offer, ...]) -> tuple[str, ...]:
    """Types and aliases, each once."""
    return tuple(dict.fromkeys(name for offer in offers for name in (offer.type, *offer.aliases)))


def spelled(name: str, *, listener: bool) -> str:
    """One form of all spellings of a published type, without what separates words."""
    return fold_source(name) if listener else fold(name).replace("_", "")
