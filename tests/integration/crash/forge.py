"""A warm process that forks one child per job, so that a thousand deaths take seconds.

Reads lines from its input, each a JSON array of jobs that run at the same time; answers with a line of their exit
statuses. It never has a thread or an open journal of its own.
"""

import json
import os
import sys
import traceback

from tests.integration.crash import writers
from tests.integration.crash.job import FLOWS, make_program, work


def main():
    programs = {path.stem: make_program(path.stem) for path in FLOWS.glob("*.yaml")}
    for line in sys.stdin:
        children = [fork(job, programs) for job in json.loads(line)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(statuses) + "\n")
        sys.stdout.flush()


def fork(job, programs):
    child = os.fork()
    if child:
        return child
    try:
        if job["command"] == "write":
            writers.write(job)
        else:
            work(job, programs)
    except BaseException:  # noqa: BLE001  (the child must not go on as a second forge)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
