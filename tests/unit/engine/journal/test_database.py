"""The journal's database file: opened, recognised, made."""

import sqlite3
import time

from intellyhub_engine.journal.database import open_writer
from intellyhub_engine.journal.sqlite import SqliteJournal


def test_a_journal_that_another_process_makes_meanwhile_is_no_stranger(tmp_path, monkeypatch):
    path = tmp_path / "journal.db"
    made: list[bool] = []

    class Slow(sqlite3.Connection):
        """Between two of its readings the other process makes the journal."""

        def execute(self, *arguments):
            cursor = super().execute(*arguments)
            if not made:
                made.append(True)
                with monkeypatch.context() as other:
                    other.setattr(sqlite3, "connect", connect)
                    SqliteJournal(path, now_ns=time.time_ns).close()
            return cursor

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, factory=Slow, **named))
    open_writer(path).close()
    assert made == [True]
