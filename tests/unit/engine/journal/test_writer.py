"""A commit that is interrupted: nothing half, nothing twice."""

import pytest

from intellyhub_engine.journal.sqlite import SqliteJournal
from tests.unit.engine.journal.runs import finished, make_start, step_finished


class Interrupting:
    """A connection during one of whose statements Ctrl-C is pressed, before or after SQLite has done it."""

    def __init__(self, connection, statement, *, afterwards):
        self._connection, self._statement, self._afterwards = connection, statement, afterwards
        self._pressed = False

    def execute(self, sql, *values):
        press = not self._pressed and sql.startswith(self._statement)
        self._pressed = self._pressed or press
        if press and not self._afterwards:
            raise KeyboardInterrupt
        answer = self._connection.execute(sql, *values)
        if press:
            raise KeyboardInterrupt
        return answer

    def __getattr__(self, name):
        return getattr(self._connection, name)


@pytest.fixture
def journal(path, clock):
    made = SqliteJournal(path, now_ns=clock)
    made.begin(make_start(), owner="me", lease_seconds=60)
    made.record("run-1", [step_finished(1)], owner="me", durable=False)
    yield made
    made.close()


def interrupt(journal, statement, *, afterwards):
    journal._writer._connection = Interrupting(journal._writer._connection, statement, afterwards=afterwards)
    with pytest.raises(KeyboardInterrupt):
        journal.record("run-1", [step_finished(2)], owner="me", durable=True)


@pytest.mark.parametrize(
    ("statement", "afterwards"), [("BEGIN", False), ("BEGIN", True), ("PRAGMA", True), ("COMMIT", False)]
)
def test_interrupted_before_the_commit_nothing_of_the_call_is_there_and_the_journal_goes_on(
    journal, statement, afterwards
):
    interrupt(journal, statement, afterwards=afterwards)
    journal.record("run-1", [step_finished(3), finished()], owner="me", durable=True)
    assert journal.history("run-1").entries == (step_finished(1), step_finished(3), finished())


def test_interrupted_just_after_the_commit_everything_is_there_once(journal):
    interrupt(journal, "COMMIT", afterwards=True)
    journal.record("run-1", [step_finished(3)], owner="me", durable=True)
    assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2, 3]
