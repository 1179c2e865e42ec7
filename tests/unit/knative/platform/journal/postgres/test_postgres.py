"""What is PostgreSQL's own: one owner, refusals that are told apart, tables that are SQLite's, long and odd texts."""

import ast
import asyncio
import re
import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

import intellyhub_engine.journal
import intellyhub_knative.platform.journal
from intellyhub_engine.errors import JournalFull, JournalUnwritable
from intellyhub_engine.journal.database import open_writer
from intellyhub_knative.platform.journal import tables as outbox
from intellyhub_knative.platform.journal.postgres import tables
from intellyhub_knative.platform.journal.postgres.connection import NowConnection, Readers, dial
from intellyhub_knative.platform.journal.postgres.dialect import PHRASES, translate
from intellyhub_knative.platform.journal.postgres.ownership import Stopped, take_ownership
from intellyhub_knative.platform.journal.postgres.store import open_store
from intellyhub_knative.platform.journal.store import DatabaseLost
from tests.unit.engine.journal.runs import begin, finished, make_event, record, step_finished, suspended
from tests.unit.knative.platform.journal.services import DOOR, FLOW, TENANT, database_url, empty_database, make_service

pytestmark = pytest.mark.xdist_group("journal-postgresql")
SCHEMA = tables.SCHEMA
SESSIONS = "FROM pg_stat_activity WHERE application_name = 'intellyhub-journal'"


def ask(statement, values=None):
    with closing(psycopg2.connect(database_url())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {SCHEMA}")
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def url():
    return empty_database()


@pytest.fixture
def owner(url):
    made = take_ownership(url, threading.Event())
    yield made
    made.close()


@pytest.fixture
def service(clock):
    made = make_service("postgresql", clock)
    yield made
    made.remove()


def insert(connection, run_id):
    connection.execute(
        "INSERT INTO run (run_id, flow, version, status, started_ns) VALUES (?, 'f', 'v', 'running', 1)", (run_id,)
    )


def test_nobody_becomes_the_owner_beside_another(owner, url):
    stop, became = threading.Event(), []
    waiting = threading.Thread(target=lambda: became.append(take_ownership(url, stop)))
    waiting.start()
    waiting.join(0.6)
    assert became == []
    owner.close()
    waiting.join(5)
    [second] = became
    insert(second, "by-the-second")
    second.close()


def test_who_waits_can_be_told_to_stop(owner, url):
    stop, said = threading.Event(), []

    def wait():
        try:
            take_ownership(url, stop)
        except Stopped as fault:
            said.append(type(fault))

    waiting = threading.Thread(target=wait)
    waiting.start()
    stop.set()
    waiting.join(5)
    assert said == [Stopped]


def test_a_superseded_owner_commits_nothing_more_even_in_a_session_that_lives(owner):
    insert(owner, "before")
    owner.execute("BEGIN IMMEDIATE")
    insert(owner, "in-time")
    new_owner = threading.Thread(target=ask, args=("UPDATE ownership SET epoch = epoch + 1",))
    new_owner.start()
    new_owner.join(0.2)
    assert new_owner.is_alive()  # it waits for what was begun in time
    owner.execute("COMMIT")
    new_owner.join(5)
    with pytest.raises(DatabaseLost, match="taken over"):
        insert(owner, "too-late")
    assert ask("SELECT run_id FROM run ORDER BY number") == [("before",), ("in-time",)]


def test_a_transaction_is_undone_when_the_owner_is_superseded_before_its_first_statement(owner):
    owner.execute("BEGIN IMMEDIATE")
    ask("UPDATE ownership SET epoch = epoch + 1")
    with pytest.raises(DatabaseLost):
        insert(owner, "too-late")
    assert ask("SELECT run_id FROM run") == []


@pytest.mark.parametrize("kind", [psycopg2.DatabaseError, psycopg2.OperationalError])
def test_a_connection_that_broke_is_lost_also_before_its_client_has_noted_it(owner, kind):
    class Broken:
        closed = 0

        def cursor(self):
            raise kind("server closed the connection unexpectedly")

        def close(self):
            pass

    raw, owner._raw = owner._raw, Broken()
    try:
        with pytest.raises(DatabaseLost, match="server closed the connection"):
            insert(owner, "never")
    finally:
        raw.close()


def test_a_statement_that_is_wrong_loses_no_connection(owner):
    with pytest.raises(psycopg2.ProgrammingError):
        owner.execute("SELECT nothing FROM nowhere")
    owner.rollback()
    insert(owner, "later")
    owner.execute("COMMIT")


def test_a_transaction_of_nothing_costs_nothing(owner):
    owner.execute("BEGIN IMMEDIATE")
    assert owner.in_transaction
    owner.execute("COMMIT")
    assert not owner.in_transaction
    owner.execute("BEGIN IMMEDIATE")
    insert(owner, "undone")
    owner.rollback()
    assert ask("SELECT run_id FROM run") == []


def test_when_its_sessions_end_clients_repeat_and_nothing_is_lost(service, client):
    begin(client, flow=FLOW)
    record(client, step_finished(1), durable=False)
    ask(f"SELECT pg_terminate_backend(pid) {SESSIONS}")
    with closing(service.client(patience_seconds=0.2)) as other, pytest.raises(JournalUnwritable, match="not answer"):
        record(other, step_finished(2))
    assert service.house.lost.done()
    with pytest.raises(ConnectionError):
        raise service.house.lost.result()


def test_who_waits_for_a_commit_hears_that_the_database_is_lost(url):
    async def story():
        store = await open_store(url, threading.Event())
        store.operate(lambda connection: connection.execute("SELECT pg_terminate_backend(pg_backend_pid())"))
        with pytest.raises(DatabaseLost):
            await asyncio.wait_for(store.settle(), 10)
        await store.close()

    asyncio.run(story())


def test_a_reading_session_that_was_lost_meanwhile_is_not_noticed(url, owner):
    readers = Readers(url)
    assert readers.ask(lambda connection: connection.execute("SELECT 7").fetchone()) == (7,)
    now = NowConnection(url)
    ask(f"SELECT pg_terminate_backend(pid) {SESSIONS} AND query NOT LIKE '%advisory%' AND query NOT LIKE '%ownership%'")
    assert readers.ask(lambda connection: connection.execute("SELECT 7").fetchone()) == (7,)
    assert now.execute("SELECT 8").fetchone() == (8,)
    now.close()
    readers.close()


def test_readers_see_one_unchanging_state_and_change_nothing(url, owner):
    readers = Readers(url)

    def count_twice(connection):
        first = connection.execute("SELECT count(*) FROM run").fetchone()
        insert(owner, "meanwhile")
        return first, connection.execute("SELECT count(*) FROM run").fetchone()

    assert readers.ask(count_twice) == ((0,), (0,))
    with pytest.raises(JournalUnwritable, match="read-only"):
        readers.ask(lambda connection: insert(connection, "x"))
    assert readers.ask(lambda connection: connection.execute("SELECT count(*) FROM run").fetchone()) == (1,)
    readers.close()


def test_large_bodies_are_fetched_a_few_at_a_time(url, owner):
    owner.executemany(
        "INSERT INTO record (run, seq, body, mark) VALUES (?, ?, ?, ?)", [(1, n, f"[{n}]", None) for n in range(100)]
    )
    readers = Readers(url)

    def first_ones(connection):
        rows = connection.execute("SELECT number, CAST(body AS BLOB) FROM record ORDER BY number")
        sent = [rows.fetchone(), rows.fetchone()]
        open_cursors = connection.execute("SELECT count(*) FROM pg_cursors").fetchone()
        return sent, open_cursors, len(list(rows))

    assert readers.ask(first_ones) == ([(1, b"[0]"), (2, b"[1]")], (1,), 98)
    readers.close()


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '%s'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON record EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def refuse(service):
    yield lambda code: ask(REFUSE % code)
    ask("DROP FUNCTION IF EXISTS refuse CASCADE")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", JournalFull, "no room to grow"),
        ("25006", JournalUnwritable, "is read-only"),
        ("53200", JournalUnwritable, "no memory"),
        ("42501", JournalUnwritable, "refuses its user"),
        ("XX000", JournalUnwritable, "cannot be used"),
    ],
)
def test_refusals_are_told_apart_and_pass(service, client, refuse, code, kind, words):
    begin(client, flow=FLOW)
    record(client, step_finished(1), durable=False)
    refuse(code)
    with pytest.raises(kind, match=words):
        record(client, step_finished(2))
    ask("DROP FUNCTION refuse CASCADE")
    record(client, step_finished(3))
    assert {entry.seq for entry in client.history("run-1").entries} >= {3}
    assert not service.house.lost.done()


def test_on_a_full_disk_what_nobody_waits_for_is_kept_for_later(service, client, refuse):
    begin(client, flow=FLOW)
    refuse("53100")
    record(client, step_finished(1), durable=False)
    with pytest.raises(JournalFull):
        record(client, step_finished(2))
    ask("DROP FUNCTION refuse CASCADE")
    record(client, step_finished(3))
    assert next(entry.seq for entry in client.history("run-1").entries) == 1


def test_no_connections_left_is_said(url):
    ask("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
    try:
        readers = Readers(url.replace("postgres@", "few@"))
        with closing(dial(url.replace("postgres@", "few@"))), pytest.raises(JournalUnwritable, match="too many"):
            readers.ask(lambda connection: connection.execute("SELECT 1").fetchone())
    finally:
        ask("DROP ROLE few")


def test_long_and_odd_texts_of_strangers_are_kept(client):
    long = make_event("i" * 5000, source="/" + "s" * 5000)
    begin(client, "long", flow=FLOW, event=long)
    assert client.runs_of_event(long, flow=FLOW).begun == "long"
    assert client.find_run(FLOW, long.source, long.id).run_id == "long"
    other = make_event("i" * 4999 + "j", source=long.source)
    assert begin(client, "other", flow=FLOW, event=other).start.run_id == "other"
    odd = make_event("nul \0 and %s and ' and \\ and é", source="/%(n1)s")
    begin(client, "odd", flow=FLOW, event=odd)
    assert client.history("odd").start.event == odd
    assert client.runs_of_event(odd, flow=FLOW).begun == "odd"
    client.remember(FLOW, "key\0 ' \\", '"value \\u0000"')
    assert client.remembered(FLOW, "key\0 ' \\").value == '"value \\u0000"'


def test_a_waiting_run_is_found_by_a_long_event(client):
    begin(client, flow=FLOW)
    record(client, suspended(event_filter={"type": "bell.rung"}))
    event = make_event("i" * 5000, type="bell.rung")
    assert client.waiting_for(event, flow=FLOW) == ["run-1"]


def test_tables_of_a_newer_version_are_left_alone(url):
    ask("UPDATE part SET version = 99 WHERE name = 'journal'")
    try:
        with pytest.raises(JournalUnwritable, match="newer IntellyHub"):
            take_ownership(url, threading.Event())
    finally:
        ask("UPDATE part SET version = %s WHERE name = 'journal'", (len(tables.MIGRATIONS),))


def test_both_databases_have_the_same_tables(url, owner, tmp_path):
    file = open_writer(tmp_path / "journal.db")
    outbox.prepare(file)
    names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    ours = {
        name: [column[1] for column in file.execute(f"PRAGMA table_info({name})")]
        for name in names
        if not name.startswith("sqlite_")
    }
    file.close()
    theirs: dict[str, list[str]] = {}
    columns = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"
    for table, column in ask(columns, (SCHEMA,)):
        theirs.setdefault(table, []).append(column)
    del theirs["ownership"]
    assert {table: sorted(named) for table, named in ours.items()} == {
        table: sorted(named) for table, named in theirs.items()
    }


def texts():
    """Every text in the journal's modules, with the module's name."""
    modules = (intellyhub_engine.journal, intellyhub_knative.platform.journal)
    for path in [path for module in modules for path in Path(str(module.__file__)).parent.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def test_every_phrase_of_the_dialect_is_used():
    assert [phrase for phrase in PHRASES if not any(phrase in text for _, text in texts())] == []


SQLITES_OWN = {"schema.py", "database.py", "tables.py"}
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b.*\b(FROM|INTO|SET)\b", re.DOTALL)


def test_every_statement_is_one_that_postgresql_understands(owner):
    del owner  # it has made the tables
    wrong, count = [], 0
    with closing(psycopg2.connect(database_url(), options=f"-c search_path={SCHEMA}")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for name, text in texts():
            if not STATEMENT.match(text) or name in SQLITES_OWN:
                continue
            whole = text.strip().removesuffix("WHERE").replace("{marks}", "?")
            try:
                cursor.execute("PREPARE one AS " + re.sub(r"%s|%\(n\d+\)s", "NULL", translate(whole)))
                cursor.execute("DEALLOCATE one")
                count += 1
            except psycopg2.Error as fault:
                wrong.append((name, whole, str(fault)))
    assert wrong == []
    assert count > 50


def test_a_percent_sign_would_be_taken_amiss():
    with pytest.raises(ValueError, match="percent"):
        translate("SELECT 1 WHERE a LIKE 'x%'")


def test_views_show_runs_to_those_who_read_the_database(client):
    begin(client, flow=FLOW, event=make_event())
    record(client, step_finished(1), finished())
    [row] = ask("SELECT run_id, seq, state, status, duration_ms FROM step")
    assert row[:2] == ("run-1", 1)
    assert ask("SELECT body -> 1 ->> 2 FROM entry WHERE kind = 'start'") == [(make_event().type,)]


def test_sessions_are_as_they_must_be(owner, url):
    with closing(dial(url)) as raw:
        cursor = raw.cursor()
        for name, value in {"synchronous_commit": "on", "search_path": SCHEMA}.items():
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == (value,)


def test_an_error_inside_a_transaction_leaves_the_session_usable(owner):
    owner.execute("BEGIN IMMEDIATE")
    with pytest.raises(psycopg2.Error):
        owner.execute("SELECT nothing FROM nowhere")
    owner.rollback()
    insert(owner, "after")
    assert ask("SELECT run_id FROM run") == [("after",)]


def test_deliveries_to_a_flow_are_left_out_by_name(client):
    for number in range(3):
        [accepted] = client.accept(TENANT, [make_event(str(number))])
        client.route([(accepted.number, (DOOR, "other"))])
    due = client.due(2**62, except_flows=[DOOR])
    assert {one.flow_id for one in due} == {"other"}
    assert len(client.due(2**62, beyond=[one.delivery_id for one in due])) == 3
