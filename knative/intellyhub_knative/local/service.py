"""What the supervisor gives to a process of the platform, and what it expects of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.local.keys import Keys, load_keys
from intellyhub_knative.local.layout import Layout

__all__ = ["DATA", "READY", "SOCKETS", "Surroundings", "enter"]

DATA = "INTELLYHUB_DATA"
"""Variable: the data folder."""
SOCKETS = "INTELLYHUB_SOCKETS"
"""Variable: the inherited listening sockets, `name=descriptor` separated by commas. The supervisor opened them and
keeps them open, so that nobody is refused while a process is started again."""
READY = "INTELLYHUB_READY_FD"
"""Variable: a pipe's descriptor, into which the process writes `ready` and a line feed once it works."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a process of the platform starts with."""

    layout: Layout
    keys: Keys
    sockets: Mapping[str, socket.socket]
    """By name; each listens already."""
    ready_descriptor: int | None

    def announce_ready(self) -> None:
        """Tell the supervisor that it works. Called once."""
        if self.ready_descriptor is not None:
            os.write(self.ready_descriptor, b"ready\n")
            os.close(self.ready_descriptor)


def enter(environment: Mapping[str, str]) -> Surroundings:
    """The first thing a process of the platform does: log to standard error, end with the supervisor, take over what
    was handed down. It then serves until SIGTERM, and exits with 0. Raises `InputInvalid`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    end_with_parent()
    if not environment.get(DATA):
        raise InputInvalid(f"{DATA} is not set: it names the data folder; `intellyhub up` starts this process")
    layout = Layout(data=Path(environment[DATA]).absolute())
    listed = [pair.partition("=") for pair in environment.get(SOCKETS, "").split(",") if pair]
    descriptor = environment.get(READY)
    return Surroundings(
        layout=layout,
        keys=load_keys(layout.key),
        sockets={name: socket.socket(fileno=int(number)) for name, _, number in listed},
        ready_descriptor=int(descriptor) if descriptor else None,
    )


def end_with_parent() -> None:
    """Receive SIGTERM when the process that started this one ends, whatever ended it. Linux only (prctl(2))."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
