"""A worker's walls with somebody inside: starts a platform of nothing but walls, and runs attacks in its worker.

Started as a program it is that platform: it reads orders from standard input, and its enclosed worker carries them out.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NamedTuple

SECRET = "the-secret-of-the-platform"
NOBODY = 65534
MINE, THEIRS = "workspaces/mine", "workspaces/theirs"
SECONDS = 20
EARLY = (
    *(
        "ctypes",
        "encodings.ascii",
        "encodings.idna",
        "encodings.latin_1",
        "ipaddress",
        "mmap",
        "multiprocessing.context",
    ),
    *("multiprocessing.synchronize", "sqlite3", "intellyhub_engine.blocks.child", "intellyhub_engine.blocks.doors"),
)


class Outcome(NamedTuple):
    """What an attack came to."""

    output: str
    status: int


class Prison:
    """A platform with one worker: as `root`, as root that has `settled` in what workers see, as an ordinary
    `user`, as root of a user namespace of one user (`rootless`), or in a `container` that refuses namespaces."""

    def __init__(self, kind: str, **cell: int) -> None:
        self.kind = kind
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(Path(__file__)), json.dumps({"kind": kind, "cell": cell})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PLATFORM_TOKEN": SECRET},
        )
        first = self.read()
        self.base, self.walls = Path(first["base"]), first["walls"]
        self.places = first | {"secret": SECRET, "data": f"{self.base}/data", "mine": f"{self.base}/data/{MINE}"}

    def python(self, code: str) -> Outcome:
        """Run Python in a child of the worker; `{base}` and other places are filled in."""
        return self.order("python", code)

    def shell(self, command: str) -> Outcome:
        """Run a shell command in a child of the worker."""
        return self.order("shell", command)

    def order(self, kind: str, text: str) -> Outcome:
        for name, value in self.places.items():
            text = text.replace("{" + name + "}", str(value))
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([kind, text]) + "\n")
        self.process.stdin.flush()
        answer = self.read()
        return Outcome(answer["output"], answer["status"])

    def read(self):
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the platform ended: {self.process.wait()}"
        return json.loads(line)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait(SECONDS)
        shutil.rmtree(self.base, ignore_errors=True)


def main(kind: str, limits: dict[str, int]) -> None:
    """Be the platform."""
    sys.path.insert(0, str(Path(__file__).parents[3] / "engine"))
    from intellyhub_engine.walls import groups, privileges, probe, seccomp
    from intellyhub_engine.walls.enclosure import Cell, Ground, enclose, fork_enclosed, settle_in

    shown = os.dup(1)
    os.dup2(2, 1)
    if kind not in ("root", "settled") and os.geteuid() == 0:
        for name in EARLY:
            __import__(name)  # afterwards the installation may be out of reach
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if kind == "rootless":
        become_root_of_one_user()
    if kind == "container":
        privileges.forbid_new_privileges()
        seccomp.install_first(allowed=frozenset({"memfd_create", "pidfd_getfd"}))
    walls = probe.probe()
    base = Path(tempfile.mkdtemp(prefix="ihw", dir="/tmp"))
    sockets = furnish(base)
    ground = Ground(
        readable=tuple(
            {Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[3] / "engine", base / "programs"}
        ),
        hidden=(base / "data",),
    )
    sibling = os.fork()
    if sibling == 0:
        privileges.die_with_parent()
        signal.pause()
    cell = Cell(
        user=7, workspace=base / "data" / MINE, readable=(base / "data/flows", base / "data/run/journal.sock"), **limits
    )
    ready, tell = os.pipe()
    theirs = settle_in(walls, ground) if kind == "settled" else walls
    worker = fork_enclosed(theirs, ground)
    if worker == 0:
        for each in sockets:
            each.close()
        enclose(theirs, ground, cell)
        os.write(tell, b"1")
        work(shown)
    os.close(tell)
    if os.read(ready, 1):
        say(
            shown,
            base=str(base),
            walls=walls._asdict() | {"cgroup": dict(walls.cgroup)},
            worker=worker,
            platform=os.getpid(),
            sibling=sibling,
            abstract=sockets[-1].getsockname()[1:].decode(),
        )
    _, status = os.waitpid(worker, 0)
    groups.remove_group(theirs.cgroup, worker)
    os.kill(sibling, signal.SIGKILL)
    sys.exit(os.waitstatus_to_exitcode(status))


def become_root_of_one_user() -> None:
    """What `unshare --user --map-root-user` does, and containers without root: user 0, and nobody else."""
    from intellyhub_engine.walls import kernel, privileges
    from intellyhub_engine.walls.groups import write
    from intellyhub_engine.walls.namespaces import CLONE_NEWNS, CLONE_NEWUSER

    user, group = os.geteuid(), os.getegid()
    privileges.open_to_equals()
    kernel.unshare(CLONE_NEWUSER | CLONE_NEWNS)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")


def furnish(base: Path) -> list[socket.socket]:
    """Lay out a data folder with secrets in it, and listen where nobody may come."""
    base.chmod(0o755)
    for folder in ("data/run", "data/flows", f"data/{MINE}", f"data/{THEIRS}", "programs"):
        (base / folder).mkdir(parents=True)
    (base / "data/platform.key").write_text(SECRET)
    (base / "data" / THEIRS / "note.txt").write_text(SECRET)
    (base / "public").touch()
    (base / "programs/flow").write_text("a program")
    shutil.copy("/usr/bin/id", base / "programs/id")
    (base / "programs/id").chmod(0o4755)
    (base / "data/flows/main.yaml").write_text("a flow")
    sockets = []
    for address in (f"{base}/data/run/control.sock", f"{base}/data/run/journal.sock", f"\0{base.name}"):
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[-1].bind(address)
        sockets[-1].listen()
    (base / "data/run/journal.sock").chmod(0o666)
    (base / "data").chmod(0o700)
    return sockets


def say(shown: int, **what: object) -> None:
    os.write(shown, json.dumps(what).encode() + b"\n")


def work(shown: int) -> None:
    """Carry out orders, one after another."""
    from intellyhub_engine.blocks import child as block
    from intellyhub_engine.blocks.doors import Doors
    from intellyhub_engine.walls import orders

    poll = select.poll()
    doors = None if orders.gate is None else Doors(poll, orders.gate or None)
    for line in sys.stdin:
        kind, text = json.loads(line)
        read, write = os.pipe()
        door = doors.open() if doors else None
        child = os.fork()
        if child == 0:
            if door:
                block.close_gate(door)
            become_author(kind, text, write)
        os.close(write)
        if door:
            door.close()
        heard = listen(poll, read, doors, child)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(ChildProcessError):  # what it left behind has come to the first process
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        say(shown, output=heard.decode(errors="replace"), status=os.waitstatus_to_exitcode(status))
    os._exit(0)


def listen(poll, read, doors, child):
    """What the child says, while its connections are let through. It is ended when it takes too long."""
    heard = b""
    poll.register(read, select.POLLIN)
    while True:
        ready = dict(poll.poll(SECONDS * 1000))
        if not ready:
            os.kill(child, signal.SIGKILL)
        if doors:
            doors.attend(ready)
            doors.reap()
        if read in ready:
            piece = os.read(read, 65536)
            if not piece:
                break
            heard += piece
    poll.unregister(read)
    os.close(read)
    return heard


def become_author(kind: str, text: str, write: int) -> None:
    """Be what a flow author's block is: a child of the worker with nothing open but its output."""
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(write, descriptor)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.closerange(3, 256)
    sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
    import ctypes

    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as in blocks/walls.py
    if kind == "shell":
        os.execve(
            "/bin/sh",
            ["sh", "-c", text],
            {"PATH": os.environ["PATH"], "HOME": str(Path.cwd()), "PYTHON": sys.executable},
        )
    try:
        exec(text, {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    except BaseException as fault:  # noqa: BLE001 - whatever it is, the test reads it
        os.write(1, "".join(traceback.format_exception_only(fault)).encode())
        os._exit(1)


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    main(order["kind"], order["cell"])
