"""The postgres source against a real server, over a proxy that fails as networks do."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import queue as queues
import socket
import sys
import uuid
from pathlib import Path

import psycopg2
import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.journal.cursors import FileCursors
from intellyhub_engine.machine.source import Health, MemoryCursors
from intellyhub_functions.sources.postgres import connection, outbox
from intellyhub_functions.sources.postgres.postgres import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.postgresql import postgresql
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context

OUTBOX_SQL = (Path(__file__).parent / "outbox.sql").read_text()
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres-source")]


@pytest.fixture(scope="module")
def server():
    with postgresql() as path:
        yield path


@pytest.fixture
def proxy(server):
    with Proxy(server) as proxy:
        yield proxy


@pytest.fixture
def database(server):
    """A database of the test's own with the documented table; what the application does goes straight to it."""
    name = f"shop_{uuid.uuid4().hex}"
    admin = psycopg2.connect(host=str(server.parent), user="postgres", dbname="postgres")
    admin.autocommit = True
    admin.cursor().execute(f"CREATE DATABASE {name}")
    application = psycopg2.connect(host=str(server.parent), user="postgres", dbname=name)
    application.autocommit = True
    application.cursor().execute(OUTBOX_SQL)
    yield name, application
    application.close()
    admin.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture
def shop(database):
    """Runs a statement of the application; gives its rows."""

    def run(statement, *arguments):
        cursor = database[1].cursor()
        cursor.execute(statement, arguments)
        return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def insert(shop):
    return lambda data, **columns: shop(
        f"INSERT INTO intellyhub_outbox (data{''.join(f', {name}' for name in columns)})"
        f" VALUES (%s{', %s' * len(columns)})",
        data,
        *columns.values(),
    )


@pytest.fixture
def url(proxy, database):
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{database[0]}"


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch):
    """What happens to a connection is seen soon."""
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(connection, "CALL_SECONDS", 5.0)


def watch(url, tmp_path, *, context=None, consume=lambda event: None, **more):
    context = context or make_context(tmp_path)
    return Listening(listen({"url": url, "check_interval": 0.1, **more}, context), context, consume)


def left_in(shop):
    return shop("SELECT count(*) FROM intellyhub_outbox")[0][0]


def test_a_row_is_an_event_and_leaves_the_table_when_it_is_stored(url, shop, insert, tmp_path):
    insert('{"order": 1042, "due": 99.5}', type="order.paid", subject="orders/1042", event_id="e-1")
    with watch(url, tmp_path) as source:
        event = source.next()
        await_that(lambda: left_in(shop) == 0)
    assert (event.id, event.type, event.source) == ("e-1", "io.intellyhub.postgres.message", "/flows/flow/listener")
    assert (event.subject, event.data["type"], event.data["table"]) == (
        "orders/1042",
        "order.paid",
        "intellyhub_outbox",
    )
    assert event.data["data"] == {"order": 1042, "due": 99.5}
    assert event.time.startswith("20")
    assert event.time.endswith("Z")


def test_what_was_rolled_back_makes_no_event_and_an_insert_is_told_at_once(url, database, insert, tmp_path):
    _, application = database
    with watch(url, tmp_path, check_interval=60) as source:
        await_that(lambda: source.context.cursors is not None)
        application.autocommit = False
        insert('"lost"')
        application.rollback()
        application.autocommit = True
        insert('"kept"')
        assert source.next().data["data"] == "kept"


def test_a_row_stays_and_is_locked_until_its_event_is_stored(url, shop, insert, tmp_path):
    insert("1")
    context = make_context(tmp_path)
    events = listen({"url": url}, context)
    next(events)
    assert left_in(shop) == 1
    assert shop("SELECT id FROM intellyhub_outbox FOR UPDATE SKIP LOCKED") == []
    context.stopping.set()
    assert next(events, None) is None
    assert left_in(shop) == 0


def test_an_event_that_was_not_safe_comes_again_with_its_id(url, shop, insert, tmp_path):
    insert("1")
    insert("2")
    first = listen({"url": url}, make_context(tmp_path))
    event = next(first)
    first.close()  # the consumer died with the event in hand
    again = listen({"url": url}, make_context(tmp_path))
    assert next(again).id == event.id
    assert next(again).data["data"] == 2
    again.close()
    assert [data for (data,) in shop("SELECT data FROM intellyhub_outbox")] == [2]


def test_two_listeners_share_the_rows(url, shop, insert, tmp_path):
    taken = []
    for number in range(60):
        insert(str(number))
    with (
        watch(url, tmp_path, consume=lambda event: taken.append(event.id)),
        watch(url, tmp_path, consume=lambda event: taken.append(event.id)),
    ):
        await_that(lambda: left_in(shop) == 0)
    assert len(taken) == len(set(taken)) == 60


def test_nothing_is_lost_or_doubled_while_the_server_goes_and_comes_back(url, proxy, shop, insert, tmp_path):
    health: list[Health] = []
    log, taken = Log(), []
    context = make_context(tmp_path, report=health.append, log=log)
    with watch(url, tmp_path, context=context, consume=lambda event: taken.append(event.data["data"])) as source:
        source_ready = lambda: health and health[-1].connected  # noqa: E731
        await_that(source_ready)
        for number in range(100):
            insert(str(number))
            if number in (30, 60):
                proxy.cut()
            if number == 80:
                with proxy.gone():
                    await_that(lambda: not health[-1].connected)
                await_that(source_ready)
        await_that(lambda: left_in(shop) == 0)
        assert source.context is context
    assert taken == list(range(100))
    assert "next try in" in log.text()


def test_a_connection_that_breaks_before_rows_are_deleted_doubles_nothing(url, proxy, shop, insert, tmp_path):
    for number in range(3):
        insert(str(number))
    cursors, taken = FileCursors(tmp_path / "cursors"), []

    def consume(event):
        taken.append(event.data["data"])
        if len(taken) == 2:
            proxy.cut()

    with watch(url, tmp_path, context=make_context(tmp_path, cursors=cursors), consume=consume):
        await_that(lambda: left_in(shop) == 0)
    assert taken == [0, 1, 2]


def test_a_restart_while_the_server_is_away_doubles_nothing(url, proxy, shop, insert, tmp_path):
    for number in range(3):
        insert(str(number))
    cursors, context = MemoryCursors(), None
    context = make_context(tmp_path, cursors=cursors)
    events = listen({"url": url}, context)
    assert [next(events).data["data"] for _ in range(2)] == [0, 1]  # the first is stored, the second is not
    with proxy.gone():
        events.close()
        assert [len(kept) for kept in cursors.kept.values()] == [1]
    again = listen({"url": url}, make_context(tmp_path, cursors=cursors))
    assert [next(again).data["data"] for _ in range(2)] == [1, 2]
    again.close()
    assert cursors.kept
    assert not any(cursors.kept.values())
    assert left_in(shop) == 1


def test_a_half_open_connection_is_found_told_and_made_anew(url, proxy, shop, insert, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "CALL_SECONDS", 0.3)
    health: list[Health] = []
    with watch(url, tmp_path, context=make_context(tmp_path, report=health.append)) as source:
        await_that(lambda: health and health[-1].connected)
        proxy.freeze()
        await_that(lambda: not health[-1].connected)
        assert "did not answer within" in health[-1].message
        insert("1")
        proxy.thaw()
        assert source.next().data["data"] == 1


def test_a_malformed_row_waits_in_the_table_with_its_reason_and_the_others_come(
    url, shop, insert, tmp_path, monkeypatch
):
    monkeypatch.setattr(outbox, "MAX_DATA_BYTES", 1000)
    log = Log()
    insert(f'"{"x" * 2000}"', event_id="large")
    shop("UPDATE intellyhub_outbox SET created_at = 'infinity'")
    insert('"fine"', event_id="fine")
    shop("UPDATE intellyhub_outbox SET created_at = '-infinity' WHERE event_id = 'fine'")
    with watch(url, tmp_path, context=make_context(tmp_path, log=log)) as source:
        assert source.next().id == "fine"
        await_that(lambda: left_in(shop) == 1)
    assert shop("SELECT event_id, error FROM intellyhub_outbox") == [("large", "its data is larger than 1000 bytes")]
    assert "makes no event" in log.text()


def test_rows_behind_malformed_ones_do_not_wait_for_the_next_look(url, insert, tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_DATA_BYTES", 1000)
    monkeypatch.setattr(outbox, "MAX_ROWS", 1)
    insert(f'"{"x" * 2000}"')
    insert('"fine"')
    with watch(url, tmp_path, check_interval=60) as source:
        assert source.next().data["data"] == "fine"


def test_an_answer_without_end_is_cut_off(url, insert, tmp_path, monkeypatch):
    if not hasattr(socket, "TCP_INFO"):
        pytest.skip("this system does not tell how much a connection has received")
    monkeypatch.setattr(connection, "MAX_ANSWER_BYTES", 100_000)
    health: list[Health] = []
    insert(f'"{"x" * 800_000}"')
    with watch(url, tmp_path, context=make_context(tmp_path, report=health.append)):
        await_that(lambda: any("larger than 100000 bytes" in state.message for state in health))


def test_a_missing_table_ends_the_listener_with_words(url, tmp_path):
    with pytest.raises(PermanentError, match=r"the outbox shop\.box cannot be read: .* its page says"):
        next(listen({"url": url, "table": "shop.box"}, make_context(tmp_path)))


def test_a_table_s_name_is_never_read_as_sql(url, shop, tmp_path):
    with pytest.raises(PermanentError, match="does not exist"):
        next(listen({"url": url, "table": "x; DROP TABLE intellyhub_outbox"}, make_context(tmp_path)))
    assert left_in(shop) == 0


def test_bad_credentials_are_told_and_tried_ever_later(url, proxy, tmp_path):
    health: list[Health] = []
    with watch(
        url.replace("postgres@", "stranger:tell-nobody@"),
        tmp_path,
        context=make_context(tmp_path, report=health.append),
    ):
        await_that(lambda: len(health) > 2)
    assert not any(state.connected for state in health)
    assert 'role "stranger" does not exist' in health[-1].message
    assert "tell-nobody" not in health[-1].message


def test_a_server_that_is_none_is_told(tmp_path):
    health: list[Health] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        context = make_context(tmp_path, report=health.append)
        with watch(f"postgresql://a@127.0.0.1:{port}/b", tmp_path, context=context):
            end, _ = listener.accept()
            with end:
                end.recv(100)
                end.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await_that(lambda: health)
    assert not health[0].connected


def test_notifications_of_a_channel_are_events(url, shop, tmp_path):
    health: list[Health] = []
    context = make_context(tmp_path, report=health.append)
    with watch(url, tmp_path, context=context, channel="Orders; x", check_interval=30) as source:
        await_that(lambda: len(health) > 1)
        shop("""SELECT pg_notify('Orders; x', '{"order": 1}'), pg_notify('Orders; x', 'plain {text')""")
        first, second = source.next(), source.next()
    assert (first.data["data"], second.data["data"]) == ({"order": 1}, "plain {text")
    assert (first.data["channel"], first.data["table"]) == ("Orders; x", None)
    assert first.id != second.id


def test_a_channel_says_for_how_long_it_was_deaf(url, proxy, shop, tmp_path):
    health: list[Health] = []
    log = Log()
    context = make_context(tmp_path, report=health.append, log=log)
    with watch(url, tmp_path, context=context, channel="orders") as source:
        await_that(lambda: health and health[-1].connected)
        with proxy.gone():
            await_that(lambda: not health[-1].connected)
        await_that(lambda: "what orders was told meanwhile is lost" in log.text())
        await_that(lambda: health[-1].connected)
        shop("SELECT pg_notify('orders', 'after')")
        assert source.next().data["data"] == "after"


def test_a_silent_channel_is_found_half_open(url, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "CALL_SECONDS", 0.3)
    health: list[Health] = []
    with watch(url, tmp_path, context=make_context(tmp_path, report=health.append), channel="orders"):
        await_that(lambda: health and health[-1].connected)
        proxy.freeze()
        await_that(lambda: not health[-1].connected)


def test_without_psycopg2_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(PermanentError, match=r"intellyhub-functions\[sql\]"):
        next(listen({"url": "postgresql://127.0.0.1/x"}, make_context(tmp_path)))


def test_a_quiet_table_makes_no_events(url, tmp_path):
    with watch(url, tmp_path) as source, pytest.raises(queues.Empty):
        source.next(seconds=0.3)


def test_the_documented_table_is_the_one_that_is_tested():
    assert OUTBOX_SQL in (Path(__file__).parent / "README.md").read_text()


def test_the_example_keeps_an_order(tmp_path):
    run_example(Path(__file__).parent, tmp_path, names={"SHOP_DATABASE": "postgresql://shop@127.0.0.1/shop"})
    assert (tmp_path / "orders.txt").read_text() == "order.paid 1042: 99.5\n"
