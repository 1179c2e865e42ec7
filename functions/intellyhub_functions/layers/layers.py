"""Layers: folders of installed packages, one for each lock, and the locks that say which versions they hold."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.layers.installer import explain, pip, pip_environment, progress_of, readable_places
from intellyhub_functions.layers.records import held, replace_record
from intellyhub_functions.layers.requirements import digest_for_this_python, key_of, normalise
from intellyhub_functions.layers.workshop import WorkFailed, Workshop, ignore, take

__all__ = ["Layer", "LayerFailed", "LayerStore"]

SECONDS = 300.0
PIN = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+ --hash=sha256:[0-9a-f]{64}$")
CHUNK = 1 << 20


class LayerFailed(InputInvalid):
    """Requirements could not be resolved or installed; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Packages, installed."""

    hash: str
    """Of the lock, for this Python: 32 hexadecimal digits."""
    folder: Path
    """To be put on `sys.path`."""
    requirements: tuple[str, ...]
    """What was asked for."""
    lock: tuple[str, ...]
    """`name==version --hash=sha256:...`, one line a package."""
    built: bool = False
    """Something in it was built here from source: others who build the same may get something else."""


@dataclass(frozen=True, kw_only=True)
class LayerStore:
    """Layers in `layers`, which many may share, and one owner's locks in the file `locks`. For many processes."""

    layers: Path
    locks: Path
    scratch: Path | None = None
    """Where wheels are gathered; on the disk of `layers`. None: beside it."""
    owner: str = ""
    """Whose builds from source these are: they are shared with nobody."""
    user: int = 0
    """Whose work it is, behind the walls: as of `Cell`."""
    tell: Callable[[str], None] = ignore
    """Hears, step by step, what is resolved and installed."""

    def find(self, requirements: Iterable[str]) -> Layer | None:
        """The layer for these requirements, where they are locked and installed."""
        layer = self.locked(requirements)
        return layer if layer is not None and layer.folder.is_dir() else None

    def locked(self, requirements: Iterable[str]) -> Layer | None:
        """The layer that these requirements are locked to, installed or not."""
        row = self._read().get(key_of(requirements))
        return self._layer(row) if row else None

    def provide(
        self,
        requirements: Iterable[str],
        *,
        builds: bool = False,
        anew: bool = False,
        lock: Sequence[str] = (),
        constraints: Sequence[str] = (),
        seconds: float = SECONDS,
    ) -> Layer | None:
        """The layer for these requirements, resolved and installed where it is not there; None where none is needed.

        `builds` lets packages be built from source, which runs their code, behind walls. `anew` asks the index for
        newer versions. `lock` gives the versions and hashes outright, `constraints` bounds them. Raises `LayerFailed`.
        """
        wanted = normalise(requirements)
        if not wanted:
            return None
        with self._held():
            kept = self._read()
            row = None if anew or lock else kept.get(key_of(wanted))
            known = self._layer(row) if row else None
            if known is not None and known.folder.is_dir():
                return known
            pins = tuple(lock) or (known.lock if known is not None and not known.built else ())
            layer = self._make(wanted, pins, constraints, builds, seconds)
            replace_record(self.locks, {**kept, key_of(wanted): self._row(layer)})
        return layer

    def mend(self) -> list[str]:
        """Install again the layers that are locked and not there; what failed, in words."""
        faults = []
        for layer in map(self._layer, self._read().values()):
            try:
                if not layer.folder.is_dir():
                    self.provide(layer.requirements, builds=layer.built)
            except LayerFailed as fault:
                faults.append(str(fault))
        return faults

    def _make(
        self, wanted: tuple[str, ...], pins: tuple[str, ...], constraints: Sequence[str], builds: bool, seconds: float
    ) -> Layer:
        """Resolve, gather, pin, install."""
        deadline = time.monotonic() + seconds
        self.tell(f"resolving {', '.join(wanted)}")
        with Workshop(self.scratch or self.layers, user=self.user, readable=readable_places()) as workshop:
            try:
                built = gather(workshop, wanted, pins, constraints, builds, seconds, self._tell_progress)
                wheels = sorted((workshop.folder / "wheels").glob("*.whl"))
                lock = tuple(sorted(pin_of(wheel) for wheel in wheels))
                made_by = (self.owner,) if built else ()
                layer = Layer(
                    hash=digest_for_this_python((*lock, *made_by)),
                    folder=self.layers / digest_for_this_python((*lock, *made_by)),
                    requirements=wanted,
                    lock=lock,
                    built=built,
                )
                if not layer.folder.is_dir():
                    self.tell(f"installing {len(lock)} packages")
                    install(workshop, wheels, max(1.0, deadline - time.monotonic()))
                    take(workshop.folder / "layer", layer.folder)
            except WorkFailed as fault:
                reason = explain(fault.output, builds=builds) if fault.output else str(fault)
                raise LayerFailed(f"{', '.join(wanted)} cannot be installed: {reason}") from fault
            except OSError as fault:
                raise LayerFailed(f"{', '.join(wanted)} cannot be installed: {fault.strerror or fault}") from fault
        return layer

    def _tell_progress(self, line: str) -> None:
        """Pass on what of pip's lines tells how far it is."""
        if progress := progress_of(line):
            self.tell(progress)

    def _layer(self, row: Mapping[str, Any]) -> Layer:
        return Layer(
            hash=row["layer"],
            folder=self.layers / row["layer"],
            requirements=tuple(row["requirements"]),
            lock=tuple(row["lock"]),
            built=bool(row.get("built")),
        )

    def _row(self, layer: Layer) -> dict[str, Any]:
        row = {"requirements": list(layer.requirements), "lock": list(layer.lock), "layer": layer.hash}
        return {**row, "built": layer.built}

    def _read(self) -> dict[str, Any]:
        try:
            rows = json.loads(self.locks.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as fault:
            raise InputInvalid(f"{self.locks} is damaged; take it away, and versions are resolved anew") from fault
        return rows if isinstance(rows, dict) else {}

    def _held(self) -> AbstractContextManager[bool]:
        """One at a time: two who resolve the same would get two answers."""
        return held(self.locks.with_name(f".{self.locks.name}.lock"))


def gather(
    workshop: Workshop,
    wanted: Sequence[str],
    pins: Sequence[str],
    constraints: Sequence[str],
    builds: bool,
    seconds: float,
    tell: Callable[[str], None],
) -> bool:
    """Get all wheels into the folder `wheels`; whether some may have been built here."""
    write_lines(workshop.folder / "wanted.txt", check_pins(pins) if pins else wanted)
    arguments = ["--wheel-dir", "wheels", "--progress-bar", "off", "--requirement", "wanted.txt"]
    if pins:
        arguments += ["--require-hashes", "--no-deps"]
    elif constraints:
        write_lines(workshop.folder / "constraints.txt", normalise(constraints))
        arguments += ["--constraint", "constraints.txt"]
    with_wheels = pip("wheel", "--only-binary", ":all:", *arguments)
    try:
        workshop.run(with_wheels, environment=pip_environment(), seconds=seconds, tell=tell)
        return False
    except WorkFailed:
        if not builds:
            raise
    from_source = pip("wheel", "--prefer-binary", *arguments, builds=True)
    workshop.run(from_source, environment=pip_environment(), seconds=seconds, tell=tell)
    return True


def install(workshop: Workshop, wheels: Sequence[Path], seconds: float) -> None:
    """Unpack the wheels into the folder `layer`; nothing of them is run."""
    names = [f"wheels/{wheel.name}" for wheel in wheels]
    arguments = ("--no-index", "--no-deps", "--no-compile", "--target", "layer", *names)
    workshop.run(pip("install", *arguments), environment={"PIP_CONFIG_FILE": os.devnull}, seconds=seconds)
    (workshop.folder / "layer").mkdir(exist_ok=True)


def pin_of(wheel: Path) -> str:
    """The line of a lock. Raises `LayerFailed`."""
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as fault:
        raise LayerFailed(f"{wheel.name!r} is no wheel: {fault}") from fault
    digest = hashlib.sha256()
    with wheel.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return f"{name}=={version} --hash=sha256:{digest.hexdigest()}"


def check_pins(lines: Sequence[str]) -> Sequence[str]:
    """The lines of a lock that somebody gave. Raises `LayerFailed`: an installer would obey other lines too."""
    for line in lines:
        if not PIN.match(line):
            raise LayerFailed(f"{line[:200]!r} is no line of a lock; they read name==1.0 --hash=sha256:...")
    return lines


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
