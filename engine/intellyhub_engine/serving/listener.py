"""`python -m intellyhub_engine.serving.listener`: the source of one flow, in a pod of its own (docs/sources.md).

It has the flow's image, environment and rights. `K_SINK` takes its events; without one, the outbox of its journal.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.installed import installed_beside
from intellyhub_engine.errors import EngineError, InputInvalid
from intellyhub_engine.events import Event
from intellyhub_engine.serving.enclosing import enter, make_workspace
from intellyhub_engine.serving.lean.listening import listen, place
from intellyhub_engine.serving.lean.server import Server
from intellyhub_engine.serving.listening import Listening, Post, Surrounding, find_kind
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.mounted import Mounted, make_token
from intellyhub_engine.serving.outside import Outside
from intellyhub_engine.serving.settings import PRIVATE, Settings, read_settings
from intellyhub_engine.serving.sink import Sink
from intellyhub_engine.serving.worker import load_as, make_acceptance, make_owner, open_journal

__all__ = ["answer_for", "main"]

LOG = logging.getLogger("intellyhub_engine.listener")
EXIT_INVALID = 2
END_SECONDS = 10.0
MOST_REASON = 500
PLAIN = "text/plain; charset=utf-8"


def main() -> int:
    """Listen until told to stop. The exit code: 0, or 2 when it cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = read_settings(os.environ, answers=False)
        for name in PRIVATE:
            os.environ.pop(name, None)
        with ExitStack() as stack:
            listening = make_listening(replace(settings, walls=settings.walls or "best-effort"), stack)
            return serve(listening, settings, stack)
    except EngineError as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - a person reads it, not a developer
        return EXIT_INVALID


def make_listening(settings: Settings, stack: ExitStack) -> Listening:
    """Close the walls, read what it is told, and put it together. Raises `EngineError`."""
    outside = enter(settings)
    mounted = Mounted(settings, os.environ, outside)
    catalogue = installed_beside(settings.flow)
    program = load_as(settings.flow_name, Path(settings.flow), settings, catalogue)
    journal = open_journal(settings, outside, stack)
    return Listening(
        Surrounding(
            settings=settings,
            program=program,
            kind=find_kind(program, catalogue.sources),
            mounted=mounted,
            journal=journal,
            post=make_post(settings, journal, outside),
            workspace=make_workspace(settings.workspace),
            owner=make_owner(),
        )
    )


def make_post(settings: Settings, journal: Any, outside: Outside | None) -> Post:
    """Where events go. Raises `InputInvalid` where there is no such place."""
    if not settings.sink:
        if not settings.remote_journal:
            raise InputInvalid("a listener needs K_SINK, or INTELLYHUB_JOURNAL with the address of a journal service")
        return make_acceptance(settings.tenant_id, journal)
    token = make_token(settings, outside)
    return Sink(
        url=settings.sink,
        timeout_seconds=settings.sink_seconds,
        sign=unsigned,
        overrides=dict(settings.overrides),
        token=None if token is None else token.read,
    ).send


def unsigned(event: Event, body: bytes) -> Event:
    """As it is: its sender's token speaks for it."""
    return event


def serve(listening: Listening, settings: Settings, stack: ExitStack) -> int:
    """Listen, and tell how that goes to who asks, until told to stop."""
    listener = stack.enter_context(listen(settings, None))
    server = Server(listener, lambda request: answer_for(listening, request), settings)

    def stop(signum: int, _frame: object) -> None:
        listening.stop()
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.set_wakeup_fd(server.bell, warn_on_full_buffer=False)
    threading.stack_size(2 << 20)
    listening.start()
    LOG.info("the %s listener of %s is served at %s", listening.around.kind.type, settings.flow_name, place(listener))
    server.serve()
    signal.set_wakeup_fd(-1)
    listening.join(END_SECONDS)
    return 0


def answer_for(listening: Listening, request: Request) -> Response:
    """`/healthz`: whether its pod need not be begun anew; `/readyz`: whether it listens and is in contact."""
    if request.path == "/healthz":
        fault = listening.fault
    elif request.path == "/readyz":
        fault = "" if listening.ready else listening.standing.message or "it waits for its turn"
    else:
        return Response(404)
    return Response(503 if fault else 200, fault[:MOST_REASON].encode(), PLAIN)


if __name__ == "__main__":
    sys.exit(main())
