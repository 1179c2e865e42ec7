"""Listens at a port of one's own: each request that a hook makes an event of is given out, and its caller waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.machine.hook import Hook
from intellyhub_engine.machine.source import Health, Reply, SourceContext
from intellyhub_functions.sources.port import AsRan, as_outcome, make_server

__all__ = ["listen_at"]

MAX_WAITING = 100
"""Requests that wait for the consumer; more are told to come again."""
LOOK_SECONDS = 0.2
BUSY = Reply(status=503, body={"error": "too many requests wait; come again"})


def listen_at(
    host: str, port: int, path: str, hook: Hook, context: SourceContext, *, name: str, as_ran: AsRan = as_outcome
) -> Iterator[Event]:
    """Serve until stopped. A caller without a reply within its time gets 202; one whose event was not even taken gets
    503, and its event is dropped. Raises PermanentError where the port cannot be listened on."""
    waiting = Waiting(context)
    try:
        server = make_server(host, port, hook, waiting.answer, context, as_ran=as_ran)
    except OSError as fault:
        raise PermanentError(f"the {name} cannot listen on {host}:{port}: {fault.strerror}") from fault
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": LOOK_SECONDS}, daemon=True)
    thread.start()
    try:
        address = f"http://{host}:{server.server_address[1]}{path}"
        context.log("info", f"listening on {address}")
        context.report(Health(connected=True, address=address))
        while not context.stopping.is_set():
            event = waiting.take()
            if event is not None:
                yield event
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Waiting:
    """Requests between the server's threads and the generator."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._calls: queue.Queue[Call] = queue.Queue(MAX_WAITING)

    def answer(self, event: Event, seconds: float) -> Reply:
        """Give the event out and wait for its reply; called in a server's thread."""
        call = Call(event)
        with self._context.replies.expect(event) as expected:
            try:
                self._calls.put_nowait(call)
            except queue.Full:
                return BUSY
            reply = expected.wait(seconds)
        if reply is not None:
            return reply
        if not seconds:  # nobody wanted to wait: it stays where it is
            return Reply(status=202, body={"status": "accepted"})
        return BUSY if call.claim() else Reply(status=202, body={"status": "accepted"})

    def take(self) -> Event | None:
        """The next event, or None when none came within a moment. One whose caller was sent away is left out."""
        try:
            call = self._calls.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return None
        return call.event if call.claim() else None


class Call:
    """A request on its way. Either the consumer claims it, or the caller who gave up."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self._unclaimed = threading.Lock()

    def claim(self) -> bool:
        """True for the first who asks."""
        return self._unclaimed.acquire(blocking=False)
