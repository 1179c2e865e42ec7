"""The `webhook` source: a small HTTP server; each accepted request is an event, its caller gets the run's answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import Health, Reply, SourceContext
from intellyhub_functions.sources.webhook.rules import make_rules
from intellyhub_functions.sources.webhook.server import make_server

__all__ = ["listen"]

MAX_WAITING = 100
"""Requests that wait for the consumer; more are told to come again."""
LOOK_SECONDS = 0.2
BUSY = Reply(status=503, body={"error": "too many requests wait; come again"})


class Waiting:
    """Requests between the server's threads and the generator."""

    def __init__(self, context: SourceContext, reply_seconds: float) -> None:
        self._context = context
        self._reply_seconds = reply_seconds
        self._calls: queue.Queue[Call] = queue.Queue(MAX_WAITING)

    def answer(self, event: Event) -> Reply:
        """Give the event out and wait for its reply; called in a server's thread."""
        call = Call(event)
        with self._context.replies.expect(event) as expected:
            try:
                self._calls.put_nowait(call)
            except queue.Full:
                return BUSY
            reply = expected.wait(self._reply_seconds)
        if reply is not None:
            return reply
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


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Serve until stopped. A caller without a reply after `reply_timeout` gets 202; one whose event was not even
    taken gets 503, and its event is dropped."""
    rules = make_rules(parameters)
    waiting = Waiting(context, rules.reply_seconds)
    host, port = text_of(parameters.get("host") or "127.0.0.1"), parameters.get("port", 8080)
    try:
        server = make_server(host, port, rules, waiting.answer, context)
    except OSError as fault:
        raise PermanentError(f"the webhook cannot listen on {host}:{port}: {fault.strerror}") from fault
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": LOOK_SECONDS}, daemon=True)
    thread.start()
    try:
        address = f"http://{host}:{server.server_address[1]}{rules.path}"
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
