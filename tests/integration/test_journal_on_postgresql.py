"""The journal service on PostgreSQL as processes: killed, doubled, cut off, with a database that crashes; and workers
that are killed in the middle of a step and go on elsewhere."""

import contextlib
import http.client
import json
import threading
import time

import pytest

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.journal.remote import RemoteJournal
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.surroundings import await_that
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from tests.integration.platform_processes import Process
from tests.integration.pods import CALLER, NAME, Pod
from tests.integration.postgresql_server import PostgresqlServer
from tests.unit.engine.journal.runs import begin, finished, make_event, record, step_finished, step_started
from tests.unit.knative.platform.house_double import data_folder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("journal-postgresql")]
SECONDS = 3.0
SCHEMA = "intellyhub_journal"
OF_THE_JOURNAL = "FROM pg_stat_activity WHERE application_name = 'intellyhub-journal'"
"""Its sessions."""


class Journal:
    """The journal's process on a database, reached over TCP."""

    def __init__(self, layout, url):
        self.layout = layout
        self.keys = load_keys(layout.key)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        listen = f"127.0.0.1:{self.port}"
        self.process = Process(layout, "journal", INTELLYHUB_JOURNAL_LISTEN=listen, INTELLYHUB_JOURNAL_DATABASE_URL=url)

    def __enter__(self):
        self.process.__enter__()
        return self

    def __exit__(self, *fault):
        self.process.__exit__(*fault)

    def kill(self):
        assert self.process.process is not None
        self.process.process.kill()
        self.process.process.wait(10)

    def client(self, **options):
        return JournalClient(self.address, self.keys.token(Purpose.JOURNAL), **options)

    def token(self):
        return flow_token(self.keys, NAME)

    def is_owner(self):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200


@pytest.fixture(scope="module")
def server():
    with PostgresqlServer() as made:
        yield made


@pytest.fixture
def database(server):
    """The server, without a journal."""
    server.ask(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return server


@pytest.fixture
def layout():
    with data_folder() as made:
        yield made


@pytest.fixture
def journal(layout, database):
    with Journal(layout, database.url) as made:
        yield made


def test_it_ends_when_it_is_told_to(layout, database):
    with Journal(layout, database.url) as journal, contextlib.closing(journal.client()) as client:
        begin(client)
        journal.process.process.terminate()
        assert journal.process.process.wait(10) == 0
        assert database.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'intellyhub-journal'") == [
            (0,)
        ]


def test_it_waits_for_a_database_that_is_not_there_yet(layout, database):
    database.crash()
    with Journal(layout, database.url) as journal, contextlib.closing(journal.client(patience_seconds=30)) as client:
        assert not journal.is_owner()
        database.begin_again()
        begin(client)
        assert journal.is_owner()


def test_a_service_that_waits_can_be_ended(layout, journal, database):
    await_that(journal.is_owner)
    with data_folder() as other_layout, Journal(other_layout, database.url) as other:
        assert not other.is_owner()
        other.process.process.terminate()
        assert other.process.process.wait(10) == 0


def test_a_second_service_takes_over_within_seconds_when_the_first_is_killed(layout, journal, database):
    with Journal(layout, database.url) as second, contextlib.closing(journal.client()) as client:
        begin(client)
        assert not second.is_owner()
        with contextlib.closing(second.client(patience_seconds=30)) as other:
            journal.kill()
            killed = time.monotonic()
            record(other, step_finished())
            assert time.monotonic() - killed < 5
            assert other.history("run-1").entries == (step_finished(),)
        journal.process.start()
        assert not journal.is_owner()


def test_a_service_that_is_cut_off_from_its_database_writes_nothing_more(layout, database):
    with Proxy(database.socket) as cable, contextlib.ExitStack() as stack:
        old = stack.enter_context(Journal(layout, f"postgresql://postgres@127.0.0.1:{cable.port}/postgres"))
        client = stack.enter_context(contextlib.closing(old.client(patience_seconds=1)))
        begin(client)
        cable.freeze()
        said = []
        blocked = threading.Thread(target=lambda: said.append(outcome_of(lambda: record(client, step_finished()))))
        blocked.start()
        blocked.join(0.3)
        database.ask(f"SELECT pg_terminate_backend(pid) {OF_THE_JOURNAL}")  # as keep-alive would find it dead
        new = stack.enter_context(Journal(layout, database.url))
        other = stack.enter_context(contextlib.closing(new.client(patience_seconds=30)))
        record(other, step_finished(7))
        cable.thaw()
        blocked.join(30)
        assert said == [JournalUnwritable]
        await_that(lambda: not old.is_owner())
        assert [entry.seq for entry in other.history("run-1").entries] == [7]
        assert new.is_owner()


def outcome_of(action):
    try:
        action()
    except JournalUnwritable as fault:
        return type(fault)
    return None


def write_runs(journal, name, until, acknowledged):
    """Runs of four steps one after the other; those whose end was acknowledged."""
    with contextlib.closing(RemoteJournal(journal.address, journal.token(), patience_seconds=50)) as client:
        number = 0
        while time.monotonic() < until:
            run_id = f"{name}-{number}"
            begin(client, run_id, flow=NAME, event=make_event(run_id))
            for seq in range(1, 5):
                client.record(run_id, [step_started(seq)], owner="alice", durable=seq % 2 == 0)
                client.record(run_id, [step_finished(seq)], owner="alice", durable=False)
            client.record(run_id, [finished()], owner="alice", durable=True)
            tenant = NAME.partition("/")[0]
            [(_, known)] = client.accept(tenant, [make_event(run_id)])
            assert not known
            acknowledged.append(run_id)
            number += 1


@pytest.mark.parametrize("hurt", ["the service", "the database", "its sessions"])
def test_hurt_at_random_nothing_acknowledged_is_lost_and_nothing_comes_twice(journal, database, hurt):
    until = time.monotonic() + SECONDS
    runs: list[str] = []
    threads = [threading.Thread(target=write_runs, args=(journal, f"w{n}", until, runs)) for n in range(3)]
    for thread in threads:
        thread.start()
    hurts = 0
    while time.monotonic() < until - 0.5:
        time.sleep(0.3)
        if hurt == "the service":
            journal.kill()
            journal.process.start()
        elif hurt == "the database":
            database.crash()
            database.begin_again()
        else:
            database.ask(f"SELECT pg_terminate_backend(pid) {OF_THE_JOURNAL}")
        hurts += 1
    for thread in threads:
        thread.join()
    assert hurts > 1
    assert runs
    expected = [entry for seq in range(1, 5) for entry in (step_started(seq), step_finished(seq))] + [finished()]
    with contextlib.closing(journal.client(patience_seconds=30)) as client:
        for run_id in runs:
            assert client.history(run_id).entries == tuple(expected)
    stored = [number for (number,) in database.ask(f"SELECT count(*) FROM {SCHEMA}.event GROUP BY identity")]
    assert stored == [1] * len(runs)


STEPS = """
name: steps
states:
  one: {state_type: command, shell: "echo one >> {trail}", transition: two}
  two: {state_type: command, shell: "echo two >> {trail}; test -e {go} || sleep 60", transition: pause}
  pause: {state_type: wait, seconds: 1.5, transition: three}
  three: {state_type: command, shell: "echo three >> {trail}", transition: answer}
  answer: {state_type: end, result: {done: true}}
"""
BEARER = {"Authorization": f"Bearer {CALLER}", "Content-Type": "application/json"}


def lines_of(path):
    return path.read_text().split() if path.exists() else []


def test_a_run_goes_on_elsewhere_when_its_pod_is_killed_in_a_step(journal, tmp_path, database):
    trail, go = tmp_path / "trail", tmp_path / "go"
    with contextlib.ExitStack() as stack:

        def start(number):
            made = Pod(
                tmp_path / f"pod-{number}", journal, STEPS, INTELLYHUB_LEASE_SECONDS="1", INTELLYHUB_WALLS="none"
            )
            worker = made.lean()
            stack.callback(worker.close)
            return worker

        first = start(1)
        event = json.dumps({"trail": str(trail), "go": str(go)}).encode()
        headers = BEARER | {"Idempotency-Key": "once", "Prefer": "respond-async"}
        assert first.ask(body=event, headers=headers)[0] == 202
        await_that(lambda: lines_of(trail) == ["one", "two"])
        first.process.kill()
        first.process.wait(10)
        go.touch()

        second = start(2)
        client = stack.enter_context(contextlib.closing(journal.client()))
        [run] = client.runs(flow=NAME)
        await_that(lambda: client.due_runs(time.time_ns()))
        resumption = f"/runs/{run.run_id}/resumption"
        status, _, body = second.ask("PUT", resumption, headers=BEARER | {"Prefer": "respond-async"})
        assert status == 202, body
        await_that(lambda: client.runs(flow=NAME)[0].status == "waiting")
        assert second.stop() == 0  # who waits holds no process
        assert lines_of(trail) == ["one", "two", "two"]

        await_that(lambda: client.due_runs(time.time_ns()))
        third = start(3)
        status, _, body = third.ask("PUT", resumption, headers=BEARER)
        assert (status, json.loads(body)["output"]) == (200, {"done": True})
        assert lines_of(trail) == ["one", "two", "two", "three"]
        assert [one.run_id for one in client.runs(flow=NAME)] == [run.run_id]
