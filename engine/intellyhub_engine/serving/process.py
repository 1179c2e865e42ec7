"""A worker as a process: from its environment to its exit code (docs/worker.md)."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack

from intellyhub_engine.errors import EngineError
from intellyhub_engine.serving.enclosing import enter
from intellyhub_engine.serving.lean.listening import inherited_descriptor, listen, place
from intellyhub_engine.serving.lean.server import Ended, Server
from intellyhub_engine.serving.settings import PRIVATE, Settings, read_settings
from intellyhub_engine.serving.worker import Worker, make_worker

__all__ = ["main"]

LOG = logging.getLogger("intellyhub_engine.serving")
THREAD_STACK_BYTES = 2 << 20
EXIT_INVALID = 2
EXIT_HURRIED = 128 + signal.SIGTERM


def main() -> int:
    """Serve until told to stop, or until idle for long enough. The exit code: 0, or 2 when it cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = read_settings(os.environ)
        inherited = inherited_descriptor(settings, os.environ, os.getpid())
        for name in PRIVATE:
            os.environ.pop(name, None)  # what a flow starts must not inherit them
        with ExitStack() as stack:
            worker = make_worker(settings, os.environ, enter(settings))
            stack.callback(worker.resources.close)
            listener = stack.enter_context(listen(settings, inherited))
            server = Server(
                listener,
                worker.exchange.answer,
                settings,
                busy=lambda: worker.exchange.busy,
                shared=inherited is not None,
            )
            announce(worker, settings, place(listener))
            return serve(worker, server)
    except EngineError as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - a person reads it, not a developer
        return EXIT_INVALID


def announce(worker: Worker, settings: Settings, where: str) -> None:
    """Say that it is ready, and when it is open to all."""
    if settings.auth == "none":
        LOG.warning("the worker is open to everyone who can reach it (INTELLYHUB_AUTH=none)")
    LOG.info("the flow %s is served at %s", worker.runner.flow, where)


def serve(worker: Worker, server: Server) -> int:
    """Listen to signals, and to the socket."""

    def stop(signum: int, _frame: object) -> None:
        worker.exchange.stopping = True
        if worker.sweeper is not None:
            worker.sweeper.stop()
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.set_wakeup_fd(server.bell, warn_on_full_buffer=False)
    threading.stack_size(THREAD_STACK_BYTES)
    gc.freeze()  # what lives now lives to the end: the collector need not look at it again
    gc.enable()
    if worker.sweeper is not None:
        worker.sweeper.start()
    ended = server.serve()
    signal.set_wakeup_fd(-1)
    LOG.info("the worker ends: %s", ended.value)
    if ended in (Ended.HURRIED, Ended.OVERDUE):
        logging.shutdown()
        os._exit(EXIT_HURRIED)  # threads are still at work; what they have finished is in the journal
    return 0
