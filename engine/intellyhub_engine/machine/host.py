"""What surrounds a run: its journal, its clock, the functions it may call and the values it may see."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from os import urandom
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import Entry
from intellyhub_engine.machine.keeper import Keeper

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal
    from intellyhub_engine.language.compile import Program

__all__ = ["OURS", "Host"]

OURS = ("INTELLYHUB_", "K_", "KUBERNETES_", "LISTEN_")
"""Beginnings of names in the environment that tell a worker and its container what to do: no flow's business."""


def wait_in_place(seconds: float, cancelled: threading.Event) -> None:
    """Sleep, but wake at once when the run is cancelled."""
    cancelled.wait(seconds)


@dataclass(frozen=True, kw_only=True)
class Host:
    """Made once by the edge (worker, command line, test) and shared by its runs, in several threads at once."""

    now_ns: Callable[[], int]
    """Unix nanoseconds, UTC (`time.time_ns`)."""
    catalogue: Catalogue
    journal: Journal | None = None
    """None keeps nothing: a run then lives and dies with its process."""
    owner: str = "local"
    """Who holds the lease of a run: unique per process."""
    outer: Mapping[str, Any] = field(default_factory=dict)
    """What a name means that the run itself does not know: user variables and secrets, then injected services, then
    the environment. Never copied into the run, never journalled."""
    secrets: Collection[str] = ()
    """Every value that is masked in logs, errors and answers."""
    workspace: Path = Path()
    services: Mapping[str, Any] = field(default_factory=dict)
    """Long-lived things of the process, handed to functions: `blocks`, `http`."""
    observe: Callable[[str, Entry], None] | None = None
    """`observe(run_id, entry)`: told of every entry as it happens, in the run's own thread."""
    emit: Callable[[Event], None] | None = None
    """Sends an event of an `emit` state. May see the same event twice after a crash, with the same id."""
    find_flow: Callable[[str], Program | None] | None = None
    """The program of another flow, by name or path: what `call` calls."""
    lease_seconds: float = 30.0
    """How long a run stays with a process that fell silent. Renewed while the process lives."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set to cancel every run of this host."""
    sleep: Callable[[float, threading.Event], None] = wait_in_place
    """`sleep(seconds, cancelled)`: returns early when `cancelled` is set."""
    random_bytes: Callable[[int], bytes] = urandom
    budget: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What the tenant's flows may spend together: `{day, month: {tokens, cost_usd}}`."""
    held: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What lasts as long as the process, where there is no journal."""
    keeper: Keeper = field(default_factory=Keeper, init=False, repr=False, compare=False)
