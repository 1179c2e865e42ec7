"""Whatever a run records comes back exactly."""

import math
import sqlite3
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intellyhub_engine.errors import InputInvalid, PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.encoding import decode_record, encode_entries
from intellyhub_engine.journal.records import (
    Logged,
    RunFinished,
    RunStatus,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
    Used,
)
from intellyhub_engine.journal.sqlite import SqliteJournal
from intellyhub_engine.language.values.values import Record
from tests.unit.engine.journal.runs import make_event, make_start, step_finished, step_started, suspended

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NS = st.integers(0, 2**63 - 1)
SEQ = st.integers(1, 2**31)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.binary(max_size=12)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(UTC))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4).map(Record)
    ),
    max_leaves=12,
)
NAMES = st.from_regex(r"[a-z_$]{1,8}", fullmatch=True)
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    data=VALUES,
    subject=st.none() | TEXT,
    time=st.none() | TEXT,
    extensions=st.dictionaries(TEXT, TEXT, max_size=2),
)
ENTRIES = (
    st.builds(StepStarted, SEQ, TEXT, TEXT, SEQ, NS)
    | st.builds(
        StepFinished,
        SEQ,
        TEXT,
        TEXT,
        SEQ,
        st.sampled_from(StepStatus),
        st.none() | TEXT,
        NS,
        NS,
        st.dictionaries(NAMES, VALUES, max_size=3),
        st.none() | TEXT,
        st.none() | st.dictionaries(TEXT, st.fixed_dictionaries({"index": SEQ, "items": st.lists(VALUES, max_size=3)})),
        st.lists(EVENTS, max_size=2).map(tuple),
        st.lists(TEXT, max_size=2).map(tuple),
    )
    | st.builds(Logged, SEQ, TEXT, TEXT, NS)
    | st.builds(Used, SEQ, SEQ, st.dictionaries(TEXT, st.floats(0, 1e9), max_size=3), NS, st.none() | TEXT)
    | st.builds(RunSuspended, SEQ, TEXT, st.none() | NS, st.none() | st.dictionaries(TEXT, SCALARS), st.none() | TEXT)
)
ENDS = st.builds(RunFinished, st.sampled_from(RunStatus), st.none() | TEXT, st.none() | TEXT, VALUES, NS)


def kept(entry) -> Any:
    """The entry as the journal gives it back."""
    (decoded,) = decode_record(encode_entries([entry]))
    return decoded


@given(st.lists(ENTRIES | ENDS, max_size=6))
def test_entries_come_back_exactly(entries):
    decoded = decode_record(encode_entries(entries))
    assert [(type(entry), entry) for entry in decoded] == [(type(entry), entry) for entry in entries]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(ENTRIES, min_size=1, max_size=3), st.booleans()), max_size=8), st.none() | ENDS)
def test_any_sequence_of_records_survives_reopening(tmp_path_factory, records, end):
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    journal = SqliteJournal(path)
    journal.begin(make_start(), owner="me", lease_seconds=60)
    written = []
    for entries, durable in records:
        journal.record("run-1", entries, owner="me", durable=durable)
        written += entries
        if isinstance(entries[-1], RunSuspended):
            journal.claim("run-1", owner="me", lease_seconds=60)
    if end is not None:
        journal.record("run-1", [end], owner="me", durable=True)
        written.append(end)
    journal.close()
    reopened = SqliteJournal(path)
    assert reopened.history("run-1").entries == tuple(written)
    reopened.close()


@pytest.mark.parametrize(
    "value",
    [
        2**80,
        -(2**80),
        math.inf,
        "half a pair: \ud800",
        b"\x00\xff",
        Decimal("1.10"),
        date(2026, 1, 31),
        time(12, 30),
        timedelta(days=2),
        (1, (2,)),
        {1, 2},
        Record({"$": "date", "v": "no date"}),
        Record({1: "one"}),
    ],
    ids=repr,
)
def test_values_that_json_does_not_know_keep_their_type(value):
    entry = kept(step_finished(changes={"it": value}))
    assert (type(entry.changes["it"]), entry.changes["it"]) == (type(value), value)


def test_not_a_number_is_kept_and_is_not_null():
    entry = kept(step_finished(changes={"it": math.nan}))
    assert math.isnan(entry.changes["it"])


def test_a_value_nested_as_deep_as_variables_may_be_is_kept():
    value: Any = 1
    for _ in range(99):
        value = [value]
    entry = kept(step_finished(changes={"it": value}))
    assert entry.changes["it"] == value


def test_a_plain_mapping_comes_back_as_a_record():
    entry = kept(step_finished(changes={"it": {"a": {"b": 1}}}))
    assert entry.changes["it"] == {"a": {"b": 1}}
    assert isinstance(entry.changes["it"]["a"], Record)


def test_half_a_surrogate_pair_in_a_message_is_replaced():
    entries = [Logged(1, "error", "bad \udcff byte", 5), step_finished(error="\udcff", changes={"kept": "\udcff"})]
    line, step = [kept(entry) for entry in entries]
    assert (line.message, step.error, step.changes["kept"]) == ("bad ? byte", "?", "\udcff")


def test_a_wait_beyond_the_year_2262_is_kept_as_the_last_moment_there_is():
    entry = kept(suspended(until_ns=10**30))
    assert entry.until_ns == 2**63 - 1


def test_an_entry_above_the_limit_names_state_variable_and_remedy():
    step = step_finished(state="download", changes={"small": "x", "page": "x" * 2000})
    with pytest.raises(PermanentError) as caught:
        encode_entries([step_finished(), step], 1000)
    message = str(caught.value)
    assert "state 'download'" in message
    assert "variable 'page' (2,002 bytes)" in message
    assert "keeps up to 1,000" in message
    assert "file" in message


def test_many_entries_may_together_be_above_the_limit():
    entries = [step_finished(seq, changes={"page": "x" * 600}) for seq in range(1, 5)]
    assert len(decode_record(encode_entries(entries, 1000))) == 4


def test_fifty_megabytes_are_refused_and_the_run_goes_on(sqlite_journal):
    sqlite_journal.begin(make_start(), owner="me", lease_seconds=60)
    with pytest.raises(PermanentError, match="variable 'page'"):
        sqlite_journal.record("run-1", [step_finished(changes={"page": "x" * 50_000_000})], owner="me", durable=True)
    sqlite_journal.record("run-1", [step_finished()], owner="me", durable=True)
    assert sqlite_journal.history("run-1").entries == (step_finished(),)


def test_a_value_that_variables_refuse_is_named_too():
    values = {"fine": 1, "odd": [object()]}
    with pytest.raises(PermanentError, match="state 'ring': variable 'odd': "):
        encode_entries([step_started(), step_finished(changes=values)])


def test_an_event_of_fifty_megabytes_makes_no_run(sqlite_journal):
    with pytest.raises(InputInvalid, match="file"):
        sqlite_journal.begin(make_start(event=make_event(data="x" * 50_000_000)), owner="me", lease_seconds=60)
    assert sqlite_journal.runs() == []


def test_an_event_id_that_is_no_text_makes_no_run(sqlite_journal):
    with pytest.raises(InputInvalid, match="surrogate"):
        sqlite_journal.begin(make_start(event=make_event("\ud800")), owner="me", lease_seconds=60)


def test_the_views_tell_steps_and_log_lines_in_plain_sql(sqlite_journal, path):
    sqlite_journal.begin(make_start(), owner="me", lease_seconds=60)
    step = step_finished(3, changes={"total": 7}, status=StepStatus.FAILED, error="no bell")
    sqlite_journal.record("run-1", [step, Logged(3, "info", "rang", 1_500_000_000)], owner="me", durable=True)
    with sqlite3.connect(path) as connection:
        steps = connection.execute("SELECT run_id, seq, state, type, attempt, status, next, changes, error FROM step")
        assert steps.fetchall() == [("run-1", 3, "ring", "http", 1, "failed", "end", '{"total":7}', "no bell")]
        logged = connection.execute("SELECT run_id, seq, level, message, at FROM log").fetchall()
    connection.close()
    assert logged == [("run-1", 3, "info", "rang", "1970-01-01T00:00:01.500Z")]


def test_dates_in_messages_are_utc():
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    entry = kept(step_finished(changes={"at": moment}))
    assert entry.changes["at"] == moment
