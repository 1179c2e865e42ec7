"""What is old leaves; what is needed stays."""

import pytest

from intellyhub_engine.errors import RunNotFound
from intellyhub_knative.platform.journal import tidying
from intellyhub_knative.platform.journal.settings import read_settings
from intellyhub_knative.platform.outbox import Outcome, Routing, Settlement
from tests.unit.engine.journal.runs import begin, finished, make_event, record
from tests.unit.knative.platform.journal.services import DOOR, FLOW, TENANT

DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(tidying, "_PAUSE_SECONDS", 0)


def run_to_end(client, run_id, **facts):
    begin(client, run_id, **facts)
    record(client, finished(), run_id=run_id)


def test_ended_runs_go_except_the_newest_and_the_running(client):
    for number in range(25):
        run_to_end(client, f"run-{number}", flow=FLOW)
    begin(client, "running", flow=FLOW)
    assert client.prune(older_than_ns=2**62, keep=3) == 23
    assert [run.run_id for run in client.runs()] == ["running", "run-24", "run-23"]


def test_events_are_forgotten_a_day_after_they_were_delivered(client, clock, service):
    accepted = client.accept(TENANT, [make_event(str(number)) for number in range(4)])
    client.route([Routing(one.number, (DOOR,)) for one in accepted[:3]])
    done, dead, _ = client.due(2**62)
    client.settle([Settlement(done.delivery_id, Outcome.DELIVERED), Settlement(dead.delivery_id, Outcome.DEAD)])
    client.prune(older_than_ns=0)
    assert client.accept(TENANT, [done.event])[0].known
    clock.advance(DAY_SECONDS + 1)
    client.prune(older_than_ns=0)
    assert service.ask("SELECT number FROM event ORDER BY number") == [(2,), (3,), (4,)]
    assert client.accept(TENANT, [done.event])[0].number > 4


def test_dead_letters_go_with_the_runs_of_their_time(client, clock):
    [accepted] = client.accept(TENANT, [make_event()])
    client.route([Routing(accepted.number, (DOOR,))])
    [due] = client.due(2**62)
    client.settle([Settlement(due.delivery_id, Outcome.DEAD)])
    client.prune(older_than_ns=clock.now_ns)
    assert len(client.dead_letters(TENANT)) == 1
    client.prune(older_than_ns=clock.now_ns + 1)
    assert client.dead_letters(TENANT) == []


def test_a_deleted_flow_leaves_with_its_runs_and_deliveries(client):
    for number in range(15):
        begin(client, f"run-{number}", flow=FLOW)
    begin(client, "run-0.1.a", flow=FLOW, parent_id="run-0")
    begin(client, "other", flow=FLOW + "0")
    [accepted] = client.accept(TENANT, [make_event()])
    client.route([Routing(accepted.number, (DOOR, "other"))])
    assert client.delete_flow(FLOW) == 15
    assert [run.run_id for run in client.runs()] == ["other"]
    assert [one.flow_id for one in client.due(2**62)] == ["other"]
    with pytest.raises(RunNotFound):
        client.history("run-0.1.a")


@pytest.mark.parametrize("service", ["sqlite"], indirect=True)  # PostgreSQL's autovacuum sees to it, in its own time
def test_room_goes_back_to_the_disk(client, service):
    for number in range(20):
        begin(client, f"run-{number}", flow=FLOW, variables={"x": "y" * 100_000})
        record(client, finished(), run_id=f"run-{number}")
    client.prune(older_than_ns=2**62)
    [[pages]] = service.ask("PRAGMA page_count")
    assert pages < 200


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "1e9"])
def test_a_retention_that_makes_no_sense_is_refused(text):
    with pytest.raises(Exception, match="INTELLYHUB_RETENTION_DAYS"):
        read_settings({"INTELLYHUB_RETENTION_DAYS": text})


def test_the_retention_is_thirty_days_unless_it_is_set():
    assert read_settings({}).retention_days == 30
    assert read_settings({"INTELLYHUB_RETENTION_DAYS": "0.5"}).retention_days == 0.5
