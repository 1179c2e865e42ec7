"""`python -m intellyhub_functions.layers.enclosed`: runs one program behind walls, as its order on standard input says.

It ends the program when standard input ends, which is when whoever gave the order is gone or has had enough.
"""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path
from typing import Any, NoReturn

from intellyhub_engine.blocks.walls import adopt_orphans
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.walls.enclosure import Cell, Ground, enclose, fork_enclosed
from intellyhub_engine.walls.groups import remove_group
from intellyhub_engine.walls.probe import Walls, demand, probe

__all__ = ["main"]

FILE_BYTES = 4 << 30
"""The largest wheels that there are have 2 GB."""
MOST_DESCRIPTORS = 1024
CANNOT_START = 70
"""EX_SOFTWARE of <sysexits.h>."""


def main() -> int:
    """Read the order, run it, and exit as the program did."""
    adopt_orphans()
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    walls = probe()
    try:
        demand(walls, os.environ.get("INTELLYHUB_WALLS", ""))
    except InputInvalid as fault:
        sys.stderr.write(f"{fault}\n")
        return CANNOT_START
    ground = Ground(readable=tuple(map(Path, order["readable"])), hidden=(Path(order["hidden"]),))
    child = fork_enclosed(walls, ground)
    if child == 0:
        become(walls, ground, order)
    return watch(walls, child)


def become(walls: Walls, ground: Ground, order: dict[str, Any]) -> NoReturn:
    """Go behind the walls, and be the program. Nothing of the one who ordered it is left open."""
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        enclose(walls, ground, Cell(user=order["user"], workspace=Path(order["workspace"]), file_bytes=FILE_BYTES))
        os.closerange(3, MOST_DESCRIPTORS)  # the walls are built with some of them
        program = order["program"]
        os.execvpe(program[0], program, order["environment"])  # noqa: S606 - that is the order
    except BaseException as fault:  # noqa: BLE001 - a forked child must not go on as its parent
        os.write(2, f"{type(fault).__name__}: {fault}\n".encode())
    os._exit(CANNOT_START)


def watch(walls: Walls, child: int) -> int:
    """Until the program has ended, or nobody wants it any more."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    ready = {descriptor for descriptor, _ in poll.poll()}
    if ended not in ready:
        os.kill(child, 9)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    remove_group(walls.cgroup, child)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
