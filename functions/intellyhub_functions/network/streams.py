"""Sends one HTTP request and gives back its answer while it arrives: for services that speak in server-sent events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from intellyhub_engine.errors import RetryableError, StepCancelled
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.network.exchange import Request, headers_of, open_response, pieces_of, translated

__all__ = ["Streamed", "stream"]


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """An answer whose body is read piece by piece, once, inside the `with` that opened it."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    pieces: Iterator[bytes]

    @property
    def is_events(self) -> bool:
        """Whether the body is a stream of server-sent events."""
        return self.headers.get("content-type", "").lower().startswith("text/event-stream")

    def read(self) -> bytes:
        """What is left of the body."""
        return b"".join(self.pieces)


@contextmanager
def stream(request: Request) -> Iterator[Streamed]:
    """Send, and give the answer as soon as its head is there. A redirect is an answer too. A cancellation breaks off
    whatever is waited for. Raises StepFailed's kinds; a status is never an error here."""
    ends = None if request.deadline_seconds is None else time.monotonic() + request.deadline_seconds
    with broken_off_when(request.cancelled), translated(request, ends):
        response = open_response(request, ends)
        whole = False
        try:
            yield Streamed(
                status=response.status, headers=headers_of(response), pieces=pieces_of(response, request, ends)
            )
            whole = response.closed
        finally:
            response.release_conn() if whole else response.close()


@contextmanager
def broken_off_when(cancelled: threading.Event | None) -> Iterator[None]:
    """Inside, reading ends when the event is set, with StepCancelled."""
    if cancelled is None:
        yield
        return
    from intellyhub_functions.network.connections import breaker

    over = threading.Event()
    watch = threading.Thread(target=break_off, args=(cancelled, over, breaker()), name="stream-watch", daemon=True)
    watch.start()
    try:
        yield
    except RetryableError as fault:
        if cancelled.is_set():
            raise StepCancelled("the run was cancelled") from fault
        raise
    finally:
        over.set()


LOOK_SECONDS = 0.1


def break_off(cancelled: threading.Event, over: threading.Event, shut: Callable[[], None]) -> None:
    """Shut the connection when the run is cancelled, as long as the exchange lasts."""
    while not over.is_set():
        if cancelled.wait(LOOK_SECONDS):
            if not over.is_set():
                shut()
            return
