"""What a worker is told when it is woken: once, over its channel, by nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

import orjson

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.walls.enclosure import Cell

__all__ = ["Assignment", "Private", "pack_private", "unpack_private"]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What may be known: it is read before the worker's walls are closed. Paths are absolute."""

    label: str
    """How log lines call it: `<tenant>/<flow> 3`."""
    tenant_id: str
    name: str
    """The flow's name in the journal."""
    flow: str
    """The text's file."""
    flows: str
    """The folder of its tenant's flows, for `call`."""
    programs: str
    """Where compiled flows are kept."""
    journal: str
    """The journal service's socket; a file is a journal of its own (tests)."""
    owner: str
    """What the journal calls this worker."""
    places: int
    """Runs at a time."""
    idle_seconds: float
    timeout_seconds: float
    cell: Mapping[str, Any]
    plugins: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """The fields of each `InstalledPlugin`."""
    layers: Mapping[str, str] = field(default_factory=dict)
    """As in the deployment."""

    def make_cell(self) -> Cell:
        """What it may reach."""
        paths = {"workspace": Path(self.cell["workspace"]), "readable": tuple(map(Path, self.cell["readable"]))}
        return Cell(**{**self.cell, **paths})

    def to_message(self) -> dict[str, Any]:
        """As the channel takes it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Private:
    """What only this worker may know: it travels in memory, and is read after everything that could leak is over."""

    token: str = field(repr=False)
    """What callers show."""
    delivery_key: str = field(repr=False)
    """What events are signed with."""
    journal_token: str = field(repr=False)
    variables: Mapping[str, Any] = field(repr=False)
    """What the flow finds by name, secrets not among them."""
    secrets: Mapping[str, str] = field(repr=False)
    budget: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What the tenant may spend."""


def pack_private(packed: bytes) -> int:
    """Put it into a memory file; the descriptor is the caller's to close."""
    descriptor = os.memfd_create("intellyhub-private", os.MFD_CLOEXEC)
    view = memoryview(packed)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


def unpack_private(descriptor: int) -> Private:
    """Read it, and leave nothing behind."""
    try:
        packed = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
    return Private(**orjson.loads(packed))
