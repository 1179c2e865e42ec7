"""Threads that write runs until they are killed, and say what the journal acknowledged."""

import os
import signal
import threading
import time
from pathlib import Path

from intellyhub_engine.journal.records import RunStart, StepFinished, StepStatus
from intellyhub_engine.journal.sqlite import SqliteJournal

THREADS = 4
LONG_RUN = 40


def write(job):
    """Write to `folder`/journal.db; append `run seq` to `folder`/acknowledged after each durable record; die after
    `seconds`."""
    folder = Path(job["folder"])
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = SqliteJournal(folder / "journal.db")
    for number in range(THREADS):
        name = f"{job['name']}-{number}"
        threading.Thread(target=write_runs, args=(journal, name, acknowledged), daemon=True).start()
    time.sleep(job["seconds"])
    os.kill(os.getpid(), signal.SIGKILL)


def write_runs(journal, name, acknowledged):
    seq = 0
    while True:
        run_id = f"{name}-{seq // LONG_RUN}"
        if seq % LONG_RUN == 0:
            start = RunStart(run_id=run_id, flow="crash", version="1", started_ns=time.time_ns())
            journal.begin(start, owner=name, lease_seconds=60)
        durable = seq % 3 != 1
        journal.record(run_id, [make_step(seq % LONG_RUN + 1)], owner=name, durable=durable)
        if durable:
            os.write(acknowledged, f"{run_id} {seq % LONG_RUN + 1}\n".encode())
        seq += 1


def make_step(seq):
    """A step whose content tells whether it is whole."""
    changes = {"text": f"{seq:04}" * 50}
    return StepFinished(seq, f"s{seq}", "note", 1, StepStatus.SUCCEEDED, "end", seq, seq, changes, None, None, ())
