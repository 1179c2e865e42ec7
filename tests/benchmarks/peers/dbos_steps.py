"""Times workflows of DBOS on SQLite in a process of its own: reads `steps runs` per line, answers seconds.

python -m tests.benchmarks.peers.dbos_steps DATABASE
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """Answer every line on standard input."""
    os.environ["INTELLYHUB_BENCH_DATABASE"] = sys.argv[1]
    import dbos

    from tests.benchmarks.peers.dbos_function import touch_often

    print("ready", flush=True)
    for line in sys.stdin:
        steps, runs = (int(word) for word in line.split())
        started = time.perf_counter()
        for _ in range(runs):
            touch_often(steps)
        print(time.perf_counter() - started, flush=True)
    dbos.DBOS.destroy()


if __name__ == "__main__":
    main()
