"""One process's share of a run: start or resume it on a SQLite journal, and write down how it came out.

`python -m tests.integration.crash.job JOB` does one job, a JSON object; the fields are those of `work`.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.load import combine
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import EngineError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.sqlite import SqliteJournal
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.language.values.values import encode, wrap
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.run import resume, start
from tests.integration.crash.effects import make_catalogue
from tests.integration.crash.points import MortalJournal, Points

FLOWS = Path(__file__).with_name("flows")


def work(job, programs=None):
    """Do the job. `folder` holds journal and workspace, `answer` names the file for the outcome, `later` shifts the
    clock in seconds, `kill_at` is the point to die at."""
    folder = Path(job["folder"])
    points = Points(job.get("kill_at"))
    catalogue = combine(Catalogue(states=CONTROL), make_catalogue(points))

    def now_ns():
        return time.time_ns() + int(job.get("later", 0) * 1e9)

    journal = SqliteJournal(folder / "journal.db", now_ns=now_ns)
    host = Host(
        now_ns=now_ns,
        catalogue=catalogue,
        journal=MortalJournal(journal, points),
        owner=f"{job['answer']}",
        workspace=folder,
    )
    program = (programs or {}).get(job["flow"]) or make_program(job["flow"])
    try:
        outcome = describe(perform(job, program, host), points)
    except EngineError as fault:
        outcome = {"refused": type(fault).__name__, "message": str(fault)}
    journal.close()
    (folder / job["answer"]).write_bytes(encode(wrap(outcome)))


def perform(job, program, host):
    event = Event(**job["event"]) if job.get("event") else None
    if job["command"] == "start":
        return start(program, host, event=event, run_id=job.get("run_id"))
    return resume(program, host, job["run_id"], event=event, decision=job.get("decision"))


def describe(result, points):
    return {
        "run_id": result.run_id,
        "status": result.status.value,
        "end_state": result.end_state,
        "error": result.error,
        "output": result.output,
        "variables": dict(result.variables),
        "points": points.passed,
    }


def make_program(name):
    catalogue = combine(Catalogue(states=CONTROL), make_catalogue(Points(None)))
    flow, _ = load_flow((FLOWS / f"{name}.yaml").read_bytes(), catalogue, name)
    return compile_flow(replace(flow, name=name), catalogue)


if __name__ == "__main__":
    work(json.loads(sys.argv[1]))
