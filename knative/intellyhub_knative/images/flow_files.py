"""The files of a flow's own layer: texts, compiled programs, and the tables of plugins and packages. Pure, but for the
plugins' manifests, which are read to compile a flow that uses them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.serving.program_cache import SUFFIX, pack_program
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.plugins.tables import make_catalogue, seal_of, stamp
from intellyhub_knative.images.plugin_layers import FLOW, PackedPlugin

__all__ = ["make_flow_files"]

INDEX = "plugins/plugins.json"
LAYERS = "layers.json"
CALLS = "calls.json"
TEXT = "flow.yaml"


def make_flow_files(
    text: bytes,
    *,
    name: str,
    called: Mapping[str, bytes] | None = None,
    called_names: Mapping[str, str] | None = None,
    plugins: Sequence[PackedPlugin] = (),
    layers: Mapping[str, str] | None = None,
    tables: str | None,
) -> dict[str, bytes]:
    """Files by their path below `/flow`.

    `name` is what the journal calls the flow (INTELLYHUB_FLOW_NAME); `called` are texts of flows that it calls, by
    slug, and `called_names` what the journal calls those, where that is not the slug; `layers` says where packages of
    its Python will be (`place_of_packages`), by `key_of` their requirements; `tables` is INTELLYHUB_CATALOGUE of the
    engine image, None: compile nothing, as the image runs another Python or engine (`tables_of`). Raises `FlowInvalid`,
    `InputInvalid`.
    """
    files = {TEXT: text}
    names = {TEXT: name}
    for slug, content in (called or {}).items():
        files[f"{slug}.yaml"] = content
        names[f"{slug}.yaml"] = (called_names or {}).get(slug, slug)
    if tables is not None:
        catalogue = make_catalogue([packed.plugin for packed in plugins])
        seal = make_placed_seal(plugins, catalogue)
        for path, called_name in names.items():
            files[path + SUFFIX] = pack_program(files[path], catalogue, name=called_name, plugins=seal, tables=tables)
    if plugins:
        files[INDEX] = dump({packed.plugin.name: make_row(packed.placed) for packed in plugins})
    if called_names:
        files[CALLS] = dump(dict(called_names))
    if layers:
        files[LAYERS] = dump({key: place.removeprefix(f"/{FLOW}/") for key, place in sorted(layers.items())})
    return files


def make_row(placed: InstalledPlugin) -> dict[str, str | None]:
    """A plugin's row in the index, whose paths are relative to it."""
    layer = Path(placed.layer).name if placed.layer else None
    return {"folder": placed.folder.removeprefix(f"/{FLOW}/plugins/"), "layer": layer}


def make_placed_seal(plugins: Sequence[PackedPlugin], catalogue: Catalogue) -> str:
    """The catalogue's seal as a worker will find it in the image: other places, and files without times. The worker's
    are in the order of their names."""
    if not plugins:
        return catalogue.seal
    placed = sorted(plugins, key=lambda packed: packed.plugin.name)
    return seal_of((packed.placed, timeless(Path(packed.plugin.folder))) for packed in placed)


def timeless(folder: Path) -> list[tuple[str, int, int]]:
    """The state of a plugin's files where all times are 0."""
    return [(name, size, 0) for name, size, _ in stamp(folder)]


def dump(document: Mapping[str, object]) -> bytes:
    """JSON for people and programs."""
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
