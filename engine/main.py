"""The worker as a functions-framework function: `functions-framework --source engine/main.py --target handle_event`.

It answers what the lean server of `python -m intellyhub_engine.serving` answers: both ask one `Exchange`. Nothing of
the engine is imported until functions-framework has its server up, so that it starts as fast as with an empty function:
the flow is loaded in the server's process right after it was forked, or with the first request.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flask

    from intellyhub_engine.errors import EngineError
    from intellyhub_engine.serving.framework import Framework
    from intellyhub_engine.serving.prepared import Prepared

_lock = threading.Lock()
_framework: Framework | None = None
_prepared: Prepared | EngineError | None = None


def handle_event(request: flask.Request) -> flask.Response:
    """Run the flow for a CloudEvent or a plain HTTP request."""
    return _load().handle(request)


def _load() -> Framework:
    global _framework
    with _lock:
        if _framework is None:
            from intellyhub_engine.serving.framework import make_framework
            from intellyhub_engine.serving.prepared import prepare

            _framework = make_framework(_prepared or prepare(os.environ), os.environ)
        return _framework


def _load_early() -> None:
    global _prepared
    if os.getppid() == _origin:  # the server's process, and none that it makes itself
        if os.environ.get("INTELLYHUB_WALLS") or os.environ.get("K_REVISION"):
            from intellyhub_engine.serving.prepared import prepare

            _prepared = prepare(os.environ)  # here, so that every thread of the server is behind the walls
        threading.Thread(target=_load, name="load", daemon=True).start()


_origin = os.getpid()
os.register_at_fork(after_in_child=_load_early)
