"""Fetches plugins from where they are: repositories and packages behind walls, folders of this machine directly."""

from __future__ import annotations

import email
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from intellyhub_control_plane.cloning import clone
from intellyhub_control_plane.plugins.candidates import Candidate, find_plugin_folders, plugin_name, read_candidate
from intellyhub_control_plane.plugins.files import MOST_BYTES, MOST_FILES
from intellyhub_control_plane.plugins.origins import PACKAGE_PREFIX, Kind, Origin
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.layers.installer import explain, pip, pip_environment, readable_places
from intellyhub_functions.layers.requirements import normalise
from intellyhub_functions.layers.workshop import WorkFailed, Workshop, ignore
from intellyhub_functions.plugins.manifest import MANIFEST
from intellyhub_functions.plugins.plugin import PluginManifest

__all__ = ["Fetcher"]

SECONDS = 120.0
MOST_REPOSITORY_BYTES = 512 << 20
OURS = ("intellyhub", "intellyhub-engine", "intellyhub-functions")


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Fetches for one owner."""

    is_local: bool = False
    """Whether folders of this machine may be named: by the person whose machine it is, by nobody else."""
    scratch: Path | None = None
    user: int = 0
    """Whose work it is, behind the walls."""
    fill_in: Callable[[str], str] = str
    """Puts secrets into the places that an address has for them."""
    tell: Callable[[str], None] = ignore
    """Hears what is fetched."""

    def fetch(self, origin: Origin) -> list[Candidate]:
        """Every plugin that is there. Raises `InputInvalid`."""
        if origin.kind is Kind.FOLDER:
            return self._read_folder(origin)
        self.tell(f"fetching {origin}")
        if origin.kind is Kind.GIT:
            return self._fetch_repository(origin)
        if origin.kind is Kind.PACKAGE:
            return [self._fetch_package(origin)]
        raise InputInvalid(f"{origin} cannot be fetched from anywhere")

    def _read_folder(self, origin: Origin) -> list[Candidate]:
        if not self.is_local:
            raise InputInvalid(f"{origin} is a folder: send its files, as `intellyhub plugins install` does")
        path = Path(origin.address).expanduser().resolve()
        if path.is_file():
            return [read_candidate(path, origin)]
        folders = find_plugin_folders(path)
        if not folders:
            raise InputInvalid(f"there is no plugin in {origin.address}: no folder there has a {MANIFEST}")
        return [read_candidate(folder, replace(origin, address=str(folder))) for folder in folders]

    def _fetch_repository(self, origin: Origin) -> list[Candidate]:
        fetched = clone(
            self.fill_in(origin.address),
            origin.reference,
            name=str(origin),
            scratch=self.scratch,
            user=self.user,
            is_local=self.is_local,
        )
        with fetched as (top, revision):
            root = inside(top, origin.subfolder) if origin.subfolder else top
            folders = find_plugin_folders(root)
            if not folders:
                raise InputInvalid(f"there is no plugin in {origin}: no folder there has a {MANIFEST}")
            return [
                read_candidate(folder, replace(origin, subfolder=place_of(folder, top)), revision=revision)
                for folder in folders
            ]

    def _fetch_package(self, origin: Origin) -> Candidate:
        """A wheel: nothing of it is run."""
        name = origin.address if origin.address.startswith(PACKAGE_PREFIX) else PACKAGE_PREFIX + origin.address
        (wanted,) = normalise([f"{name}{origin.bounds}"])
        with Workshop(self.scratch, user=self.user, readable=readable_places()) as workshop:
            program = pip(
                "wheel", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "-w", "wheels", wanted
            )
            try:
                workshop.run(program, environment=pip_environment(), seconds=SECONDS, most_bytes=MOST_REPOSITORY_BYTES)
            except WorkFailed as fault:
                raise InputInvalid(f"{wanted} cannot be fetched: {pip_reason(fault)}") from fault
            wheel = next((workshop.folder / "wheels").glob("*.whl"))
            unpacked = workshop.folder / "unpacked"
            facts = unpack(wheel, unpacked)
            also = tuple(line for line in facts.get_all("Requires-Dist", []) if is_required(line))
            found = read_candidate(package_folder(unpacked, name), origin, also=also)
            version = str(facts["Version"])
            manifest = found.manifest if MANIFEST in found.files else with_version(found.manifest, version)
            return replace(found, name=plugin_name(name), manifest=manifest, revision=version)


def with_version(manifest: PluginManifest, version: str) -> PluginManifest:
    return replace(manifest, version=version, document={**manifest.document, "version": version})


def pip_reason(fault: WorkFailed) -> str:
    """What pip complained of, in short."""
    return explain(fault.output, builds=False) if fault.output else str(fault)


def inside(root: Path, subfolder: str) -> Path:
    """A folder below the root. Raises `InputInvalid`."""
    found = root / subfolder
    if ".." in Path(subfolder).parts or not found.is_dir():
        raise InputInvalid(f"the repository has no folder {subfolder!r}")
    return found


def place_of(folder: Path, top: Path) -> str:
    place = folder.relative_to(top).as_posix()
    return "" if place == "." else place


def unpack(wheel: Path, target: Path) -> email.message.Message:
    """Unpack a wheel within bounds; its METADATA. Raises `InputInvalid`."""
    with zipfile.ZipFile(wheel) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise InputInvalid(
                f"{wheel.name} is larger than a plugin may be: {MOST_BYTES >> 20} MB, {MOST_FILES} files"
            )
        for entry in entries:
            archive.extract(entry, target)
    described = list(target.glob("*.dist-info/METADATA"))
    if len(described) != 1:
        raise InputInvalid(f"{wheel.name} is no wheel: it does not say what it is")
    return email.message_from_bytes(described[0].read_bytes())


def package_folder(unpacked: Path, name: str) -> Path:
    """Where in an unpacked wheel the plugin is."""
    folders = sorted(
        each for each in unpacked.iterdir() if each.is_dir() and not each.name.endswith((".dist-info", ".data"))
    )
    module = name.replace("-", "_").lower()
    found = [each for each in folders if (each / MANIFEST).is_file()] or [
        each for each in folders if each.name == module
    ]
    if not found:
        files = sorted(unpacked.glob("*.py"))
        found = files if len(files) == 1 else folders[:1] if len(folders) == 1 else []
    if not found:
        raise InputInvalid(f"the package {name} holds no plugin: none of its folders has a {MANIFEST}")
    shutil.rmtree(unpacked / "__pycache__", ignore_errors=True)
    return found[0]


def is_required(line: str) -> bool:
    """Whether a requirement of a package's is one for all, and not what runs the plugin anyhow."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return wanted and requirement.name.lower().replace("_", "-") not in OURS


def pick(candidates: Sequence[Candidate], name: str) -> Candidate:
    """The one that is called so. Raises `InputInvalid`."""
    found = next((each for each in candidates if each.name == name), None)
    if found is None:
        raise InputInvalid(
            f"there is no plugin {name!r} there; there are {', '.join(each.name for each in candidates)}"
        )
    return found
