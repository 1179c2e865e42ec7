"""A PostgreSQL connection that we wait for ourselves: bounded in time and bytes, left at once when the source ends.

psycopg2 does the protocol, in its asynchronous mode (https://www.psycopg.org/docs/advanced.html#async-support).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.databases.postgresql import PASSING_CLASSES
from intellyhub_functions.network.patience import Stopped
from intellyhub_functions.sources.postgres.address import name_of

if TYPE_CHECKING:
    from psycopg2.extensions import Notify

__all__ = ["Connection"]

LOOK_SECONDS = 0.25
"""How often a wait looks whether the source has to end."""
CALL_SECONDS = 30.0
PARTING_SECONDS = 1.0
"""For a statement that is run although the source has to end."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
BYTES_RECEIVED = struct.Struct("=128xQ")
"""Where Linux keeps `tcpi_bytes_received` in its tcp_info."""
SESSION = (
    "SELECT set_config('idle_in_transaction_session_timeout', '300000', false),"
    " set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false)"
)
"""So that the server lets go of rows when we are gone and it was not told."""


class Connection:
    """One connection. Use it as a context manager; every call may raise RetryableError, PermanentError or Stopped."""

    def __init__(self, parameters: Mapping[str, str], stopping: threading.Event) -> None:
        try:
            import psycopg2
        except ImportError as fault:
            raise PermanentError("psycopg2 is not installed; it comes with intellyhub-functions[sql]") from fault
        self._stopping = stopping
        self.name = name_of(parameters)
        with self._translated():
            self._connection = psycopg2.connect(**parameters, async_=1)
        self._bounded = getattr(socket, "TCP_INFO", None) is not None and hasattr(select, "epoll")

    def __enter__(self) -> Self:
        try:
            self._wait(CALL_SECONDS)
            self.run(SESSION)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, whatever is under way."""
        self._connection.close()

    def run(
        self, statement: Any, arguments: Sequence[Any] | None = None, *, last: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement; none where it gives none. `last`: it is run also when the source has to end."""
        with self._translated():
            cursor = self._connection.cursor()
            cursor.execute(statement, arguments)
            self._wait(PARTING_SECONDS if last and self._stopping.is_set() else CALL_SECONDS, leaves=not last)
            return cursor.fetchall() if cursor.description else []

    def notices(self) -> list[Notify]:
        """The notifications that have arrived, each once."""
        with self._translated():
            self._connection.poll()
        arrived, self._connection.notifies[:] = list(self._connection.notifies), []
        return arrived

    def rest(self, seconds: float) -> None:
        """Return when the server says something, or after so long."""
        ends = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < ends and not self._connection.notifies:
            if self._ready(reading=True, writing=False):
                return

    def _wait(self, seconds: float, *, leaves: bool = True) -> None:
        """Until what was asked for is there. `leaves`: or the source has to end."""
        from psycopg2 import extensions

        ends, before = time.monotonic() + seconds, None
        with self._translated():
            while (state := self._connection.poll()) != extensions.POLL_OK:
                while not self._ready(reading=state == extensions.POLL_READ, writing=state == extensions.POLL_WRITE):
                    if leaves and self._stopping.is_set():
                        raise Stopped
                    if time.monotonic() > ends:
                        self.close()
                        raise RetryableError(f"{self.name} did not answer within {seconds:g} s")
                received = self._received()
                before = received if before is None else before
                if received - before > MAX_ANSWER_BYTES:
                    self.close()
                    raise RetryableError(f"{self.name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")

    def _ready(self, *, reading: bool, writing: bool) -> bool:
        handle = self._connection.fileno()
        found = select.select([handle] if reading else [], [handle] if writing else [], [], LOOK_SECONDS)
        return any(found)

    def _received(self) -> int:
        """The bytes that have arrived so far; 0 where the system does not tell."""
        if not self._bounded:
            return 0
        with socket.socket(fileno=os.dup(self._connection.fileno())) as end:
            facts = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_RECEIVED.size)
        return int(BYTES_RECEIVED.unpack(facts)[0]) if len(facts) == BYTES_RECEIVED.size else 0

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Inside, psycopg2 may be used; its errors are translated here and nowhere else."""
        import psycopg2

        try:
            yield
        except psycopg2.Error as fault:
            raise self._failure_of(fault) from fault
        except (OSError, ValueError) as fault:  # select on a descriptor that is gone; an answer that cannot be read
            raise RetryableError(f"{self.name}: the connection broke: {fault}") from fault

    def _failure_of(self, fault: Any) -> RetryableError | PermanentError:
        said = " ".join(str(fault).split())[:500] or type(fault).__name__
        code = fault.pgcode
        if code is None or code[:2] in PASSING_CLASSES:
            return RetryableError(f"{self.name}: {said}")
        return PermanentError(f"{self.name}: {said} ({code})")
