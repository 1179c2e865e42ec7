"""What a function logs is with the journal while the function still runs."""

import threading

from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import Logged, RunStatus
from intellyhub_engine.machine.run import start
from tests.unit.engine.machine.small import Clock, log_of, make_catalogue, make_host, make_program, state


class Telling(MemoryJournal):
    """Sets an event for each line that comes."""

    def __init__(self):
        super().__init__(now_ns=Clock().now_ns)
        self.came = {}

    def record(self, run_id, entries, *, owner, durable):
        super().record(run_id, entries, owner=owner, durable=durable)
        for entry in entries:
            if isinstance(entry, Logged) and entry.message in self.came:
                self.came[entry.message].set()


def test_lines_reach_the_journal_while_the_step_executes_and_stand_there_once():
    journal = Telling()
    journal.came = {"half": threading.Event(), "more": threading.Event()}

    def ask(parameters, step):
        for line, came in journal.came.items():
            step.log("info", line)
            assert came.wait(5), "it is not shown"
        step.log("info", "done")
        return 1

    catalogue = make_catalogue(ask=ask)
    host = make_host(catalogue=catalogue, journal=journal)
    result = start(make_program(state("a", "ask", "end"), catalogue=catalogue), host)
    assert (result.status, result.error) == (RunStatus.SUCCEEDED, None)
    kept = [entry.message for entry in journal.history(result.run_id).entries if isinstance(entry, Logged)]
    assert kept == ["half", "more", "done"] == [message for _, message in log_of(result)]


def test_a_step_that_ends_at_once_writes_nothing_more_often_for_its_lines():
    from tests.unit.engine.machine.small import Recording

    journal = Recording(Clock().now_ns)
    catalogue = make_catalogue(ask=lambda parameters, step: step.log("info", "x"))
    start(make_program(state("a", "ask", "end"), catalogue=catalogue), make_host(catalogue=catalogue, journal=journal))
    assert [kinds for kinds, _ in journal.calls] == [
        ["StepStarted"],
        ["Logged", "StepFinished", "StepFinished", "RunFinished"],
    ]
