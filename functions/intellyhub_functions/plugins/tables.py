"""The catalogue of a flow: what is built in, and what its plugins bring. Only manifests are read; code is loaded when a
state is performed, in a process of its own."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from intellyhub_engine.catalogue.installed import installed as built_in
from intellyhub_engine.catalogue.load import Table
from intellyhub_engine.catalogue.manifest import Catalogue, SourceType, StateType
from intellyhub_engine.catalogue.names import fold, fold_source
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.code_files import code_files
from intellyhub_functions.plugins.listening.source import PluginSource
from intellyhub_functions.plugins.manifest import MANIFEST, read_manifest
from intellyhub_functions.plugins.parameters import make_parameters
from intellyhub_functions.plugins.performing import PluginState
from intellyhub_functions.plugins.plugin import InstalledPlugin, Offer, PluginManifest

if TYPE_CHECKING:
    from intellyhub_engine.language.model import Flow

__all__ = ["InstalledPlugin", "known_manifest", "make_catalogue", "provider_of", "seal_of", "stamp", "used_by"]

Kind_co = TypeVar("Kind_co", bound=StateType | SourceType, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One type that a plugin brings."""

    plugin: InstalledPlugin
    manifest: PluginManifest
    offer: Offer
    aliases: tuple[str, ...]


class Overlay(Mapping[str, Kind_co], Generic[Kind_co]):
    """What is built in, then what plugins bring; names whose code is not installed stand behind both. The plugins'
    manifests are read when a name is looked up that is not built in."""

    def __init__(self, base: Mapping[str, Kind_co], own: Callable[[], Mapping[str, Kind_co]]) -> None:
        self._base = base
        self._own: Callable[[], Mapping[str, Kind_co]] = functools.cache(own)

    def __getitem__(self, spelling: str) -> Kind_co:
        found = self._base.get(spelling)
        if found is not None and found.installed:
            return found
        brought = self._own().get(spelling)
        if brought is not None:
            return brought
        if found is None:
            raise KeyError(spelling)
        return found

    def __contains__(self, spelling: object) -> bool:
        return spelling in self._base or spelling in self._own()

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from (name for name in self._own() if name not in self._base)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def make_catalogue(installed: Sequence[InstalledPlugin]) -> Catalogue:
    """The catalogue of a flow with these plugins. What is built in and installed wins over a plugin of the same type,
    which is then found as `PLUGIN/TYPE`; the first plugin wins over later ones. Looking up a name that is not built in
    raises InputInvalid where a plugin's manifest cannot be read."""
    base = built_in()
    if not installed:
        return base
    manifests = functools.cache(lambda: [(plugin, known_manifest(plugin.folder)) for plugin in installed])

    def states() -> Mapping[str, StateType]:
        offers = [(plugin, manifest, offer) for plugin, manifest in manifests() for offer in manifest.states]
        return Table(make_lines(offers, base.states, fold), make_state, fold)

    def sources() -> Mapping[str, SourceType]:
        offers = [(plugin, manifest, offer) for plugin, manifest in manifests() for offer in manifest.listeners]
        return Table(make_lines(offers, base.sources, fold_source), make_source, fold_source)

    return Catalogue(
        states=Overlay(base.states, states),
        sources=Overlay(base.sources, sources),
        values=base.values,
        hooks=base.hooks,
        seal=make_seal(installed),
    )


def known_manifest(folder: str) -> PluginManifest:
    """As `read_manifest` gives it: read once, and again when the files that it is made of have changed. It is not to be
    changed. Raises InputInvalid."""
    return manifest_in_state(folder, tuple(stamp(Path(folder))))


@functools.lru_cache(maxsize=256)
def manifest_in_state(folder: str, _state: tuple[tuple[str, int, int], ...]) -> PluginManifest:
    return read_manifest(Path(folder))


def make_lines(
    offers: Sequence[tuple[InstalledPlugin, PluginManifest, Offer]],
    base: Mapping[str, StateType] | Mapping[str, SourceType],
    normalise: Callable[[str], str],
) -> dict[str, Line]:
    """A line per offer, under a name that is still free."""
    lines: dict[str, Line] = {}
    taken: set[str] = set()

    def is_free(name: str) -> bool:
        found = base.get(name)
        return normalise(name) not in taken and not (found is not None and found.installed)

    for plugin, manifest, offer in offers:
        full = f"{plugin.name}/{offer.type}"
        name = offer.type if is_free(offer.type) else full
        aliases = tuple(alias for alias in (*offer.aliases, full) if alias != name and is_free(alias))
        if normalise(name) not in taken:
            lines[name] = Line(plugin=plugin, manifest=manifest, offer=offer, aliases=aliases)
            taken.update(normalise(spelling) for spelling in (name, *aliases))
    return lines


def make_state(name: str, line: Line) -> StateType:
    """A plugin's state type."""
    offer = line.offer
    return StateType(
        type=name,
        aliases=line.aliases,
        description=offer.description,
        parameters=make_parameters(offer.parameters, native=offer.native),
        effect=not offer.pure,
        open_parameters=not offer.native,
        texts=not offer.native,
        example=offer.example,
        load=PluginState(plugin=line.plugin, offer=offer, secrets=line.manifest.secrets),
    )


def make_source(name: str, line: Line) -> SourceType:
    """A plugin's listener."""
    offer = line.offer
    event_type = f"io.intellyhub.plugin.{fold_source(offer.type)}"
    return SourceType(
        type=name,
        aliases=line.aliases,
        description=offer.description,
        parameters=make_parameters(offer.parameters, native=offer.native),
        event_type=event_type,
        fields={field: (field,) for field in offer.fields},
        sample=offer.sample,
        open_fields=True,
        open_parameters=not offer.native,
        load=PluginSource(plugin=line.plugin, offer=offer, secrets=line.manifest.secrets, event_type=event_type),
    )


def provider_of(kind: StateType | SourceType | None) -> InstalledPlugin | None:
    """The plugin that brings a type; None for what is built in."""
    load = kind.load if kind is not None else None
    return load.plugin if isinstance(load, PluginState | PluginSource) else None


def used_by(flow: Flow, installed: Sequence[InstalledPlugin]) -> tuple[InstalledPlugin, ...]:
    """The plugins whose states, or whose listener, a flow uses; in the order of `installed`. `flow` was read with a
    catalogue of these plugins."""
    catalogue = make_catalogue(installed)
    kinds: list[StateType | SourceType | None] = [catalogue.states.get(state.type) for state in flow.states.values()]
    if flow.listener is not None:
        kinds.append(catalogue.sources.get(flow.listener.type))
    providers = {provider_of(kind) for kind in kinds}
    return tuple(plugin for plugin in installed if plugin in providers)


def make_seal(installed: Sequence[InstalledPlugin]) -> str:
    """What compiled flows are kept by: which plugins there are, and the state of their files. Nothing is read."""
    return seal_of((plugin, stamp(Path(plugin.folder))) for plugin in installed)


def seal_of(stamps: Iterable[tuple[InstalledPlugin, list[tuple[str, int, int]]]]) -> str:
    """The same, of plugins whose files lie elsewhere, or will: with the state of each one's."""
    lines = [(plugin.name, plugin.folder, plugin.layer, state) for plugin, state in stamps]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def stamp(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of the files that say what a plugin offers."""
    try:
        names = [MANIFEST, "pyproject.toml", *code_files(folder)] if folder.is_dir() else [""]
        paths = [folder / name for name in names]
        facts = [(path.name, path.stat()) for path in paths if path.is_file()]
    except OSError:  # it is said where the manifest is read
        return []
    return [(name, found.st_size, found.st_mtime_ns) for name, found in facts]
