"""What flows remember and spend, at the service: who may ask, what a repetition does, what goes with a flow."""

import pytest

from intellyhub_engine.errors import InputInvalid, JournalUnwritable
from intellyhub_engine.journal.keeping import MAX_VALUE_BYTES
from intellyhub_engine.journal.records import Used
from intellyhub_engine.journal.wire import Call
from intellyhub_knative.platform.journal.access import flow_token
from tests.unit.engine.journal.runs import begin, record
from tests.unit.knative.platform.journal.services import BELL, FLOW, KEYS, OTHER_TENANT, TENANT

SISTER = f"{TENANT}/{BELL}"
FOREIGN = f"{OTHER_TENANT}/{BELL}"


@pytest.fixture
def worker(service):
    made = service.client(flow_token(KEYS, FLOW))
    yield made
    made.close()


def test_a_flow_remembers_for_itself_and_for_flows_that_it_calls(worker, client):
    for flow in (FLOW, SISTER):
        assert worker.remember(flow, "k", "1")
        assert client.remembered(flow, "k").value == "1"


@pytest.mark.parametrize(
    "ask",
    [
        lambda worker: worker.remembered(FOREIGN, "k"),
        lambda worker: worker.remember(FOREIGN, "k", "1"),
        lambda worker: worker.spent(FOREIGN, since="2023-01-01"),
    ],
    ids=["read", "write", "spent"],
)
def test_what_another_tenant_remembers_and_spends_is_refused(worker, ask):
    with pytest.raises(JournalUnwritable, match="another tenant"):
        ask(worker)


def test_what_is_too_large_is_refused_by_the_service_too(client):
    def write():
        return (yield Call("remember", (FLOW, "k", False, None, 7), b'"' + b"x" * MAX_VALUE_BYTES + b'"'))

    with pytest.raises(InputInvalid, match="a memory keeps up to"):
        client.perform(write())


@pytest.mark.parametrize("value", ["2", None], ids=["written", "forgotten"])
def test_a_lost_answer_does_not_make_a_change_fail(service, client, monkeypatch, value):
    client.remember(FLOW, "k", "1")
    service.lose_answers(monkeypatch)
    assert client.remember(FLOW, "k", value, expected=1)
    found = client.remembered(FLOW, "k")
    assert (found and found.value) == value


def test_what_a_record_has_spent_counts_once_however_often_it_comes(service, client, monkeypatch):
    begin(client, flow=FLOW)
    service.lose_answers(monkeypatch)
    record(client, Used(1, 1, {"tokens": 5}, 1_700_000_000_000_000_000))
    assert dict(client.spent(FLOW, since="2023-11-01").tenant) == {"tokens": 5}


def test_a_flow_that_is_deleted_is_forgotten(client):
    client.remember(FLOW, "k", "1")
    client.remember(SISTER, "k", "1")
    client.delete_flow(FLOW)
    assert client.remembered(FLOW, "k") is None
    assert client.remembered(SISTER, "k") is not None


def test_what_was_spent_long_ago_is_forgotten(client, clock):
    begin(client, flow=FLOW)
    record(client, Used(1, 1, {"tokens": 5}, clock()))
    clock.advance(399 * 86_400)
    client.prune(older_than_ns=1)
    assert client.spent(FLOW, since="2020-01-01").flow
    clock.advance(3 * 86_400)
    client.prune(older_than_ns=1)
    assert not client.spent(FLOW, since="2020-01-01").flow
