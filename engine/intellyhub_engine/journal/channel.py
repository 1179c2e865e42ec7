"""One connection to the journal service, shared by the threads of a process, kept through the service's restarts.

There is no thread of its own. A thread that waits for its answer reads for all who wait, until its own has come; then
another goes on. So a lone thread sends and receives by itself, without a hand-over. The one who reads also connects
again when the connection is lost, and sends again whatever has no answer yet: every call may be repeated.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import EngineError, JournalError, JournalUnwritable, LeaseLost, RunNotFound
from intellyhub_engine.journal.credentials import Token, current_token
from intellyhub_engine.journal.doors import Connected, make_door
from intellyhub_engine.journal.wire import (
    GREETING_ID,
    Answer,
    Call,
    Frames,
    Kind,
    make_frame,
    raise_error,
)

__all__ = ["Channel"]

PATIENCE_SECONDS = 10.0
"""How long calls wait for a service that is away."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.25
_RECEIVED_BYTES = 256 * 1024
_MAX_TOLD_BYTES = 1024 * 1024
"""What calls nobody waits for may hold in memory until they are known to be kept."""


class Pending:
    """A call without its answer."""

    __slots__ = ("answer", "call", "fault", "frame_id", "is_done", "landed", "size")

    def __init__(self, frame_id: int, call: Call) -> None:
        self.frame_id = frame_id
        self.call = call
        self.size = len(call.payload) + 200
        self.is_done = False
        self.answer: Answer | None = None
        self.fault: EngineError | None = None
        self.landed: threading.Lock | None = None
        """What its thread sleeps on, while another one reads."""


class Channel:
    """Thread-safe. After a fork the child has a connection of its own; calls of the parent are the parent's."""

    def __init__(
        self,
        address: str | Path,
        token: Token,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        authority: Path | None = None,
    ) -> None:
        self.address = str(address)
        self._token = token
        self._door = make_door(self.address, authority)
        self._patience_seconds = patience_seconds
        self._closed = False
        self._knocked: Connected | None = None
        """Connected and greeted, not yet welcomed."""
        self._begin_anew()

    def ask(self, call: Call) -> Answer:
        """The answer. Raises the service's error, and `JournalUnwritable` where it stays away."""
        self.settle_in()
        if not call.waits and self._tell(call):
            return Answer(value=True)
        pending = self._send(call._replace(waits=True))
        try:
            self._wait(pending)
        finally:
            with self._mutex:
                self._pending.pop(pending.frame_id, None)
                if not self._reading:
                    self._wake_another()
        if pending.fault is not None:
            raise pending.fault
        assert pending.answer is not None
        return pending.answer

    def knock(self) -> None:
        """Connect and greet without waiting for the welcome: while the service looks at the greeting, the caller can do
        something else. What comes of it the first call sees."""
        self.settle_in()
        with self._mutex:
            if self._socket is None and self._knocked is None and not self._closed:
                with suppress(OSError):  # the first call connects, and waits for the service
                    self._knocked = self._introduce()

    def close(self) -> None:
        """Close the connection. Calls that nobody waited for were sent before; who needs them kept asks something."""
        self._closed = True
        if self._process == os.getpid():
            with self._mutex:
                self._drop()
                if self._knocked is not None:
                    self._knocked.close()
                    self._knocked = None

    def settle_in(self) -> int:
        """Begin anew in a child that was forked off; the id of the process that uses the channel now."""
        if self._process != os.getpid():
            self._begin_anew()
        return self._process

    @property
    def has_told(self) -> bool:
        """Whether calls that nobody waited for are not known to be kept."""
        return self._process == os.getpid() and bool(self._told)

    def _begin_anew(self) -> None:
        for name in ("_socket", "_knocked"):
            inherited: Connected | None = getattr(self, name, None)
            if inherited is not None:
                inherited.close()
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._socket: Connected | None = None
        self._knocked = None
        self._frames = Frames()
        self._pending: dict[int, Pending] = {}
        self._told: dict[str, list[Pending]] = {}
        self._told_bytes = 0
        self._last_id = GREETING_ID
        self._reading = False
        self._lost_at: float | None = None

    def _tell(self, call: Call) -> bool:
        """Send without waiting, unless too much is under way like that."""
        with self._mutex:
            if self._told_bytes + len(call.payload) > _MAX_TOLD_BYTES:
                return False
            pending = self._register(call)
            self._told.setdefault(call.run_id, []).append(pending)
            self._told_bytes += pending.size
            return True

    def _send(self, call: Call) -> Pending:
        with self._mutex:
            return self._register(call)

    def _register(self, call: Call) -> Pending:
        if self._closed:
            raise JournalError(f"the journal at {self.address} is closed")
        frame = self._frame(self._last_id + 1, call, again=False)
        self._last_id += 1
        pending = self._pending[self._last_id] = Pending(self._last_id, call)
        if self._socket is not None:
            try:
                self._socket.sendall(frame)
            except OSError:
                self._drop()  # whoever reads sends it again
        return pending

    def _frame(self, frame_id: int, call: Call, *, again: bool) -> bytes:
        return make_frame([frame_id, call.operation, call.arguments, again], call.payload)

    def _wait(self, pending: Pending) -> None:
        while True:
            with self._mutex:
                if pending.is_done:
                    return
                landed = pending.landed = threading.Lock() if self._reading else None
                if landed is None:
                    self._reading = True
                else:
                    landed.acquire()
            if landed is not None:
                landed.acquire()
                continue
            try:
                self._read_until(pending)
            except BaseException:
                with self._mutex:
                    self._drop()  # it may have been in the middle of a frame
                raise
            finally:
                self._hand_over()

    def _hand_over(self) -> None:
        with self._mutex:
            self._reading = False

    def _wake_another(self) -> None:
        """Let one of those who sleep read; whoever leaves does so, the caller has the mutex."""
        for other in self._pending.values():
            if other.landed is not None and not other.is_done:
                other.landed.release()
                other.landed = None
                return

    def _read_until(self, pending: Pending) -> None:
        while not pending.is_done:
            connected = self._socket
            if connected is None:
                self._connect()
                continue
            try:
                received = connected.recv(_RECEIVED_BYTES)
                if received:
                    self._settle_all(self._frames.feed(received))
                    continue
            except (OSError, JournalError, ValueError, TypeError):
                pass  # the stream is of no more use; nor is it where nothing was received
            with self._mutex:
                self._drop()

    def _settle_all(self, frames: list[tuple[Any, bytes]]) -> None:
        self._lost_at = None
        with self._mutex:
            for (frame_id, kind, value), payload in frames:
                pending = self._pending.pop(frame_id, None)
                if pending is None:
                    continue
                if kind == Kind.ERROR:
                    try:
                        raise_error(value)
                    except EngineError as fault:
                        pending.fault = fault
                else:
                    pending.answer = Answer(value, payload)
                if pending.call.run_id:
                    self._settle_told(pending)
                self._finish(pending)

    def _settle_told(self, pending: Pending) -> None:
        """What was told of a run before is kept when a later call of it is; and it is void where the run is lost."""
        told = self._told.get(pending.call.run_id)
        if told is None or not (pending.fault is None or isinstance(pending.fault, LeaseLost | RunNotFound)):
            return
        while told and told[0].frame_id < pending.frame_id:
            earlier = told.pop(0)
            self._told_bytes -= earlier.size
            self._pending.pop(earlier.frame_id, None)
        if not told:
            del self._told[pending.call.run_id]

    def _finish(self, pending: Pending) -> None:
        pending.is_done = True
        if pending.landed is not None:
            pending.landed.release()

    def _drop(self) -> None:
        """Give the connection up; the caller has the mutex."""
        dropped, self._socket = self._socket, None
        self._frames = Frames()
        if dropped is not None:
            with suppress(OSError):  # the other side may have closed it
                dropped.shutdown(socket.SHUT_RDWR)  # wakes the one who reads
            dropped.close()

    def _connect(self) -> None:
        """Connect, greet, and send what has no answer; after `patience_seconds` without success all who wait hear."""
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
        deadline, pause = self._lost_at + self._patience_seconds, _FIRST_PAUSE_SECONDS
        while True:
            try:
                self._resend(self._greet())
                return
            except OSError as fault:
                if time.monotonic() + pause > deadline or self._closed:
                    self._disappoint(f"does not answer ({fault.strerror or fault})", fault)
                    return
            except EngineError as fault:
                self._disappoint(f"does not let this process in: {fault}", fault)
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _greet(self) -> Connected:
        with self._mutex:
            connected, self._knocked = self._knocked, None
        if connected is not None:
            with suppress(OSError):  # the service has gone away since: greet it anew
                return self._await_welcome(connected)
        return self._await_welcome(self._introduce())

    def _introduce(self) -> Connected:
        connected: Connected = self._door.introduce(current_token(self._token))
        return connected

    def _await_welcome(self, connected: Connected) -> Connected:
        try:
            self._door.await_welcome(connected)
        except BaseException:
            connected.close()
            raise
        return connected

    def _resend(self, connected: Connected) -> None:
        with self._mutex:
            try:
                self._door.limit_silence(connected, [one.call.answer_seconds for one in self._pending.values()])
                for pending in list(self._pending.values()):
                    connected.sendall(self._frame(pending.frame_id, pending.call, again=True))
            except BaseException:
                connected.close()
                raise
            self._frames = Frames()
            self._socket = connected

    def _disappoint(self, fact: str, cause: Exception) -> None:
        """Tell everyone who waits. What nobody waits for stays, and comes with the next call."""
        with self._mutex:
            self._lost_at = None
            for pending in list(self._pending.values()):
                if pending.call.waits:
                    pending.fault = JournalUnwritable(f"the journal service at {self.address} {fact}")
                    pending.fault.__cause__ = cause
                    self._pending.pop(pending.frame_id)
                    self._finish(pending)
