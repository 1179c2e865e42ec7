"""`python -m intellyhub_knative.platform.journal`: the process that owns the database."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import uvloop

from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform import service
from intellyhub_knative.platform.journal.server import Service, serve
from intellyhub_knative.platform.journal.settings import read_settings

if TYPE_CHECKING:
    from intellyhub_knative.platform.pod_tokens import PodTokens


def main() -> int:
    """Serve until SIGTERM; 0, or 1 with the reason on standard error."""
    try:
        settings = read_settings(os.environ)
        surroundings = service.enter(os.environ)
        has_socket = settings.listen is None or "journal" in surroundings.sockets
        made = Service(
            layout=surroundings.layout,
            keys=surroundings.keys,
            settings=settings,
            listening=surroundings.listen("journal") if has_socket else None,
            pods=make_pods() if settings.listen is not None else None,
        )
        uvloop.run(serve(made, ready=surroundings.announce_ready))
    except (EngineError, OSError) as fault:
        logging.getLogger("journal").error("%s", fault)  # noqa: TRY400  (the message names the remedy)
        return 1
    return 0


def make_pods() -> PodTokens | None:
    """What knows the pods of flows; imported where there can be some."""
    from intellyhub_knative.platform.pod_tokens import make_pod_tokens

    return make_pod_tokens(os.environ)


if __name__ == "__main__":
    sys.exit(main())
