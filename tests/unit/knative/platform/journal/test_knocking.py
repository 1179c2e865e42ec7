"""A journal that was knocked at has greeted before its first call."""

import time
from contextlib import closing

import pytest

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_knative.platform.journal.connection import Connection
from tests.unit.engine.journal.runs import begin, record, step_finished


def test_the_first_call_goes_over_the_connection_that_was_made_before(service, monkeypatch):
    made: list[None] = []
    meet = Connection.connection_made
    monkeypatch.setattr(Connection, "connection_made", lambda self, transport: made.append(meet(self, transport)))
    with closing(service.journal()) as journal:
        journal.knock()
        journal.knock()
        begin(journal)
        record(journal, step_finished())
        assert len(made) == 1


def test_who_is_not_there_yet_is_asked_again(service):
    service.stop()
    with closing(service.journal()) as journal:
        journal.knock()
        service.start()
        assert begin(journal).start.run_id == "run-1"


def test_who_was_away_meanwhile_is_greeted_again(service):
    with closing(service.journal()) as journal:
        journal.knock()
        service.stop()
        service.start()
        assert begin(journal).start.run_id == "run-1"


def test_a_token_that_is_refused_is_refused_at_the_first_call(service):
    with closing(service.journal("wrong")) as journal:
        journal.knock()
        began = time.monotonic()
        with pytest.raises(JournalUnwritable):
            begin(journal)
        assert time.monotonic() - began < 5.0


def test_a_journal_that_was_only_knocked_at_can_be_closed(service):
    journal = service.journal()
    journal.knock()
    journal.close()
