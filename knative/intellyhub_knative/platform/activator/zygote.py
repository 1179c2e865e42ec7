"""The warm parent of all workers: one thread, everything imported, nothing open. It forks when told, and reaps.

`python -m intellyhub_knative.platform.activator.zygote DESCRIPTOR`. Its channel says first what walls there are; then
each message asks for one more child. It ends when the activator does.
"""

from __future__ import annotations

import gc

gc.disable()  # what it makes now, it keeps

import os  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NoReturn  # noqa: E402

from intellyhub_engine.blocks.walls import adopt_orphans, hide_from_equals  # noqa: E402
from intellyhub_engine.walls.enclosure import Ground, fork_enclosed, prepare, settle_in  # noqa: E402
from intellyhub_engine.walls.groups import remove_group  # noqa: E402
from intellyhub_engine.walls.probe import Walls  # noqa: E402
from intellyhub_knative.platform.activator import channel  # noqa: E402
from intellyhub_knative.platform.activator.preload import preload  # noqa: E402
from intellyhub_knative.platform.activator.rehearsal import Rehearsal  # noqa: E402
from intellyhub_knative.platform.activator.worker import live  # noqa: E402

__all__ = ["Zygote", "main"]


class Zygote:
    """Forks children that wait to be told what to be, and reports how they end."""

    def __init__(self, control: socket.socket, walls: Walls, ground: Ground, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self._control = control
        self._walls = walls
        self._ground = ground
        self._ear, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Until the activator is gone, and every worker after it: idle ones end then, busy ones finish."""
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._ear, select.POLLIN)
        with suppress(BrokenPipeError):
            channel.send(self._control, {"warm": os.getpid()})
        leashed = True
        while leashed or has_children():
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._ear in ready:
                os.read(self._ear, 4096)
                self._reap()
            if self._control.fileno() in ready:
                received = channel.receive(self._control)
                if received is not None:
                    self._fork()
                else:
                    leashed = False
                    poll.unregister(self._control)

    def _fork(self) -> None:
        """One more child. It and the activator get a channel to each other; the activator gets its pidfd too."""
        ours, childs = channel.make_pair()
        pid = fork_enclosed(self._walls, self._ground)
        if pid == 0:
            self._become_worker(childs, ours)
        childs.close()
        handle = os.pidfd_open(pid)  # nobody else reaps it, so it is still itself
        with suppress(BrokenPipeError, ConnectionResetError):
            channel.send(self._control, {"child": pid}, [ours.fileno(), handle])
        ours.close()
        os.close(handle)

    def _become_worker(self, end: socket.socket, others: socket.socket) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._ear, self._bell):
                os.close(descriptor)
            others.close()
            self._control.close()
            gc.enable()
            live(end, self._walls, self._ground, get_ready=self._get_ready)
        finally:
            os._exit(1)

    def _get_ready(self) -> None:
        self._rehearsal.play(behind=lambda: prepare(self._walls, self._ground))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            remove_group(self._walls.cgroup, pid)
            with suppress(BrokenPipeError, ConnectionResetError):  # the activator is gone
                channel.send(self._control, {"exit": pid, "status": status})


def has_children() -> bool:
    """Whether a child lives, or has ended without having been reaped."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def make_walls(facts: dict[str, Any]) -> Walls:
    """As the activator found them."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return Walls(**known)


def main(descriptor: int) -> None:
    """Get warm, then serve the activator at the other end."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    hide_from_equals()
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    greeting = channel.receive(control)
    if greeting is None:
        return
    facts = greeting[0]
    preload()
    rehearsal = Rehearsal()
    rehearsal.play()
    rehearsal.play()
    if threading.active_count() > 1:
        raise RuntimeError("the warm parent has threads: no child may be forked from it")
    gc.collect()
    gc.freeze()
    ground = {name: tuple(map(Path, paths)) for name, paths in facts["ground"].items()}
    walls = settle_in(make_walls(facts["walls"]), Ground(**ground))
    Zygote(control, walls, Ground(**ground), rehearsal).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
