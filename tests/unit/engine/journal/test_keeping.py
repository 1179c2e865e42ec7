"""What outlives runs: what flows remember, and what they have spent."""

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.encoding import inspect_record
from intellyhub_engine.journal.keeping import MAX_VALUE_BYTES
from intellyhub_engine.journal.records import Used
from tests.unit.engine.journal.runs import begin, finished, record, step_started

DAY_NS = 86_400 * 1_000_000_000
TODAY_NS = 1_700_000_000 * 1_000_000_000
"""2023-11-14, UTC."""


def used(at_ns=TODAY_NS, *, seq=1, child_id=None, **amounts):
    return Used(seq, 1, amounts, at_ns, child_id)


def test_a_flow_remembers_what_it_was_told_last(journal):
    assert journal.remembered("bell", "chat") is None
    assert journal.remember("bell", "chat", '{"a": 1}')
    assert journal.remember("bell", "chat", '{"a": 2}')
    assert journal.remembered("bell", "chat") == ('{"a": 2}', 2)


def test_flows_do_not_see_what_others_remember(journal):
    journal.remember("bell", "chat", "1")
    assert journal.remembered("door", "chat") is None


def test_what_was_changed_meanwhile_is_not_overwritten(journal):
    journal.remember("bell", "chat", "1")
    assert not journal.remember("bell", "chat", "2", expected=0)
    assert journal.remember("bell", "chat", "3", expected=1)
    assert journal.remembered("bell", "chat").value == "3"


def test_a_flow_forgets(journal):
    journal.remember("bell", "chat", "1")
    assert journal.remember("bell", "chat", None)
    assert journal.remembered("bell", "chat") is None
    assert journal.remember("bell", "chat", "2", expected=0)


def test_a_value_that_is_too_large_is_refused(journal):
    with pytest.raises(InputInvalid, match="a memory keeps up to 262,144 each"):
        journal.remember("bell", "chat", '"' + "x" * MAX_VALUE_BYTES + '"')
    with pytest.raises(InputInvalid, match="1 to 512 characters"):
        journal.remember("bell", "", "1")


def test_a_full_memory_takes_no_more_and_lets_go(sqlite_journal, monkeypatch):
    monkeypatch.setattr("intellyhub_engine.journal.keeping.MAX_KEYS", 2)
    for key in ("a", "b"):
        sqlite_journal.remember("bell", key, "1")
    with pytest.raises(InputInvalid, match="the memory of the flow is full: 2 keys"):
        sqlite_journal.remember("bell", "c", "1")
    assert sqlite_journal.remember("bell", "a", "2")
    sqlite_journal.remember("bell", "a", None)
    assert sqlite_journal.remember("bell", "c", "1")


def test_what_runs_spend_is_added_up_by_flow_and_tenant(journal):
    for number, flow in enumerate(("t1/bell", "t1/bell", "t1/door", "t2/bell")):
        begin(journal, f"run-{number}", flow=flow)
        record(journal, used(tokens=10.0, cost_usd=0.5), run_id=f"run-{number}")
    spent = journal.spent("t1/bell", since="2023-11-01")
    assert dict(spent.flow) == {"tokens": 20, "cost_usd": 1.0}
    assert dict(spent.tenant) == {"tokens": 30, "cost_usd": 1.5}


def test_what_was_spent_before_the_day_asked_for_does_not_count(journal):
    begin(journal)
    record(journal, used(TODAY_NS - DAY_NS, tokens=1.0), used(tokens=2.0))
    assert dict(journal.spent("doorbell", since="2023-11-14").flow) == {"tokens": 2}
    assert dict(journal.spent("doorbell", since="2023-11-13").flow) == {"tokens": 3}


def test_what_is_not_yet_durable_counts_too(journal):
    begin(journal)
    record(journal, used(tokens=5.0), durable=False)
    assert dict(journal.spent("doorbell", since="2023-11-14").flow) == {"tokens": 5}


def test_the_sum_of_a_child_run_is_not_counted_twice(journal):
    begin(journal)
    record(journal, used(tokens=5.0, child_id="run-1.1.call"))
    assert not journal.spent("doorbell", since="2023-11-14").tenant


def test_what_a_run_was_copied_with_was_spent_by_another(journal):
    begin(journal, entries=[step_started(), used(tokens=5.0)])
    record(journal, used(tokens=2.0))
    assert dict(journal.spent("doorbell", since="2023-11-14").flow) == {"tokens": 2}


def test_what_was_spent_outlives_its_runs(sqlite_journal):
    begin(sqlite_journal)
    record(sqlite_journal, used(tokens=5.0), finished())
    assert sqlite_journal.prune(older_than_ns=10**18) == 1
    assert dict(sqlite_journal.spent("doorbell", since="2023-11-14").flow) == {"tokens": 5}


def test_amounts_can_be_read_with_sqlite3(sqlite_journal, path):
    import sqlite3

    begin(sqlite_journal)
    record(sqlite_journal, used(seq=3, tokens=5.0))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT run_id, seq, name, amount FROM usage").fetchall() == [("run-1", 3, "tokens", 5)]


@pytest.mark.parametrize(
    "fields",
    [
        ["used", 1, 1, {"tokens": -1}, 5, None],
        ["used", 1, 1, {"tokens": "1"}, 5, None],
        ["used", 1, 1, {"tokens": None}, 5, None],
        ["used", 1, 1, [], 5, None],
        ["used", 1, 1, {}, "now", None],
        ["used", 1, 1, {str(number): 1 for number in range(40)}, 5, None],
    ],
)
def test_a_record_with_amounts_that_cannot_be_added_up_is_refused(fields):
    import orjson

    with pytest.raises(InputInvalid):
        inspect_record(orjson.dumps([fields]))
