"""Plugins that somebody may want to install: found in a folder, read, and told about. Nothing of them has run."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from intellyhub_control_plane.plugins.files import Files, digest_of, read_folder, write_files
from intellyhub_control_plane.plugins.needs import Needs, find_needs
from intellyhub_control_plane.plugins.origins import PACKAGE_PREFIX, Origin
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.manifest import MANIFEST, read_manifest
from intellyhub_functions.plugins.plugin import PluginManifest
from intellyhub_functions.plugins.project import table

__all__ = ["ICON", "NAME", "Candidate", "find_plugin_folders", "make_candidate", "plugin_name", "read_candidate"]

NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")
ROOM = "plugins"
"""Where a repository of plugins keeps them."""
PROJECT = "pyproject.toml"
MOST = 500
"""Plugins of one folder."""
ICON = "icon.svg"
"""A plugin's picture, in its folder."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A plugin's files, and what they say of themselves."""

    name: str
    """Its id: what it is installed, listed and removed by."""
    manifest: PluginManifest
    needs: Needs
    files: Files
    digest: str
    origin: Origin
    revision: str = ""
    """Of a repository: the commit."""
    single: str = ""
    """The name of its one file, where it is no folder."""


def plugin_name(text: str) -> str:
    """The one spelling of a plugin's id. Raises `InputInvalid`."""
    name = re.sub(r"[\s_]+", "-", text.strip().lower()).removeprefix(PACKAGE_PREFIX)
    if not NAME.match(name):
        raise InputInvalid(f"{text[:100]!r} is no name of a plugin; they are made of letters, digits, '.', '_' and '-'")
    return name


def find_plugin_folders(root: Path) -> list[Path]:
    """The plugins below a folder: itself, else those in its folder `plugins`, else those directly in it."""
    if (root / MANIFEST).is_file():
        return [root]
    for room in (root / ROOM, root):
        if found := sorted(path.parent for path in children(room) if path.is_file()):
            return found[:MOST]
    return [root] if is_native(root) else []


def children(room: Path) -> Iterator[Path]:
    """Where manifests would be."""
    if room.is_dir() and not room.is_symlink():
        yield from (each / MANIFEST for each in room.iterdir() if not each.is_symlink() and each.name[:1] != ".")


def is_native(root: Path) -> bool:
    """Whether a folder is a project with a plugin whose manifest is made from its code."""
    try:
        settings = tomllib.loads((root / PROJECT).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    name = table(settings, "project").get("name", "")
    return "intellyhub" in table(settings, "tool") or str(name).startswith(PACKAGE_PREFIX)


def read_candidate(path: Path, origin: Origin, *, revision: str = "", also: tuple[str, ...] = ()) -> Candidate:
    """The plugin in a folder or in one Python file. Raises `InputInvalid`."""
    if path.is_file():
        files = {path.name: path.read_bytes()}
    elif path.is_dir():
        files = read_folder(path)
    else:
        raise InputInvalid(f"there is no plugin at {path}")
    return make_candidate(files, path.name, origin, revision=revision, also=also)


def make_candidate(
    files: Files, name: str, origin: Origin, *, revision: str = "", also: tuple[str, ...] = ()
) -> Candidate:
    """A plugin from its files, which came from a folder (or are one file) called `name`. `also`: requirements that its
    package has beside those of its manifest. Raises `InputInvalid`."""
    single = name if list(files) == [name] and name.endswith(".py") else ""
    with tempfile.TemporaryDirectory(prefix="intellyhub-") as scratch:
        folder = Path(scratch, Path(name).stem or "plugin")
        write_files(folder, files)
        try:
            manifest = read_manifest(folder / single if single else folder)
        except InputInvalid as fault:
            raise InputInvalid(str(fault).replace(f"{scratch}/", "")) from None
    return Candidate(
        name=plugin_name(manifest.name),
        manifest=manifest,
        needs=find_needs(manifest, files, also=also),
        files=files,
        digest=digest_of(files),
        origin=origin,
        revision=revision,
        single=single,
    )
