"""`python -m intellyhub_knative.platform.sources.enclosed TOLD`: forks a plugin's listener into its walls, and waits
for its end. It has one thread and nothing open but the way to the sources' host."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from intellyhub_engine.blocks.walls import adopt_orphans, die_with_parent, hide_from_equals
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.walls.enclosure import Cell, enclose, fork_enclosed
from intellyhub_engine.walls.groups import remove_group
from intellyhub_engine.walls.probe import Demand, demand, probe
from intellyhub_functions.plugins.listening.child import listen
from intellyhub_knative.platform.activator.ground import make_ground
from intellyhub_knative.platform.layout import Layout

__all__ = ["main"]

WALLS = "INTELLYHUB_WALLS"
EXIT_INVALID = 2


def main(told: dict[str, Any]) -> int:
    """The listener's exit code; 2 where its walls cannot be built."""
    die_with_parent()
    adopt_orphans()
    hide_from_equals()
    walls = probe()
    try:
        demand(walls, os.environ.get(WALLS) or Demand.BEST_EFFORT)
    except InputInvalid as fault:
        sys.stderr.write(f"{fault}\n")
        return EXIT_INVALID
    ground = make_ground(Layout(data=Path(told["data"])))
    paths = {"workspace": Path(told["cell"]["workspace"]), "readable": tuple(map(Path, told["cell"]["readable"]))}
    for name in (WALLS, "PYTHONPATH"):
        os.environ.pop(name, None)
    pid = fork_enclosed(walls, ground)
    if pid == 0:
        enclose(walls, ground, Cell(**{**told["cell"], **paths}))
        listen(told["descriptor"])
    os.close(told["descriptor"])
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(pid, number))
    code = wait_for(pid)
    remove_group(walls.cgroup, pid)
    return code


def wait_for(pid: int) -> int:
    """Reap what ends until the listener has; a signal's number, negative, where one ended it."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.exit(code if code >= 0 else 128 - code)
