"""The journal service as a process: killed at any moment, on a full disk, by clients of several processes."""

import asyncio
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from intellyhub_engine.errors import JournalFull, JournalUnwritable
from intellyhub_engine.journal.records import RunFinished
from intellyhub_knative.platform import service
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.journal.client import AsyncJournalClient, JournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.integration.platform_processes import start_process
from tests.unit.engine.journal.runs import begin, finished, make_event, record, step_finished, step_started

TENANT, DOOR = "a" * 32, "b" * 32
FLOW = f"{TENANT}/{DOOR}"
SECONDS = 4.0
"""How long the service is killed again and again."""


class Service:
    """The service as a process; it can be killed and started again. `file_bytes`: no file of it grows beyond that."""

    def __init__(self, file_bytes=None):
        self.folder = Path(tempfile.mkdtemp(dir="/tmp"))
        self.layout = Layout(data=self.folder)
        self.keys = load_keys(self.layout.key)
        self.listening = service.listen(self.layout, "journal")  # kept open, as the supervisor does
        self.file_bytes = file_bytes
        self.start()

    def start(self):
        """From the main thread only: the service ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG)."""
        descriptor = self.listening.fileno()
        self.process = start_process(
            "intellyhub_knative.platform.journal",
            self.folder,
            self.folder / "journal.out",
            {service.SOCKETS: f"journal={descriptor}"},
            pass_fds=[descriptor],
            file_bytes=self.file_bytes,
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def client(self, kind=JournalClient, **options):
        return kind(self.layout.socket("journal"), self.keys.token(Purpose.JOURNAL), **options)

    def close(self):
        self.process.terminate()
        assert self.process.wait(5) == 0
        self.listening.close()
        shutil.rmtree(self.folder)


@pytest.fixture
def journal():
    made = Service()
    yield made
    made.close()


def test_the_service_serves_until_it_is_told_to_end(journal):
    client = journal.client()
    begin(client, flow=FLOW)
    client.close()


def test_a_service_that_is_started_again_knows_everything(journal):
    client = journal.client()
    begin(client, flow=FLOW)
    record(client, step_finished())
    client.accept(TENANT, [make_event()])
    journal.kill()
    journal.start()
    assert client.history("run-1").entries == (step_finished(),)
    assert client.accept(TENANT, [make_event()])[0].known
    client.close()


def write_runs(journal, name, until, acknowledged):
    """Runs of five steps one after the other, as a worker makes them; those whose end was acknowledged."""
    client = JournalClient(journal.layout.socket("journal"), flow_token(journal.keys, FLOW), patience_seconds=30)
    number = 0
    while time.monotonic() < until:
        run_id = f"{name}-{number}"
        begin(client, run_id, flow=FLOW, event=make_event(run_id))
        for seq in range(1, 6):
            client.record(run_id, [step_started(seq)], owner="alice", durable=seq % 2 == 0)
            client.record(run_id, [step_finished(seq)], owner="alice", durable=False)
        client.record(run_id, [finished()], owner="alice", durable=True)
        acknowledged.append(run_id)
        number += 1
    client.close()


def accept_events(journal, name, until, acknowledged):
    """Events one after the other, as the ingress takes them; those that were acknowledged, and whether as known."""

    async def accept():
        client = journal.client(AsyncJournalClient, patience_seconds=30)
        number = 0
        while time.monotonic() < until:
            events = [make_event(f"{name}-{number}-{part}") for part in range(3)]
            accepted = await client.accept(TENANT, events)
            acknowledged.extend((event.id, one.known) for event, one in zip(events, accepted, strict=True))
            number += 1
        await client.close()

    asyncio.run(accept())


@pytest.mark.slow
def test_killed_at_random_nothing_acknowledged_is_lost_and_nothing_comes_twice(journal):
    chance, until = random.Random(), time.monotonic() + SECONDS
    runs: list[str] = []
    events: list[tuple[str, bool]] = []
    threads = [threading.Thread(target=write_runs, args=(journal, f"w{n}", until, runs)) for n in range(3)]
    threads += [threading.Thread(target=accept_events, args=(journal, f"e{n}", until, events)) for n in range(2)]
    for thread in threads:
        thread.start()
    kills = 0
    while time.monotonic() < until - 0.5:
        time.sleep(chance.uniform(0.01, 0.4))
        journal.kill()
        journal.start()
        kills += 1
    for thread in threads:
        thread.join()
    client = journal.client()
    expected = [entry for seq in range(1, 6) for entry in (step_started(seq), step_finished(seq))] + [finished()]
    assert kills > 2
    assert runs
    for run_id in runs:
        assert client.history(run_id).entries == tuple(expected)
    assert not any(known for _, known in events)
    stored: list[str] = []
    while page := client.unrouted():
        stored += [one.event.id for one in page]
        client.route([Routing(one.number, ()) for one in page])
    assert len(stored) == len(set(stored))
    assert {event_id for event_id, _ in events} <= set(stored)
    client.close()


@pytest.mark.slow
def test_deliveries_survive_kills_between_routing_and_settling(journal):
    client = journal.client(patience_seconds=30)
    settled: list[tuple[str, int]] = []
    broker = threading.Thread(target=deliver_all, args=(client, settled))
    broker.start()
    for _ in range(4):
        broker.join(0.15)
        journal.kill()
        journal.start()
    broker.join()
    assert sorted(settled) == sorted((str(number), attempt) for number in range(60) for attempt in (1, 2))
    assert len({one.event.id for one in client.unrouted()}) == 60
    assert client.counts() == {"unrouted": 60, "pending": 0, "dead": 0}
    client.close()


def deliver_all(client, settled):
    """Route 60 events and settle each delivery twice, with a reply the second time."""
    for one in client.accept(TENANT, [make_event(str(number)) for number in range(60)]):
        client.route([Routing(one.number, (DOOR,))])
    while due := client.due(2**62, limit=7):
        for one in due:
            outcome = Outcome.DELIVERED if one.attempt == 2 else Outcome.RETRY
            reply = make_event(f"reply-{one.event.id}") if one.attempt == 2 else None
            client.settle([Settlement(one.delivery_id, outcome, reply=reply)])
            settled.append((one.event.id, one.attempt))


def fill(client, kept):
    """Accept events until there is no room."""
    for number in range(100):
        client.accept(TENANT, [make_event(str(number), data="x" * 300_000)])
        kept.append(str(number))


def test_without_room_writers_hear_so_and_nothing_is_damaged():
    journal = Service(file_bytes=8 << 20)
    client = journal.client()
    begin(client, flow=FLOW)
    kept: list[str] = []
    with pytest.raises(JournalFull, match="has no room to grow"):
        fill(client, kept)
    with pytest.raises(JournalFull):
        record(client, step_finished(changes={"x": "y" * 3_000_000}))
    assert client.history("run-1").entries == ()
    journal.kill()
    journal.file_bytes = None
    journal.start()
    record(client, step_finished(), finished())
    assert isinstance(client.history("run-1").entries[-1], RunFinished)
    stored: list[str] = []
    while page := client.unrouted():
        stored += [one.event.id for one in page]
        client.route([Routing(one.number, ()) for one in page])
    assert stored == kept
    client.close()
    journal.close()


def test_work_goes_on_without_a_restart_when_there_is_room_again():
    journal = Service(file_bytes=8 << 20)
    client = journal.client()
    begin(client, flow=FLOW)
    record(client, step_finished(1), durable=False)
    with pytest.raises(JournalFull):
        fill(client, [])
    resource.prlimit(journal.process.pid, resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE))
    client.accept(TENANT, [make_event("after", data="x" * 300_000)])
    record(client, step_finished(2))
    assert [entry.seq for entry in client.history("run-1").entries] == [1, 2]
    client.close()
    journal.close()


def test_a_service_that_hangs_is_not_waited_for_for_ever(journal):
    client = journal.client(patience_seconds=0.2)
    journal.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(JournalUnwritable, match="does not answer"):
            client.counts()
    finally:
        journal.process.send_signal(signal.SIGCONT)
    client.close()


def test_an_unusable_database_is_said_in_one_line():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    (folder / "journal.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    answer = subprocess.run(
        [sys.executable, "-m", "intellyhub_knative.platform.journal"],
        env={**os.environ, service.DATA: str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    shutil.rmtree(folder)
    assert answer.returncode == 1
    assert "is not a journal" in answer.stderr
    assert "Traceback" not in answer.stderr
