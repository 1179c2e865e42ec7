"""Where installed plugins are kept: `plugins.json`, and each plugin's files under its digest."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intellyhub_control_plane.plugins.candidates import ICON, NAME, Candidate
from intellyhub_control_plane.plugins.files import digest_of, hex_of, read_archive, read_folder, write_files
from intellyhub_control_plane.plugins.keeping import Alone, Keeping, Turn
from intellyhub_control_plane.plugins.signatures import check_signature, read_key
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.layers.layers import Layer, LayerFailed, LayerStore
from intellyhub_functions.layers.records import held, record_text, replace_record
from intellyhub_functions.layers.requirements import normalise
from intellyhub_functions.layers.workshop import ignore
from intellyhub_functions.plugins.beside import INDEX
from intellyhub_functions.plugins.manifest import read_manifest
from intellyhub_functions.plugins.plugin import InstalledPlugin, PluginManifest

__all__ = ["LOCKS", "Choices", "Row", "Store"]

LOG = logging.getLogger(__name__)
LOCKS = "locks.json"
MADE_HERE = "made-here.json"
"""The layers that were made for what others have locked: built from source, each machine's are its own."""
SCRATCH, HOLD = ".scratch", ".lock"
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
MOST = 200


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What whoever installs a plugin decides."""

    digest: str | None = None
    """What the files must be: those that were looked at."""
    key: str | None = None
    """The public key that must have signed them."""
    builds: bool = False
    """Requirements may be built from source, which runs their code, behind walls."""
    without: tuple[str, ...] = ()
    """Requirements to be left out, by name."""
    constraints: tuple[str, ...] = ()
    """Bounds for versions of packages, such as `langchain<0.4`."""
    lock: tuple[str, ...] = ()
    """The very versions and hashes of packages, as `freeze` writes them."""


NOTHING_CHOSEN = Choices()
ALONE = Alone()


@dataclass(frozen=True, kw_only=True)
class Row:
    """An installed plugin."""

    name: str
    version: str
    digest: str
    source: str
    """Where it came from, as a person names it."""
    requirements: tuple[str, ...]
    layer: str | None
    """The hash of the layer that holds them."""
    lock: tuple[str, ...] = ()
    """What is in it, pinned; empty too where something was built here, which nobody else would get just so."""
    folder: str
    """Its files, relative to the store: a folder, or a Python file."""
    installed_at: str
    """RFC 3339, UTC."""
    revision: str = ""
    key: str | None = None
    without: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    builds: bool = False

    @property
    def choices(self) -> Choices:
        """What goes for its next version too: all that was decided but the pins."""
        return Choices(key=self.key, builds=self.builds, without=self.without, constraints=self.constraints)


@dataclass(frozen=True, kw_only=True)
class Store:
    """The plugins of one owner, in a folder. For many processes; what others share of it, `keeping` says."""

    folder: Path
    layers: Path
    owner: str = ""
    user: int = 0
    """Whose work it is to resolve requirements, behind walls."""
    scratch: Path | None = None
    tell: Callable[[str], None] = ignore
    """Hears, step by step, what is done."""
    keeping: Keeping = ALONE

    @property
    def locks(self) -> LayerStore:
        """The layers of these plugins."""
        return LayerStore(
            layers=self.layers,
            locks=self.folder / LOCKS,
            scratch=self.scratch or self.folder / SCRATCH,
            owner=self.owner,
            user=self.user,
            tell=self.tell,
        )

    def rows(self) -> dict[str, Row]:
        """What is installed, by name; files that others gave us as archives are put in their places. Raises
        `InputInvalid` for an index that cannot be read."""
        try:
            document = json.loads((self.folder / INDEX).read_bytes())
            rows = {name: read_row(name, row) for name, row in sorted(document.items())}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError, KeyError) as fault:
            raise InputInvalid(f"{self.folder / INDEX} is damaged: {fault}") from fault
        for row in rows.values():
            self._unpack(row)
        return rows

    def row(self, name: str) -> Row | None:
        """One of them."""
        return self.rows().get(name)

    def path(self, row: Row) -> Path:
        """Its files."""
        return self.folder / row.folder

    def manifest(self, row: Row) -> PluginManifest:
        """What it says of itself. Raises `InputInvalid`."""
        return read_manifest(self.path(row))

    def icon(self, row: Row) -> bytes | None:
        """Its picture, SVG; None where it brings none."""
        path = self.folder / row.name / hex_of(row.digest) / ICON
        return path.read_bytes() if path.is_file() else None

    def installed(self, rows: Iterable[Row] | None = None) -> tuple[InstalledPlugin, ...]:
        """As they are run: those whose files are there."""
        wanted = self.rows().values() if rows is None else rows
        return tuple(self.as_installed(row) for row in wanted if self.path(row).exists())

    def as_installed(self, row: Row) -> InstalledPlugin:
        """One as it is run: in a process of its own, so that no two plugins' packages meet."""
        place = str(self.layers / row.layer) if row.layer else None
        return InstalledPlugin(name=row.name, folder=str(self.path(row)), layer=place)

    def install(self, candidate: Candidate, choices: Choices = NOTHING_CHOSEN) -> Row:
        """Put a plugin in, in the place of another version of it. Raises `InputInvalid`; then all is as before."""
        check(candidate, choices)
        requirements = normalise(candidate.needs.requirements, without=choices.without)
        with self._turn() as turn:
            rows = self.rows()
            if candidate.name not in rows and len(rows) >= MOST:
                raise InputInvalid(f"{MOST} plugins are installed, and no more can be")
            layer = self._provide(candidate.name, requirements, choices, anew=candidate.name in rows)
            row = Row(
                name=candidate.name,
                version=candidate.manifest.version,
                digest=candidate.digest,
                source=str(candidate.origin),
                requirements=requirements,
                layer=layer.hash if layer else None,
                lock=layer.lock if layer and not layer.built else (),
                folder=place_of(candidate),
                installed_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                revision=candidate.revision,
                key=choices.key,
                without=choices.without,
                constraints=choices.constraints,
                builds=choices.builds,
            )
            turn.keep_plugin(archive_of(row), candidate.files)
            write_files(self.folder / row.name / hex_of(row.digest), candidate.files)
            self._write(turn, {**rows, row.name: row})
            before = rows.get(row.name)
            if before is not None and before.digest != row.digest:
                turn.drop(archive_of(before))
        return row

    def remove(self, name: str) -> Row:
        """Take a plugin out. Its files stay until nobody needs them. Raises `KeyError`."""
        with self._turn() as turn:
            rows = self.rows()
            gone = rows.pop(name)
            self._write(turn, rows)
            turn.drop(archive_of(gone))
        return gone

    def packages(self, requirements: Sequence[str], constraints: Sequence[str] = ()) -> Layer | None:
        """The layer for what the owner's flows require beside plugins, resolved and made where it is not there; None
        where none is needed. Raises `LayerFailed`."""
        wanted = normalise(requirements)
        found = self.locks.find(wanted) if wanted else None
        if found is not None or not wanted:
            return found
        with self._turn() as turn:
            layer = self.locks.provide(wanted, constraints=constraints)
            self._keep_locks(turn)
        return layer

    def equipped(self, row: Row) -> InstalledPlugin:
        """One as it is run, its packages made here where they are not: those of its lock; what was built from source
        elsewhere is built again. What others have is not changed. Raises `LayerFailed`."""
        plugin = self.as_installed(row)
        if plugin.layer is None or Path(plugin.layer).is_dir():
            return plugin
        own = replace(self.locks, locks=self.folder / MADE_HERE)
        lock = self.locks.locked(row.requirements)
        pins = row.lock or (lock.lock if lock is not None and not lock.built else ())
        layer = own.find(row.requirements) if not pins else None
        try:
            layer = layer or own.provide(
                row.requirements, builds=row.builds, lock=pins, constraints=() if pins else row.constraints
            )
        except LayerFailed as fault:
            raise LayerFailed(f"what {row.name} requires: {fault}") from fault
        return replace(plugin, layer=str(layer.folder) if layer is not None else None)

    def mend(self) -> list[str]:
        """Install again what should be there and is not; what failed, in words."""
        faults = self.locks.mend()
        for row in self.rows().values():
            try:
                if row.lock and row.layer and not (self.layers / row.layer).is_dir():
                    self._provide(row.name, row.requirements, Choices(lock=row.lock), anew=False)
            except LayerFailed as fault:
                faults.append(str(fault))
        return faults

    def sweep(self, used: Iterable[str]) -> None:
        """Take away the files of versions that are neither installed nor named in `used`, a set of paths. While
        something is being installed, whose files may be there already, that is left to the next time."""
        with held(self.folder / HOLD, wait=False) as alone:
            if not alone:
                return
            needed = {self.path(row) for row in self.rows().values()} | {Path(place) for place in used}
            for folder in self.folder.glob("[!.]*/[0-9a-f]*"):
                if folder.is_dir() and not any(place == folder or folder in place.parents for place in needed):
                    shutil.rmtree(folder, ignore_errors=True)

    def verify(self, row: Row) -> bool:
        """Whether its files are still those that were installed."""
        folder = self.folder / row.name / hex_of(row.digest)
        try:
            return digest_of(read_folder(folder)) == row.digest
        except InputInvalid:
            return False

    def _provide(self, name: str, requirements: Sequence[str], choices: Choices, *, anew: bool) -> Layer | None:
        try:
            return self.locks.provide(
                requirements, builds=choices.builds, anew=anew, lock=choices.lock, constraints=choices.constraints
            )
        except LayerFailed as fault:
            raise LayerFailed(f"what {name} requires: {fault}") from fault

    def _write(self, turn: Turn, rows: Mapping[str, Row]) -> None:
        """The index; to others first, so that whatever stands here is kept."""
        document = {name: {k: v for k, v in asdict(row).items() if k != "name"} for name, row in rows.items()}
        self._keep_locks(turn)
        turn.keep(INDEX, record_text(document).encode())
        replace_record(self.folder / INDEX, document)

    def _keep_locks(self, turn: Turn) -> None:
        with suppress(FileNotFoundError):
            turn.keep(LOCKS, (self.folder / LOCKS).read_bytes())

    def _unpack(self, row: Row) -> None:
        """Put a plugin's files in their place, where they are only in the archive."""
        folder, archive = self.folder / row.name / hex_of(row.digest), self.folder / archive_of(row)
        if folder.is_dir() or not archive.is_file():
            return
        try:
            files = read_archive(archive.read_bytes())
            if digest_of(files) == row.digest:
                write_files(folder, files)
            else:
                LOG.warning("the archive of the plugin %s holds other files than were installed", row.name)
        except (InputInvalid, OSError) as fault:  # the others are of use; this one is not there
            LOG.warning("the files of the plugin %s cannot be unpacked: %s", row.name, fault)

    @contextmanager
    def _turn(self) -> Iterator[Turn]:
        """One change at a time, here and wherever else the store is."""
        with held(self.folder / HOLD), self.keeping.turn() as turn:
            yield turn


def check(candidate: Candidate, choices: Choices) -> None:
    """Whether the files are those that were meant. Raises `InputInvalid`."""
    if choices.digest is not None:
        if not DIGEST.match(choices.digest):
            raise InputInvalid(f"{choices.digest[:100]!r} is no digest such as sha256:0123...")
        if choices.digest != candidate.digest:
            raise InputInvalid(
                f"{candidate.name} is pinned to {choices.digest}, and what was fetched is {candidate.digest}: its files"
                " have changed; look at them, and pin it anew"
            )
    if choices.key is not None:
        check_signature(candidate.files, read_key(choices.key))


def archive_of(row: Row) -> str:
    """Where in the store the files of a plugin lie when they come from elsewhere."""
    return f"{row.name}/{hex_of(row.digest)}.zip"


def place_of(candidate: Candidate) -> str:
    place = f"{candidate.name}/{hex_of(candidate.digest)}"
    return f"{place}/{candidate.single}" if candidate.single else place


def read_row(name: str, row: Mapping[str, Any]) -> Row:
    """A row of the index; keys of newer versions are left out."""
    known = {key: row[key] for key in Row.__dataclass_fields__ if key in row and key != "name"}
    for key in ("requirements", "lock", "without", "constraints"):
        known[key] = tuple(known.get(key) or ())
    known.setdefault("folder", f"{name}/{hex_of(row['digest'])}")
    known.setdefault("layer", None)
    if not NAME.match(name) or ".." in Path(known["folder"]).parts:
        raise ValueError(f"{name!r} is no name of a plugin")
    return Row(name=name, **known)
