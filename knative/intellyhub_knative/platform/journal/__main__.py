"""`python -m intellyhub_knative.platform.journal`: the process that owns the database."""

from __future__ import annotations

import logging
import os
import sys

import uvloop

from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform import service
from intellyhub_knative.platform.journal.server import read_retention_days, serve


def main() -> int:
    """Serve until SIGTERM; 0, or 1 with the reason on standard error."""
    try:
        retention_days = read_retention_days(os.environ)
        surroundings = service.enter(os.environ)
        listening = surroundings.listen("journal")
        uvloop.run(
            serve(
                surroundings.layout.journal,
                surroundings.keys,
                listening,
                retention_days=retention_days,
                ready=surroundings.announce_ready,
            )
        )
    except EngineError as fault:
        logging.getLogger("journal").error("%s", fault)  # noqa: TRY400  (the message names the remedy)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
