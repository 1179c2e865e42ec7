"""Pods of flows at the journal's door: whose they are, what is theirs, and when they must go."""

import time
from contextlib import closing

import pytest

from intellyhub_engine.errors import JournalUnwritable, RunNotFound
from intellyhub_engine.journal.credentials import TokenFile
from intellyhub_knative.platform.deployments import write_deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.journal import reception
from intellyhub_knative.platform.key_sets import KeySet
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.pod_tokens import PodTokens
from tests.unit.engine.journal.runs import begin, make_event, record, step_finished
from tests.unit.knative.platform.journal.services import Service
from tests.unit.knative.platform.pods import ISSUER, Cluster, make_deployment


class Pods:
    """A service on a cluster with flows of two tenants."""

    def __init__(self, clock, folder):
        self.layout = Layout(data=folder)
        self.cluster = Cluster()
        self.tokens = PodTokens(issuer=ISSUER, keys=KeySet(self.cluster.key_set))
        self.ours, self.other = make_deployment("a", "1"), make_deployment("b", "2")
        for one in (self.ours, self.other):
            write_deployment(self.layout.deployments, one)
        self.service = Service(clock, is_far=True, pods=self.tokens, desired=Desired(self.layout))

    def journal(self, deployment, **options):
        return self.service.far_journal(self.cluster.pod_token(deployment, **options), patience_seconds=0.5)


@pytest.fixture
def pods(clock, tmp_path):
    made = Pods(clock, tmp_path)
    yield made
    made.service.remove()


def test_a_pod_has_what_is_its_flows_and_nothing_else(pods):
    with closing(pods.journal(pods.ours)) as ours, closing(pods.journal(pods.other)) as other:
        begin(ours, "run-a", flow=pods.ours.journal_name)
        ours.remember(pods.ours.journal_name, "key", "1")
        ours.accept(pods.ours.tenant_id, [make_event()])
        for forbidden in (
            lambda: other.history("run-a"),
            lambda: other.request_cancel("run-a"),
            lambda: other.claim("run-a", owner="x", lease_seconds=1),
            lambda: record(other, step_finished(), run_id="run-a"),
        ):
            with pytest.raises(RunNotFound):
                forbidden()
        for forbidden in (
            lambda: begin(other, "run-b", flow=pods.ours.journal_name),
            lambda: other.remembered(pods.ours.journal_name, "key"),
            lambda: other.remember(pods.ours.journal_name, "key", "2"),
            lambda: other.spent(pods.ours.journal_name, since="2020-01-01"),
            lambda: other.accept(pods.ours.tenant_id, [make_event("2")]),
        ):
            with pytest.raises(JournalUnwritable):
                forbidden()
        assert other.runs() == []
        assert ours.remembered(pods.ours.journal_name, "key").value == "1"


def test_a_pods_token_of_another_cluster_is_refused(pods):
    journal = pods.service.far_journal(Cluster().pod_token(pods.ours))
    with closing(journal), pytest.raises(JournalUnwritable, match="let this process in"):
        begin(journal)


def test_a_pod_that_comes_before_its_record_is_let_in_when_that_is_there(pods, monkeypatch):
    monkeypatch.setattr(reception, "REREAD_SECONDS", 0.0)
    late = make_deployment("c", "3")
    with closing(pods.journal(late)) as journal:
        with pytest.raises(JournalUnwritable, match="no flow that is deployed"):
            begin(journal, flow=late.journal_name)
        write_deployment(pods.layout.deployments, late)
        begin(journal, flow=late.journal_name)


def test_a_connection_ends_with_its_token_and_the_client_does_not_notice(pods, tmp_path):
    path = tmp_path / "token"
    path.write_text(pods.cluster.pod_token(pods.ours, lasts=1))
    with closing(pods.service.far_journal(TokenFile(path))) as journal:
        begin(journal, flow=pods.ours.journal_name)
        record(journal, step_finished(1), durable=False)
        [connection] = pods.service.house.connections
        path.write_text(pods.cluster.pod_token(pods.ours))
        deadline = time.monotonic() + 5
        while connection in pods.service.house.connections:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        record(journal, step_finished(2))
        assert [entry.seq for entry in journal.history("run-1").entries] == [1, 2]


def test_a_flow_that_takes_too_many_connections_leaves_some_to_the_others(pods, monkeypatch):
    monkeypatch.setattr(reception, "MOST_CONNECTIONS", 1)
    with (
        closing(pods.journal(pods.ours)) as first,
        closing(pods.journal(pods.ours)) as second,
        closing(pods.journal(pods.other)) as other,
    ):
        begin(first, "run-a", flow=pods.ours.journal_name)
        with pytest.raises(JournalUnwritable, match="as many as it may"):
            begin(second, "run-b", flow=pods.ours.journal_name)
        begin(other, "run-c", flow=pods.other.journal_name)


def test_connections_of_a_flow_that_is_gone_end(pods):
    with closing(pods.journal(pods.ours)) as ours, closing(pods.journal(pods.other)) as other:
        begin(ours, "run-a", flow=pods.ours.journal_name)
        begin(other, "run-b", flow=pods.other.journal_name)
        house = pods.service.house
        pods.service.loop.call_soon_threadsafe(house.send_away, {pods.other.journal_name})
        deadline = time.monotonic() + 5
        while len(house.connections) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert [one.flow for one in house.connections] == [pods.other.journal_name]
