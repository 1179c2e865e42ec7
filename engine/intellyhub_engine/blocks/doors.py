"""The host as keeper of the gate: it hears of every connection that a block wants, and has it made or refused."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

from intellyhub_engine.blocks.walls import die_with_parent
from intellyhub_engine.walls import gate

__all__ = ["Doors"]


class Doors:
    """One door per block that runs. A connection that may take long is made by a process of its own."""

    def __init__(self, poll: select.poll, folder: str | None) -> None:
        self.folder = folder
        self.connecting: set[int] = set()
        self._poll = poll
        self._new: dict[int, socket.socket] = {}
        self._listeners: set[int] = set()

    def open(self) -> socket.socket:
        """A door for a child that is about to be forked: its end, on which it gives us what to listen to."""
        ours, childs = socket.socketpair()
        self._new[ours.fileno()] = ours
        self._poll.register(ours, select.POLLIN)
        return childs

    def attend(self, ready: Mapping[int, int]) -> None:
        """Do what the descriptors that are ready ask for."""
        for descriptor, events in ready.items():
            if descriptor in self._new:
                self._take(self._new.pop(descriptor))
            elif descriptor in self._listeners:
                if events & select.POLLIN:
                    self._let_through(descriptor)
                else:  # nobody is behind this door any more
                    self._poll.unregister(descriptor)
                    self._listeners.remove(descriptor)
                    os.close(descriptor)

    def reap(self) -> None:
        """Forget the connections that have been made."""
        for pid in list(self.connecting):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self.connecting.remove(pid)

    def open_descriptors(self) -> list[int]:
        """What a child must not keep."""
        return [*self._new, *self._listeners]

    def _take(self, door: socket.socket) -> None:
        self._poll.unregister(door)
        with door:
            _, listeners, _, _ = socket.recv_fds(door, 1, 1)
        for listener in listeners:
            self._listeners.add(listener)
            self._poll.register(listener, select.POLLIN)

    def _let_through(self, listener: int) -> None:
        attempt = gate.receive(listener)
        if attempt is None:
            return
        if gate.is_quick(attempt):
            gate.answer(listener, attempt.notice, gate.connect(attempt, self.folder))
        else:
            self._fork(listener, attempt)
        os.close(attempt.socket)

    def _fork(self, listener: int, attempt: gate.Attempt) -> None:
        try:
            pid = os.fork()
        except OSError:  # the author's processes have used them all
            gate.answer(listener, attempt.notice, errno.EAGAIN)
            return
        if pid == 0:
            make_connection(listener, attempt, self.folder)
        self.connecting.add(pid)


def make_connection(listener: int, attempt: gate.Attempt, folder: str | None) -> NoReturn:
    """What the process does that is forked for a connection."""
    fault = errno.EPERM
    try:
        die_with_parent()
        fault = gate.connect(attempt, folder)
    finally:
        try:
            gate.answer(listener, attempt.notice, fault)
        finally:
            os._exit(0)
