"""Our lean server without the engine behind it: the floor that the engine's own share is measured over.

python -m tests.benchmarks.peers.lean_server constant|order
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable

from intellyhub_engine.serving.lean.server import Server
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.settings import Settings
from tests.benchmarks.peers.order import decide

JSON = "application/json"


def answer_constant(request: Request) -> Response:
    """The same small body for everyone."""
    return Response(200, b'{"ok":true}', JSON)


def answer_order(request: Request) -> Response:
    """Ten decisions written by hand."""
    return Response(200, json.dumps(decide(json.loads(request.body))).encode(), JSON)


ANSWERS: dict[str, Callable[[Request], Response]] = {"constant": answer_constant, "order": answer_order}


def main() -> None:
    """Serve until told to stop."""
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=64) as listener:
        server = Server(listener, ANSWERS[sys.argv[1]], Settings(quiet_seconds=0))
        signal.signal(signal.SIGTERM, lambda number, frame: server.stop())
        gc.freeze()  # as our worker does
        server.serve()


if __name__ == "__main__":
    main()
