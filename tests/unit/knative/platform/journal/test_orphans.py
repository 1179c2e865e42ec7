"""A worker that dies gives its runs back at once; a run that kills its workers is given up."""

from intellyhub_engine.journal.records import RunFinished, RunStatus, StepFinished, StepStatus
from tests.unit.engine.journal.runs import ALICE, BOB, begin, record, step_finished, step_started, suspended


def test_the_runs_of_a_dead_worker_are_due_at_once(client, clock):
    begin(client, "mine")
    begin(client, "other", owner=BOB)
    assert client.orphan(ALICE) == {"released": ["mine"], "failed": []}
    assert [run.run_id for run in client.due_runs(clock.now_ns)] == ["mine"]
    assert client.claim("mine", owner=BOB, lease_seconds=30).status is RunStatus.RUNNING


def test_with_an_error_running_runs_fail_and_show_the_step_they_were_in(client, clock):
    begin(client)
    record(client, step_started(1), step_finished(1))
    record(client, step_started(2, state="hang"))
    assert client.orphan(ALICE, error="stopped after 300 s") == {"released": [], "failed": ["run-1"]}
    history = client.history("run-1")
    *_, step, end = history.entries
    assert isinstance(step, StepFinished)
    assert (step.seq, step.state, step.status, step.error) == (2, "hang", StepStatus.FAILED, "stopped after 300 s")
    assert end == RunFinished(RunStatus.FAILED, None, "stopped after 300 s", None, clock.now_ns)
    [run] = client.runs()
    assert (run.status, run.error, run.steps, run.finished_ns) == (RunStatus.FAILED, end.error, 2, clock.now_ns)


def test_a_waiting_run_that_was_claimed_goes_on_waiting(client):
    begin(client)
    record(client, suspended(until_ns=5))
    client.claim("run-1", owner=ALICE, lease_seconds=30)
    assert client.orphan(ALICE, error="hung") == {"released": ["run-1"], "failed": []}
    assert client.history("run-1").status is RunStatus.WAITING


def test_children_fail_with_their_parent(client):
    begin(client, "top")
    begin(client, "top.1.a", parent_id="top", lease_seconds=0)
    begin(client, "top.1.b", parent_id="top", lease_seconds=0)
    record(client, suspended(), run_id="top.1.b")
    assert client.orphan(ALICE, error="hung")["failed"] == ["top"]
    statuses = {run.run_id: run.status for run in client.runs(parent_id="top")}
    assert statuses == {"top.1.a": RunStatus.FAILED, "top.1.b": RunStatus.CANCELLED}


def test_a_run_whose_workers_die_again_and_again_is_given_up(client):
    begin(client)
    for _ in range(2):
        assert client.orphan(ALICE, most_deaths=3)["released"] == ["run-1"]
        client.claim("run-1", owner=ALICE, lease_seconds=30)
    assert client.orphan(ALICE, most_deaths=3)["failed"] == ["run-1"]
    assert client.history("run-1").entries[-1].error == "its worker died 3 times; the run was given up"


def test_a_worker_without_runs_leaves_none(client):
    begin(client, owner=BOB)
    assert client.orphan(ALICE, error="x") == {"released": [], "failed": []}
