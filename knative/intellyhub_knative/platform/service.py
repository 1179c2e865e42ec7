"""What the supervisor gives to a process of the platform, and what it expects of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.address import is_remote
from intellyhub_engine.serving.readers import host_and_port
from intellyhub_knative.platform.keys import Keys, load_keys
from intellyhub_knative.platform.layout import Layout

if TYPE_CHECKING:
    from intellyhub_knative.platform.mirror import Mirror

__all__ = [
    "BACKLOG",
    "BOARD",
    "DATA",
    "DATABASE_URL",
    "LEVELS",
    "LOG_LEVEL",
    "PARENT",
    "READY",
    "SOCKETS",
    "Surroundings",
    "enter",
    "journal_address",
    "listen",
    "read_level",
]

DATA = "INTELLYHUB_DATA"
"""Variable: the data folder."""
SOCKETS = "INTELLYHUB_SOCKETS"
"""Variable: the inherited listening sockets, `name=descriptor` separated by commas. The supervisor opened them and
keeps them open, so that nobody is refused while a process is started again."""
READY = "INTELLYHUB_READY_FD"
"""Variable: a pipe's descriptor, into which the process writes `ready` and a line feed once it works."""
PARENT = "INTELLYHUB_SUPERVISOR"
"""Variable: the supervisor's process id; unset where a process is started without one."""
DATABASE_URL = "INTELLYHUB_DATABASE_URL"
"""Variable: the control plane's PostgreSQL; set (on a cluster), the data folder mirrors the desired state there."""
JOURNAL = "INTELLYHUB_JOURNAL"
"""Variable: the journal service's address on a cluster, `http://host:port`."""
BOARD = "INTELLYHUB_BOARD"
"""Variable: `host:port` where a process shows its pages beside its own socket: to a cluster's probes and scrapers."""
LOG_LEVEL = "INTELLYHUB_LOG_LEVEL"
"""Variable: the least level that is logged: `debug`, `info` (the default), `warning` or `error`."""
BACKLOG = 1024
"""Connections that may wait in a socket."""
OPEN_TO_WORKERS = 0o666
"""Workers may run as other users. They see that one socket; nobody else can enter the folder it lies in."""
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
TALKATIVE = ("alembic", "watchfiles")
"""Libraries that tell at `info` what they do all the time."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a process of the platform starts with."""

    layout: Layout
    keys: Keys
    journal: str
    """Where the journal service answers: `http://host:port`, or the path of its unix socket."""
    sockets: Mapping[str, socket.socket]
    """By name; each listens already."""
    ready_descriptor: int | None
    board: socket.socket | None = None
    """Where its pages are shown to the cluster; listens already."""
    mirror: Mirror | None = None
    """What keeps the data folder as the database says, on a cluster. It runs already, and ends with the process."""

    def tell(self, name: str, **facts: object) -> None:
        """Tell the supervisor what a person should see once and no log should keep. Before `announce_ready`."""
        if self.ready_descriptor is not None:
            os.write(self.ready_descriptor, orjson.dumps({name: facts}) + b"\n")

    def announce_ready(self) -> None:
        """Tell the supervisor that it works. Called once."""
        if self.ready_descriptor is not None:
            os.write(self.ready_descriptor, b"ready\n")
            os.close(self.ready_descriptor)

    def listen(self, name: str) -> socket.socket:
        """The inherited socket of this name; where there is no supervisor, one that is bound now."""
        return self.sockets[name] if name in self.sockets else listen(self.layout, name)


def enter(environment: Mapping[str, str]) -> Surroundings:
    """The first thing a process of the platform does: log to standard error, end with the supervisor, take over what
    was handed down. It then serves until SIGTERM, and exits with 0. Raises `InputInvalid`."""
    level = read_level(environment)
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    end_with_parent(environment.get(PARENT))
    if not environment.get(DATA):
        raise InputInvalid(f"{DATA} is not set: it names the data folder; `intellyhub up` starts this process")
    layout = Layout(data=Path(environment[DATA]).absolute())
    mirror = None
    if environment.get(DATABASE_URL) and not environment.get(PARENT):  # on one machine the folder is the truth
        from intellyhub_knative.platform.mirror import start_mirror

        mirror = start_mirror(environment, layout)
    listed = [pair.partition("=") for pair in environment.get(SOCKETS, "").split(",") if pair]
    descriptor = environment.get(READY)
    return Surroundings(
        layout=layout,
        keys=load_keys(layout.key),
        journal=journal_address(environment, layout),
        sockets={name: socket.socket(fileno=int(number)) for name, _, number in listed},
        ready_descriptor=int(descriptor) if descriptor else None,
        board=open_board(environment.get(BOARD, "")),
        mirror=mirror,
    )


def journal_address(environment: Mapping[str, str], layout: Layout) -> str:
    """Where the journal service answers: the address that is set, else its socket. A worker's journal may be a file."""
    address = environment.get(JOURNAL, "")
    return address if is_remote(address) else str(layout.socket("journal"))


def open_board(written: str) -> socket.socket | None:
    """A listening socket at `host:port`; None for nothing. Raises `InputInvalid`."""
    if not written:
        return None
    try:
        place = host_and_port(written)
    except ValueError as fault:
        raise InputInvalid(f"{BOARD} {fault}") from None
    try:
        return socket.create_server(place, family=socket.AF_INET6 if ":" in place[0] else socket.AF_INET)
    except OSError as fault:
        raise InputInvalid(f"cannot listen on {written} ({BOARD}): {fault.strerror}") from fault


def read_level(environment: Mapping[str, str]) -> int:
    """The least level that is logged. Raises `InputInvalid`."""
    written = environment.get(LOG_LEVEL) or "info"
    if written.lower() not in LEVELS:
        raise InputInvalid(f"{LOG_LEVEL} is {written!r}; it can be {', '.join(LEVELS)}")
    return LEVELS[written.lower()]


def listen(layout: Layout, name: str) -> socket.socket:
    """Bind and open the unix socket of a process, for its owner only (the journal's for workers too). What a dead
    process left there is removed. Raises `InputInvalid` where another one answers there, `OSError` where it cannot be
    made."""
    path = layout.socket(name)
    make_private_folder(path.parent)
    if is_answered(path):
        raise InputInvalid(f"another process answers at {path}: stop it first")
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(os.fspath(path))
        path.chmod(OPEN_TO_WORKERS if name == "journal" else 0o600)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter. One that lies in a shared folder may be somebody else's trap: raises
    `InputInvalid` unless it is a folder and ours."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise InputInvalid(f"{folder} is not a folder of this user: remove it")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def is_answered(path: Path) -> bool:
    """Whether someone listens at a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except BlockingIOError:  # its queue is full
            return True
        except OSError:
            return False
        return True


def end_with_parent(parent: str | None) -> None:
    """Receive SIGTERM when the process that started this one ends, whatever ended it. Linux only (prctl(2))."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent and os.getppid() != int(parent):  # it ended before the line above
        raise SystemExit(0)
