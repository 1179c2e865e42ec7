"""The process that forks one child per Python block or program, kills it when told, and reports how it ended.

It has one thread, few imports and nothing open, so that a fork is quick and gives the child nothing it should not have.
It ends when its worker does.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from intellyhub_engine.blocks import channel, child
from intellyhub_engine.blocks.walls import adopt_orphans, forbid_new_privileges, hide_from_equals
from intellyhub_engine.walls import orders

if TYPE_CHECKING:
    from intellyhub_engine.blocks.doors import Doors

__all__ = ["main"]


class Host:
    """The children that run now: process id -> (job number, the pipe on which its end is reported)."""

    def __init__(self, control: socket.socket, wakers: tuple[int, int], doors: Doors | None = None) -> None:
        self.control = control
        self.doors = doors
        self.own = (control.fileno(), *wakers)
        self.children: dict[int, tuple[int, int]] = {}

    def start(self, job: int, descriptors: list[int]) -> None:
        """Fork a child for a job; the child does not return from here."""
        socket_end, output, errors, status = descriptors
        door = self.doors.open() if self.doors else None
        pid = os.fork()
        if pid == 0:
            open_here = [*self.own, *descriptors, *(report for _, report in self.children.values())]
            if self.doors and door:
                open_here += self.doors.open_descriptors()
                child.close_gate(door)
            child.run(socket_end, output, errors, max(open_here))
        if door:
            door.close()
        for descriptor in (socket_end, output, errors):
            os.close(descriptor)
        self.children[pid] = (job, status)

    def kill(self, job: int) -> None:
        """Kill a job's child and its group; nothing happens when it has ended."""
        for pid, (running, _) in self.children.items():
            if running == job:
                kill_group(pid)

    def reap(self) -> None:
        """Report every child that has ended, after killing what it left behind in its group."""
        if self.doors:
            self.doors.reap()
        for pid in list(self.children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            kill_group(pid)  # before the reaping below, so that the group's number still belongs to it
            _, status = os.waitpid(pid, 0)
            _, report = self.children.pop(pid)
            with contextlib.suppress(BrokenPipeError):  # the worker may have given up
                os.write(report, channel.pack_status(status))
            os.close(report)
        self.end_strays()

    def end_strays(self) -> None:
        """Kill what children of ended jobs left outside their groups: it has become ours, see `adopt_orphans`."""
        connecting = self.doors.connecting if self.doors else ()
        for pid in find_children():
            if pid in connecting:
                continue
            with contextlib.suppress(ProcessLookupError, ChildProcessError, PermissionError):
                if pid in self.children or os.getsid(pid) in self.children:
                    continue
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def find_children() -> list[int]:
    """The processes that are children of this one now; none where the system does not tell."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_bytes().split()]
    except OSError:
        return []


def kill_group(pid: int) -> None:
    """Kill a child and its group. Between its fork and its setsid it has no group of its own yet."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def main(descriptor: int) -> NoReturn:
    """Serve the worker at the other end of `descriptor` until it ends."""
    control = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle
    forbid_new_privileges()
    hide_from_equals()
    adopt_orphans()
    child.import_early()
    gc.collect()
    gc.freeze()
    poll = select.poll()
    host = Host(control, (wake, waker), make_doors(poll))
    poll.register(descriptor, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if host.doors:
            host.doors.attend(ready)
        if wake in ready:
            os.read(wake, 4096)
            host.reap()
        if descriptor in ready and not obey(host):
            break
    for pid in host.children:
        kill_group(pid)
    os._exit(0)


def make_doors(poll: select.poll) -> Doors | None:
    """What connections go through, where `enclose` wants that."""
    if orders.gate is None:
        return None
    from intellyhub_engine.blocks.doors import Doors

    return Doors(poll, orders.gate or None)


def obey(host: Host) -> bool:
    """Do one order; False when the worker has ended."""
    order = channel.receive_order(host.control)
    if order is None:
        return False
    verb, job, descriptors = order
    if verb == channel.START:
        host.start(job, descriptors)
    else:
        host.kill(job)
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]))
