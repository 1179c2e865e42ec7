"""The sql state on SQLite files and on a real PostgreSQL, over a proxy that fails as networks do."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.language.values.values import Record, TextRecord, decode, encode
from intellyhub_functions.states.sql import database, watch
from intellyhub_functions.states.sql.sql import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.postgresql import postgresql
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.surroundings import Log, configured, make_step

SQLITE = "sqlite:///data.db"
EVIL = "'); DROP TABLE people; --"


@pytest.fixture
def step(tmp_path):
    return make_step(tmp_path)


@pytest.fixture
def people(step):
    run(step, "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT UNIQUE, city TEXT)")
    rows = [{"name": "Ada", "city": "Milano"}, {"name": "Bob", "city": "Torino"}, {"name": EVIL, "city": "Milano"}]
    run(step, "INSERT INTO people (name, city) VALUES (:name, :city)", rows)
    return step


def run(step, query, parameters=None, **more):
    return perform({"url": SQLITE, "query": query, "parameters": parameters, **more}, step)


def test_rows_are_records_and_the_first_ones_are_at_hand(people):
    found = run(people, "SELECT id, name FROM people WHERE city = :city ORDER BY id", {"city": "Milano"})
    assert found.rows == [{"id": 1, "name": "Ada"}, {"id": 3, "name": EVIL}]
    assert (found.row.name, found.value, found.columns) == ("Ada", 1, ["id", "name"])
    assert (found.row_count, found.truncated) == (2, False)
    assert run(people, "SELECT 1 WHERE 1 = 0").row is None


def test_what_does_not_stand_in_parameters_is_the_flow_s_variable(people):
    step = make_step(people.workspace, {"who": TextRecord({"text": "Bob"}, "text"), "city": "Torino"})
    query = "SELECT count(*) FROM people WHERE name = :who AND city = :city"
    assert run(step, query).value == 1
    assert run(step, query, {"city": "Milano"}).value == 0


@pytest.mark.parametrize("value", [EVIL, "' OR '1'='1", '"', "\\", ":name", "{name}", "%s", "\0", "x" * 100_000])
def test_no_value_ever_becomes_sql(people, value):
    assert run(people, "SELECT :value AS value", {"value": value}).value == value
    run(people, "UPDATE people SET city = :value WHERE name = :name", {"value": value, "name": "Ada"})
    assert run(people, "SELECT count(*) FROM people WHERE city = :value", {"value": value}).value == 1


@pytest.mark.parametrize("query", ["SELECT '{name}'", "SELECT {name}", "SELECT { name.x | upper }"])
def test_a_placeholder_in_sql_is_refused_and_other_braces_are_not(people, query):
    step = make_step(people.workspace, {"name": "x"})
    with pytest.raises(PermanentError, match="is not put into SQL, because it could become SQL; write :name"):
        run(step, query)
    assert run(step, """SELECT '{"a": 1, "b": {other}}' AS x""").value == '{"a": 1, "b": {other}}'


def test_a_name_without_a_value_is_told(people):
    with pytest.raises(PermanentError, match="the query's :nobody has no value"):
        run(people, "SELECT * FROM people WHERE name = :nobody")
    assert run(people, r"SELECT '12:30 \:x' AS x").value == "12:30 :x"


@pytest.mark.parametrize(
    "query", ["SELECT id FROM people WHERE id IN :ids", "SELECT id FROM people WHERE id in ( :ids )"]
)
def test_a_list_behind_in_is_meant_one_by_one(people, query):
    assert [row.id for row in run(people, query, {"ids": [1, 3, 9]}).rows] == [1, 3]
    assert run(people, query, {"ids": []}).rows == []


def test_records_and_lists_are_bound_as_json(people):
    found = run(people, "SELECT :a AS a, :b AS b", {"a": Record(x=[1, "à"]), "b": [1, {"y": None}]})
    assert found.row == {"a": '{"x": [1, "à"]}', "b": '[1, {"y": null}]'}


def test_moments_and_decimal_numbers_are_texts_to_sqlite(people):
    at = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
    found = run(
        people, "SELECT :at AS at, :day AS day, :price AS price", {"at": at, "day": at.date(), "price": Decimal("9.90")}
    )
    assert found.row == {"at": "2025-01-02T03:04:00+00:00", "day": "2025-01-02", "price": "9.90"}


def test_a_list_of_parameters_runs_once_for_each_and_an_empty_one_not_at_all(people):
    query = "INSERT INTO people (name, city) VALUES (:name, 'Roma')"
    assert run(people, query, [{"name": str(number)} for number in range(5)]).row_count == 5
    assert run(people, query, []).row_count == 0
    assert run(people, "SELECT count(*) FROM people WHERE city = 'Roma'").value == 5


def test_all_statements_of_a_step_count_or_none(people):
    with pytest.raises(PermanentError, match="UNIQUE constraint failed"):
        run(
            people,
            ["CREATE TABLE other (id INTEGER)", "DELETE FROM people WHERE id = 2", "UPDATE people SET name = 'Ada'"],
        )
    assert run(people, "SELECT count(*) FROM people").value == 3
    assert run(people, "SELECT count(*) FROM sqlite_master WHERE name = 'other'").value == 0
    done = run(people, ["DELETE FROM people WHERE id = :id", "SELECT count(*) AS left FROM people"], {"id": 2})
    assert done.value == 2


def test_results_are_cut_at_the_limits_and_say_so(people):
    log = Log()
    step = make_step(people.workspace, log=log)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    found = run(step, numbers, max_rows=3)
    assert ([row.i for row in found.rows], found.truncated) == ([1, 2, 3], True)
    assert "only 3 rows are kept" in log.text()
    assert len(run(step, "SELECT 'abcde' AS x FROM people", max_bytes=12).rows) == 2
    assert run(step, "SELECT id FROM people", max_rows=3).truncated is False


def test_columns_of_one_name_are_told_apart(people):
    found = run(people, "SELECT 1 AS id, 2 AS id, 3 AS id_2")
    assert found.row == {"id": 1, "id_2": 2, "id_2_2": 3}


def test_every_kind_of_value_comes_back_and_can_be_kept(people):
    found = run(people, "SELECT NULL AS n, 1.5 AS f, x'ff00' AS b, :t AS t", {"t": "à\u20ac\U0001f600"})
    assert found.row == {"n": None, "f": 1.5, "b": b"\xff\x00", "t": "à€😀"}
    assert decode(encode(found)) == found


def test_a_statement_without_end_ends_with_the_step_s_time(step):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(StepTimedOut, match=r"not done after 0\.2 s"):
        run(replace(step, timeout_seconds=0.2), numbers)


def test_a_cancelled_run_ends_its_statement(step):
    threading.Timer(0.2, step.cancelled.set).start()
    with pytest.raises(StepCancelled):
        run(step, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")


def test_a_locked_database_may_be_free_later(people):
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{people.workspace / 'data.db'}")
    with engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(RetryableError, match="database is locked"):
            run(people, "DELETE FROM people", timeout=0.4)
        other.rollback()
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///../secret.db", "outside the workspace"),
        ("sqlite:////etc/passwd", "outside the workspace"),
        ("sqlite:///file:/etc/passwd?mode=ro&uri=true", "names a file of the workspace"),
        ("postgresql:///shop", "names no host"),
        ("postgresql://%2Fvar%2Frun/shop", "names no host"),
        ("postgresql://a/shop?host=/var/run/postgresql", "host cannot be used in a flow"),
        ("postgresql://a/shop?sslkey=/root/key", "sslkey cannot be used in a flow"),
        ("mysql://a/shop?unix_socket=/run/mysqld.sock", "unix_socket cannot be used"),
        ("mysql://a/shop?local_infile=1&read_default_file=/root/.my.cnf", "local_infile, read_default_file cannot"),
        ("postgresql://169.254.169.254/shop", "may not connect"),
        ("mysql://169.254.169.254/shop", "may not connect"),
        ("oracle://127.0.0.1/shop", "no driver for oracle in this installation; install oracledb"),
        ("dbase://127.0.0.1/shop", "no driver for dbase"),
        ("no address", "url is not a database's address"),
        ("", "url is missing"),
    ],
)
def test_addresses_that_flows_may_not_use_are_refused(step, url, message):
    with pytest.raises(PermanentError, match=message):
        perform({"url": url, "query": "SELECT 1"}, step)


def test_a_host_that_is_another_one_when_mysql_is_connected_to_is_not_spoken_to(step, monkeypatch):
    monkeypatch.setattr(database, "find_addresses", lambda host, port: ["93.184.216.34"])  # what it was a moment before
    with configured(INTELLYHUB_NETWORK="public"), socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"mysql://me:secret@127.0.0.1:{listener.getsockname()[1]}/shop"
        with pytest.raises(PermanentError, match="may not connect"):
            perform({"url": url, "query": "SELECT 1", "timeout": 3}, step)


def test_mysql_is_spoken_to_over_the_connection_that_was_checked(step):
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        url = f"mysql://me:secret@127.0.0.1:{listener.getsockname()[1]}/shop"
        asked = threads.submit(perform, {"url": url, "query": "SELECT 1"}, step)
        end, _ = listener.accept()
        refusal = b"\xff\x15\x04#28000Access denied for user"
        with end:
            end.sendall(len(refusal).to_bytes(3, "little") + b"\0" + refusal)
            with pytest.raises(PermanentError, match="Access denied") as told:
                asked.result()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH DATABASE '/etc/passwd' AS x",
        "ATTACH DATABASE '../outside.db' AS x",
        "VACUUM INTO '../outside.db'",
        "SELECT load_extension('/tmp/x.so')",
    ],
)
def test_sql_opens_no_other_file(people, query):
    with pytest.raises((PermanentError, RetryableError)):
        run(people, query)
    assert not (people.workspace.parent / "outside.db").exists()


def test_an_asynchronous_driver_and_bad_parameters_are_refused(step):
    with pytest.raises(PermanentError, match=r"asynchronous driver|no driver|is not installed"):
        perform({"url": "sqlite+aiosqlite://", "query": "SELECT 1"}, step)
    with pytest.raises(PermanentError, match="parameters must be a mapping"):
        run(step, "SELECT :a", ["x"])
    with pytest.raises(PermanentError, match="query is empty"):
        run(step, [" ", ""])
    with pytest.raises(PermanentError, match="syntax error"):
        run(step, "SELEKT 1")


def test_without_sqlalchemy_or_a_driver_the_extra_is_named(step, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(PermanentError, match=r"the driver for mysql .* intellyhub-functions\[mysql\]"):
        perform({"url": "mysql://127.0.0.1/shop", "query": "SELECT 1"}, step)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(PermanentError, match=r"intellyhub-functions\[sql\]"):
        run(step, "SELECT 1")


def test_a_password_is_never_told(step, tmp_path):
    with Proxy(tmp_path / "nobody.sock") as proxy, proxy.gone(), pytest.raises(RetryableError) as told:
        perform({"url": f"postgresql://me:tell-nobody@127.0.0.1:{proxy.port}/x", "query": "SELECT 1"}, step)
    assert "tell-nobody" not in str(told.value)


def test_the_example_counts_visitors(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert (tmp_path / "counted.txt").read_text().startswith("2 visitors of Milano, the last is Eve')")


@pytest.fixture(scope="module")
def server():
    with postgresql() as path:
        yield path


@pytest.fixture
def proxy(server):
    with Proxy(server) as proxy:
        yield proxy


@pytest.fixture
def shop(step, proxy):
    def run(query, parameters=None, *, step=step, **more):
        url = f"postgres://postgres@127.0.0.1:{proxy.port}/postgres"
        return perform({"url": url, "query": query, "parameters": parameters, **more}, step)

    run("DROP TABLE IF EXISTS items")
    run("CREATE TABLE items (id int PRIMARY KEY, tags text[], more jsonb, price numeric, at timestamptz, key uuid)")
    return run


@pytest.mark.slow
@pytest.mark.xdist_group("postgres-sql")
class TestPostgreSQL:
    """What only a real server shows."""

    def test_its_kinds_of_values_come_back_and_can_be_kept(self, shop):
        at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
        values = {"tags": ["a", "b'c"], "more": Record(x=[1]), "price": Decimal("9.90"), "at": at}
        key = "0b1f4c7e-53a1-4d7e-9b57-2f3c1a6d8e90"
        shop("INSERT INTO items VALUES (1, :tags, :more, :price, :at, CAST(:key AS uuid))", {**values, "key": key})
        found = shop("SELECT *, '1 day'::interval AS d, int4range(1, 3) AS r, '\\xff00'::bytea AS b FROM items")
        assert found.row.tags == ["a", "b'c"]
        assert found.row.more == {"x": [1]}
        assert (found.row.price, found.row.key, found.row.b) == (Decimal("9.90"), key, b"\xff\x00")
        assert found.row["at"] == at
        assert isinstance(found.row.r, str)
        assert decode(encode(found)) == found

    def test_all_statements_of_a_step_count_or_none(self, shop):
        shop("INSERT INTO items (id) VALUES (1)")
        with pytest.raises(PermanentError, match="duplicate key"):
            shop(["CREATE TABLE other (id int)", "DELETE FROM items", "INSERT INTO items (id) VALUES (1), (1)"])
        assert shop("SELECT count(*) FROM items").value == 1
        assert shop("SELECT to_regclass('other')").value is None
        assert shop("INSERT INTO items (id) VALUES (2) RETURNING id").value == 2

    def test_a_large_result_is_not_fetched_whole(self, shop):
        began = time.monotonic()
        found = shop("SELECT i, repeat('x', 10000) AS x FROM generate_series(1, 300000) i", max_rows=5)
        assert (len(found.rows), found.truncated) == (5, True)
        assert time.monotonic() - began < 5

    def test_the_server_ends_a_statement_that_takes_too_long(self, shop, step):
        with pytest.raises(StepTimedOut):
            shop("SELECT pg_sleep(30)", step=replace(step, timeout_seconds=0.3))
        assert shop("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'").value == 0

    def test_a_cancelled_run_ends_its_statement(self, shop, step):
        threading.Timer(0.3, step.cancelled.set).start()
        with pytest.raises(StepCancelled):
            shop("SELECT pg_sleep(30)")

    def test_a_connection_that_goes_silent_is_cut_with_the_step_s_time(self, shop, step, proxy, monkeypatch):
        monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.1)
        threading.Timer(0.3, proxy.freeze).start()
        with pytest.raises(StepTimedOut):
            shop("SELECT pg_sleep(30)", step=replace(step, timeout_seconds=0.8))
        proxy.thaw()

    def test_a_server_that_goes_may_come_back(self, shop, proxy):
        with proxy.gone(), pytest.raises(RetryableError):
            shop("SELECT 1")
        threading.Timer(0.3, proxy.cut).start()
        with pytest.raises(RetryableError):
            shop("SELECT pg_sleep(30)")
        assert shop("SELECT 1").value == 1

    def test_a_deadlock_s_loser_may_try_again(self, shop):
        with pytest.raises(RetryableError, match="could not serialize"):
            shop("DO $$ BEGIN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$")

    def test_bad_credentials_are_told(self, shop, step, proxy):
        with pytest.raises((PermanentError, RetryableError), match='role "stranger" does not exist'):
            perform({"url": f"postgresql://stranger@127.0.0.1:{proxy.port}/postgres", "query": "SELECT 1"}, step)
