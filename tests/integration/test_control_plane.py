"""The control plane as a process: gunicorn on its socket, beside a journal and an activator; killed and begun again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from intellyhub_knative.platform.deployments import read_deployments
from tests.integration.platform_processes import Process, UnixConnection, await_that
from tests.unit.control_plane.house import HELLO, data_folder

PASSWORD = "a password for tests"
WAIT = """\
name: wait
states:
  ask:
    state_type: wait
    approval: May it?
    transition: end
"""


class Control(Process):
    """The control plane."""

    module = "intellyhub_control_plane.server"

    def __init__(self, layout, **environment):
        super().__init__(layout, "control", INTELLYHUB_ADMIN_PASSWORD=PASSWORD, **environment)
        self.token = ""

    def kill(self):
        """With SIGKILL; comes back when those who answered under it have seen that it is gone."""
        super().kill()
        await_that(lambda: not self.answers())

    def answers(self):
        """Whether somebody accepts at its socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.layout.socket("control"))) == 0

    def call(self, method, path, document=None, token=None):
        """One request; status and document."""
        connection = UnixConnection(self.layout.socket("control"), 30)
        body = None if document is None else json.dumps(document)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None
        finally:
            connection.close()

    def log_in(self):
        status, session = self.call("POST", "/api/auth/login", {"email": "admin@localhost", "password": PASSWORD})
        assert status == 200, session
        self.token = session["access_token"]


@pytest.fixture(scope="module")
def layout():
    with data_folder() as layout:
        yield layout


@pytest.fixture(scope="module")
def control(layout):
    with ExitStack() as processes:
        processes.enter_context(Process(layout, "journal"))
        processes.enter_context(Process(layout, "activator"))
        control = processes.enter_context(Control(layout))
        control.log_in()
        yield control


@pytest.mark.slow
def test_a_flow_is_published_runs_and_is_asked_about(control):
    status, flow = control.call("POST", "/api/flows", {"name": "Mine", "yaml_content": HELLO})
    assert (status, flow["slug"]) == (201, "mine")
    status, run = control.call("POST", "/api/flows/mine/execute", {"variables": {"name": "Ada"}, "wait_seconds": 20})
    assert (status, run["status"], run["variables"]["text"]) == (200, "succeeded", "Hi Ada")
    steps = control.call("GET", f"/api/runs/{run['id']}/steps")[1]["steps"]
    assert [(step["state"], step["status"]) for step in steps] == [("greet", "succeeded"), ("end", "succeeded")]
    status, copy = control.call("POST", f"/api/runs/{run['id']}/replay", {})
    assert (status, copy["run_id"] != run["id"]) == (202, True)
    status, fork = control.call("POST", f"/api/runs/{run['id']}/fork", {"seq": 1, "variables": {"name": "Bob"}})
    assert status == 202
    await_that(lambda: control.call("GET", fork["status_url"])[1]["status"] == "succeeded")
    forked = control.call("GET", fork["status_url"])[1]
    assert (forked["variables"]["text"], forked["copied_from"]["run_id"]) == ("Hi Bob", run["id"])
    workers = control.call("GET", "/api/workers")[1]["workers"]
    assert {worker["flow"]["slug"] for worker in workers} == {"mine"}
    assert control.call("DELETE", "/api/flows/mine")[0] == 204
    assert control.call("GET", f"/api/runs/{run['id']}")[0] == 404


@pytest.mark.slow
def test_a_waiting_run_is_decided_on_its_own_version_after_a_new_one_was_published(control):
    control.call("POST", "/api/flows", {"name": "Ask", "yaml_content": WAIT})
    run_id = control.call("POST", "/api/flows/ask/execute", {})[1]["run_id"]
    await_that(lambda: control.call("GET", f"/api/runs/{run_id}")[1]["status"] == "waiting")
    run = control.call("GET", f"/api/runs/{run_id}")[1]
    assert (run["waiting_for"]["kind"], run["waiting_for"]["question"]) == ("approval", "May it?")
    changed = WAIT.replace("May it?", "May it now?")
    assert control.call("PUT", "/api/flows/ask", {"yaml_content": changed})[1]["version"] == 2
    assert control.call("POST", f"/api/runs/{run_id}/resume", {"decision": {"approved": True}})[0] == 202
    await_that(lambda: control.call("GET", f"/api/runs/{run_id}")[1]["status"] == "succeeded")
    assert control.call("GET", f"/api/runs/{run_id}")[1]["version"] == 1


@pytest.mark.slow
def test_sigkill_loses_nothing_and_a_second_start_finds_everything_again(layout, control):
    flow = control.call("POST", "/api/flows", {"name": "Kept", "yaml_content": HELLO})[1]
    before = control.call("GET", "/api/flows")[1]["items"]
    (layout.deployments / f"{flow['id']}.json").unlink()
    control.kill()
    control.start()
    after = control.call("GET", "/api/flows")[1]["items"]
    assert [each["id"] for each in after] == [each["id"] for each in before]
    assert "kept" in {deployment.slug for deployment in read_deployments(layout.deployments)}


@pytest.mark.slow
def test_a_worker_process_that_dies_is_replaced_without_a_refused_request(control):
    children = f"/proc/{control.process.pid}/task/{control.process.pid}/children"
    os.kill(int(Path(children).read_text().split()[0]), signal.SIGKILL)
    for _ in range(20):
        assert control.call("GET", "/health")[0] == 200


@pytest.mark.slow
def test_sigterm_ends_it_in_time_and_leaves_the_socket_to_who_owns_it(control):
    began = time.monotonic()
    assert control.stop() == 0
    assert time.monotonic() - began < 5
    assert control.layout.socket("control").exists()


def test_what_it_cannot_use_of_its_environment_is_named_and_it_ends_with_2(layout):
    environment = {
        **os.environ,
        "INTELLYHUB_DATA": str(layout.data),
        "INTELLYHUB_MAX_PODS": "none",
        "DATABASE_URL": "x",
    }
    command = [sys.executable, "-m", "intellyhub_control_plane.server"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "INTELLYHUB_MAX_PODS" in ended.stderr
    assert "DATABASE_URL" in ended.stderr
