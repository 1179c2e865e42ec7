"""Repositories of plugins: what they offer, looked up by name, by type and by words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from intellyhub_control_plane.plugins.candidates import Candidate, plugin_name
from intellyhub_control_plane.plugins.fetching import Fetcher, pick
from intellyhub_control_plane.plugins.origins import PACKAGE_PREFIX, Kind, Origin, read_origin
from intellyhub_control_plane.plugins.store import Row
from intellyhub_engine.catalogue.names import fold, fold_source
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass

__all__ = ["Listing", "Repository", "find_newest", "find_plugins", "list_offers", "matches", "offers", "satisfies"]


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A git repository with many plugins."""

    address: str
    """As `git+https://host/repository@reference`."""
    key: str | None = None
    """Who must have signed its plugins; None: nobody must."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One plugin that a repository offers."""

    name: str
    version: str
    description: str
    author: str
    license: str
    kind: str
    state_types: tuple[str, ...]
    listener_types: tuple[str, ...]
    requirements: tuple[str, ...]
    digest: str
    revision: str
    origin: str
    key: str | None = None


def list_offers(fetcher: Fetcher, repository: Repository) -> list[Listing]:
    """Fetch a repository and read every manifest in it. Raises `InputInvalid`."""
    found = fetcher.fetch(read_origin(repository.address))
    return [make_listing(candidate, repository.key) for candidate in found]


def make_listing(candidate: Candidate, key: str | None) -> Listing:
    manifest = candidate.manifest
    return Listing(
        name=candidate.name,
        version=manifest.version,
        description=manifest.description,
        author=manifest.author,
        license=manifest.license,
        kind=manifest.kind,
        state_types=manifest.state_types,
        listener_types=manifest.listener_types,
        requirements=candidate.needs.requirements,
        digest=candidate.digest,
        revision=candidate.revision,
        origin=str(candidate.origin),
        key=key,
    )


def find_plugins(
    fetcher: Fetcher, origin: Origin, listings: Iterable[Listing], *, all_of_them: bool = False
) -> list[tuple[Candidate, str | None]]:
    """What a person means, each with the key that must have signed it. A name is looked up in the listings, then as a
    package. Raises `InputInvalid`."""
    if origin.kind is not Kind.NAME:
        found = fetcher.fetch(origin)
        if len(found) > 1 and not all_of_them and origin.kind is Kind.GIT:
            names = ", ".join(candidate.name for candidate in found)
            raise InputInvalid(
                f"{origin} holds {len(found)} plugins: {names}; name one with #subdirectory=, or take all with --all"
            )
        return [(candidate, None) for candidate in found]
    name = plugin_name(origin.address)
    listed = next((each for each in listings if each.name == name and satisfies(each.version, origin.bounds)), None)
    if listed is not None:
        return [(pick(fetcher.fetch(read_origin(listed.origin)), name), listed.key)]
    package = replace(origin, kind=Kind.PACKAGE, address=PACKAGE_PREFIX + name)
    try:
        return [(candidate, None) for candidate in fetcher.fetch(package)]
    except InputInvalid as fault:
        raise InputInvalid(
            f"no known repository offers the plugin {name!r}{f' {origin.bounds}' * bool(origin.bounds)}, and {fault}"
        ) from fault


def find_newest(fetcher: Fetcher, row: Row, listings: Iterable[Listing]) -> Candidate:
    """What an installed plugin's own source offers now. Raises `InputInvalid`."""
    found = find_plugins(fetcher, read_origin(row.source), listings, all_of_them=True)
    return pick([candidate for candidate, _ in found], row.name)


def satisfies(version: str, bounds: str) -> bool:
    """Whether a version will do. One that is not written as versions are does for every bound but its own contrary."""
    if not bounds:
        return True
    try:
        return SpecifierSet(bounds).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True
    except InvalidSpecifier as fault:
        raise InputInvalid(f"{bounds!r} is no bound for versions, such as >=1.2,<2") from fault


class Told(Protocol):
    """What is told of a plugin, wherever it is."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def state_types(self) -> Sequence[str]: ...
    @property
    def listener_types(self) -> Sequence[str]: ...


def matches(plugin: Told, text: str) -> bool:
    """Whether all words of the text are found in what is told of a plugin."""
    told = " ".join((plugin.name, plugin.description, *plugin.state_types, *plugin.listener_types)).casefold()
    return all(word in told for word in text.casefold().split())


def offers(listings: Sequence[Listing], *, state: str | None = None, listener: str | None = None) -> Listing | None:
    """The first plugin that offers a state type, or a listener, in any spelling."""
    for listing in listings:
        if state is not None and fold(state) in map(fold, listing.state_types):
            return listing
        if listener is not None and fold_source(listener) in map(fold_source, listing.listener_types):
            return listing
    return None
