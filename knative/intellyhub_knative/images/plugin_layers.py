"""Plugins and packages as layers of a flow's image: one layer each, shared by all flows that use the same.

They lie where a worker looks for plugins beside its flow (`intellyhub_functions.plugins.beside`): `/flow/plugins/NAME/
DIGEST` and `/flow/plugins/.layers/HASH`. Modules are compiled: a root file system that is read-only keeps nothing.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_knative.images.blob import chunks_of
from intellyhub_knative.images.bytecode import compiled_name, make_pyc
from intellyhub_knative.images.errors import LayerRefused
from intellyhub_knative.images.image import Layer
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.store import Store
from intellyhub_knative.images.tree import Entry, entries_of_folder

__all__ = [
    "FLOW",
    "PLUGINS",
    "PackedPlugin",
    "make_package_layer",
    "pack_plugins",
    "place_of_packages",
    "with_bytecode",
]

FLOW = "flow"
PLUGINS = f"{FLOW}/plugins"
PACKAGES = f"{PLUGINS}/.layers"
KEY_DIGITS = 32
THIS_PYTHON = platform.python_version()


@dataclass(frozen=True, kw_only=True)
class PackedPlugin:
    """A plugin, its layers, and where it will be."""

    plugin: InstalledPlugin
    """As it is here."""
    placed: InstalledPlugin
    """As it is in the image."""
    layers: tuple[Layer, ...]
    cached: bool
    """Nothing had to be made."""


def pack_plugins(
    plugins: Sequence[InstalledPlugin], store: Store, *, python: str = THIS_PYTHON, watch: Watch = ALONE
) -> tuple[PackedPlugin, ...]:
    """The layers of some plugins; those that were made before are taken from the store. Modules are compiled by this
    Python, whose version is part of the key. Raises `LayerRefused`, OSError."""
    return tuple(pack_plugin(plugin, store, python, watch) for plugin in plugins)


def pack_plugin(plugin: InstalledPlugin, store: Store, python: str, watch: Watch) -> PackedPlugin:
    """One of them."""
    source = Path(plugin.folder)
    key = digest_of_files(source)
    place = f"{PLUGINS}/{plugin.name}/{key}"

    def entries() -> Iterator[Entry]:
        return with_bytecode(entries_of_folder(source, place))

    layer, cached = store.layer(f"plugin {python} {place}", entries, created_by=f"plugin {plugin.name}", watch=watch)
    watch.progress(f"plugin {plugin.name}: {layer.blob.size:,} bytes{', from the cache' if cached else ''}")
    layers, packages = [layer], None
    if plugin.layer:
        below, old = make_package_layer(Path(plugin.layer), store, python=python, watch=watch)
        layers, packages, cached = [below, layer], place_of_packages(Path(plugin.layer)), cached and old
    placed = InstalledPlugin(
        name=plugin.name,
        folder=f"/{place}/{source.name}" if source.is_file() else f"/{place}",
        layer=packages,
    )
    return PackedPlugin(plugin=plugin, placed=placed, layers=tuple(layers), cached=cached)


def make_package_layer(
    folder: Path, store: Store, *, python: str = THIS_PYTHON, watch: Watch = ALONE
) -> tuple[Layer, bool]:
    """The layer of a folder of packages, named by its hash (`intellyhub_functions.layers`); whether it was there
    already. Raises `LayerRefused`, OSError."""
    if not folder.is_dir():
        raise LayerRefused(f"the packages in {folder} are not there; install the plugin, or publish the flow, again")
    place = place_of_packages(folder).lstrip("/")

    def entries() -> Iterator[Entry]:
        return with_bytecode(entries_of_folder(folder, place))

    layer, cached = store.layer(
        f"packages {python} {place}", entries, created_by=f"packages {folder.name}", watch=watch
    )
    watch.progress(f"packages {folder.name}: {layer.blob.size:,} bytes{', from the cache' if cached else ''}")
    return layer, cached


def place_of_packages(folder: Path) -> str:
    """Where a folder of packages will be in the image."""
    return f"/{PACKAGES}/{folder.name}"


def with_bytecode(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same files, and a compiled one beside each module; what is no Python of this version has none."""
    for entry in entries:
        yield entry
        if entry.path.endswith(".py") and not entry.link:
            source = entry.content if isinstance(entry.content, bytes) else entry.content.read_bytes()
            try:
                yield Entry(path=compiled_name(entry.path), content=make_pyc(source, f"/{entry.path}"))
            except (SyntaxError, ValueError):  # a template, or of another Python: it is told when it is imported
                continue


def digest_of_files(place: Path) -> str:
    """What a plugin's files are, in 32 hexadecimal digits: their names and contents."""
    made = hashlib.sha256()
    for entry in entries_of_folder(place, "plugin"):
        inner = hashlib.sha256()
        if isinstance(entry.content, Path):
            with entry.content.open("rb") as file:
                for chunk in chunks_of(file):
                    inner.update(chunk)
        made.update(f"{entry.path}\0{entry.link}\0{entry.executable}\0{inner.hexdigest()}\n".encode())
    return made.hexdigest()[:KEY_DIGITS]
