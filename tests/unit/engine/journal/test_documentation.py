"""The SQL in docs/journal.md runs, and finds something."""

import re
import sqlite3
import time
from pathlib import Path

import pytest

from intellyhub_engine.errors import JournalError
from intellyhub_engine.journal import database, faults
from intellyhub_engine.journal.encoding import MAX_ENTRY_BYTES
from intellyhub_engine.journal.records import Logged, RunStatus, Used
from tests.unit.engine.journal.runs import finished, make_event, make_start, step_finished, suspended

PAGE = (Path(__file__).parents[4] / "docs/journal.md").read_text()
QUERIES = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def connection(sqlite_journal, path):
    sqlite_journal.begin(
        make_start("RUN", flow="FLOW", event=make_event(data={"times": 2})), owner="me", lease_seconds=9
    )
    used = Used(1, 1, {"cost_usd": 0.5}, time.time_ns())
    told = [step_finished(1), Logged(1, "info", "rang", 5), used, finished(RunStatus.FAILED, error="no bell")]
    sqlite_journal.record("RUN", told, owner="me", durable=True)
    sqlite_journal.begin(make_start("asleep"), owner="me", lease_seconds=9)
    sqlite_journal.record("asleep", [suspended(until_ns=5)], owner="me", durable=True)
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    yield opened
    opened.close()


def test_the_page_has_queries():
    assert len(QUERIES) >= 6


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0])
def test_a_documented_query_finds_something(connection, query):
    rows = connection.execute(query).fetchall()
    assert rows
    assert None not in rows[0][:2]


def test_the_documented_limits_are_the_real_ones():
    assert MAX_ENTRY_BYTES == 8 * 1024 * 1024
    assert "One entry may take 8 MB" in PAGE
    assert database.BUSY_SECONDS == 10
    assert "locked for more than ten seconds" in PAGE


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CORRUPT"])
def test_a_documented_message_is_what_is_said(name, path):
    fault = sqlite3.OperationalError("x")
    fault.sqlite_errorcode = getattr(sqlite3, name)
    told = faults.translate(fault, path)
    assert isinstance(told, JournalError)
    assert any(words in str(told) for words in re.findall(r"^\| [^|]+ \| `([^`]+)` \|", PAGE, re.MULTILINE))
