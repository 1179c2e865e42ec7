"""Turns of real sources against real servers: over when there is nothing more, and gone on with by the next."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Health
from intellyhub_functions.sources import postgres
from intellyhub_functions.testing.imap_server import ImapServer
from intellyhub_functions.testing.mail_listening import letter
from intellyhub_functions.testing.moto import ACCOUNT, make_client, moto_server
from intellyhub_functions.testing.postgresql import postgresql
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.surroundings import make_context
from intellyhub_knative.platform.sources import looking, turn
from intellyhub_knative.platform.sources.turn import Ending, TurnContext, take_turn
from tests.unit.knative.platform.house_double import data_folder
from tests.unit.knative.platform.sources.test_looking import House


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_turn_ends_when_its_time_is_over():
    clock = Clock()
    ending = Ending(seconds=50, clock=clock)
    clock.now = 49.9
    assert not ending.is_set()
    clock.now = 50
    assert ending.is_set()


def test_a_turn_of_a_source_that_does_not_rest_ends_when_nothing_comes():
    clock = Clock()
    ending = Ending(seconds=50, quiet_seconds=2, clock=clock)
    clock.now = 10
    assert not ending.is_set(), "it has not been in contact yet"
    ending.note_health(Health(connected=False))
    ending.note_health(Health(connected=True))
    clock.now = 11
    ending.note_event()
    clock.now = 12.9
    ending.note_health(Health(connected=True))
    assert not ending.is_set(), "there was an event two seconds ago"
    clock.now = 13
    assert ending.is_set()


def test_a_source_that_does_not_end_is_left(tmp_path):
    clock = Clock()
    ending = Ending(seconds=50, clock=clock)
    context = make_context(tmp_path)
    closed = []

    def deaf(parameters, context):
        try:
            while True:
                clock.now += 20
                yield Event(id=str(clock.now), source="/s", type="t")
        finally:
            closed.append(True)

    assert take_turn(deaf, {}, context, ending, lambda event: None) == 4
    assert closed == [True]


def test_a_short_rest_is_taken_and_a_long_one_ends_the_turn(tmp_path):
    context = TurnContext(**vars(make_context(tmp_path)))
    assert not context.sleep(0.01)
    assert context.sleep(1)
    assert context.stopping.is_set()


OUTBOX_SQL = (Path(postgres.__path__[0]) / "outbox.sql").read_text()


@pytest.fixture
def house(monkeypatch):
    monkeypatch.setattr(looking, "QUIET_SECONDS", 0.3)
    with data_folder() as layout:
        yield House(layout)


def look_twice(house, listener, fill):
    """The events that two looks bring, of what is filled in before each."""
    flow = house.flow(listener=listener)
    found = []
    for number in range(2):
        fill(number)
        began = datetime.now(UTC)
        house.looking.look(flow.flow_id, began + timedelta(hours=number))
        standing = house.standing(flow)
        assert standing["connected"], standing["message"]
        assert datetime.now(UTC) - began < timedelta(seconds=turn.TURN_SECONDS / 5)
        found.append(len(house.journal.stored))
    return found


@pytest.mark.slow
def test_a_queue_is_emptied_in_a_turn(house):
    with moto_server() as url:
        client = make_client("sqs", url)
        queue = client.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]

        def fill(number):
            for each in range(13):
                client.send_message(QueueUrl=queue, MessageBody=json.dumps({"n": f"{number} {each}"}))

        listener = {"type": "sqs", "queue_url": queue, "base_url": url, **ACCOUNT}
        assert look_twice(house, listener, fill) == [13, 26]
        client.close()


@pytest.mark.slow
def test_an_outbox_is_emptied_in_a_turn(house):
    with postgresql() as path, Proxy(path) as proxy:
        application = psycopg2.connect(host=str(path.parent), user="postgres", dbname="postgres")
        application.autocommit = True
        application.cursor().execute(OUTBOX_SQL)

        def fill(number):
            for each in range(5):
                application.cursor().execute(
                    "INSERT INTO intellyhub_outbox (data) VALUES (%s)", (json.dumps({"n": f"{number} {each}"}),)
                )

        address = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable"
        assert look_twice(house, {"type": "postgres", "url": address, "table": "intellyhub_outbox"}, fill) == [5, 10]
        application.close()


@pytest.mark.slow
def test_a_mailbox_is_looked_at_in_a_turn(house):
    with ImapServer() as server:
        server.make_folder("work")
        server.deliver(letter("old"), folder="work")
        account = {"server": "127.0.0.1", "port": server.port, "username": server.user, "password": server.password}
        listener = {"type": "email", "idle": False, "folder": "work", "use_ssl": False, **account}
        assert look_twice(house, listener, lambda number: server.deliver(letter(str(number)), folder="work")) == [0, 1]
