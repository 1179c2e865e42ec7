"""A worker in its pod: what it is told in files, what its flow cannot read, where its runs and events go."""

import contextlib
import json
import time

import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import sign
from intellyhub_engine.serving.cloudevents import make_headers
from intellyhub_engine.walls import landlock
from intellyhub_knative.platform.layout import Layout
from tests.integration.pods import CALLER, NAME, JournalService, Pod
from tests.unit.knative.platform.house_double import data_folder

BEARER = {"Authorization": f"Bearer {CALLER}", "Content-Type": "application/json"}
FLOW_KEY, TENANT_KEY, FOREIGN_KEY = ("key-of-the-flow.....", "key-of-the-tenant...", "key-of-a-stranger...")
KEYS = {"INTELLYHUB_DELIVERY_SECRETS": f"{FLOW_KEY},{TENANT_KEY}"}

FLOW = """
name: pod
states:
  look:
    state_type: command
    eval: |
      import glob, os
      def reads(path):
          try:
              with open(path, "rb") as file:
                  return len(file.read()) > 0
          except OSError as fault:
              return fault.strerror
      found = {path: reads(path) for path in paths}
      with open("written", "w") as file:
          file.write("here")
      environment = sorted(name for name in os.environ if "INTELLYHUB" in name or "SECRET" in name)
    transition: shell
  shell:
    state_type: command
    shell: for path in $(echo {line}); do cat "$path" > /dev/null 2>&1 && echo "$path"; done; cat written
    output: said
    transition: answer
  answer:
    state_type: end
    result: {found: "{found}", said: "{said.stdout}", environment: "{environment}", city: "{CITY}", key: "{API_KEY}"}
"""
ANSWER = """
name: answer
states:
  ask: {state_type: switch, value: "{kind}", cases: {tell: tell, call: call, wait: wait}, default: answer}
  tell: {state_type: emit, type: t.told, data: {city: "{CITY}"}, transition: answer}
  call: {state_type: call, flow: other, output: called, transition: answer}
  wait: {state_type: wait, approval: "Go on?", output: decision, transition: answer}
  answer: {state_type: end, result: {city: "{CITY}", same: "{API_KEY == 'second-secret-value'}"}}
"""
OTHER = "name: other\nstates:\n  answer: {state_type: end, result: {n: 1}}\n"

pytestmark = pytest.mark.skipif(not landlock.find_version(), reason="this kernel has no Landlock")


@pytest.fixture(scope="module")
def journal():
    with data_folder() as layout, JournalService(Layout(data=layout.data / "platform")) as service:
        yield service


@pytest.fixture(params=["lean", "framework"])
def start(request, tmp_path, journal):
    with contextlib.ExitStack() as stack:

        def start(flow, *, number=1, **environment):
            pod = Pod(tmp_path / f"pod{number}", journal, flow, **environment)
            worker = getattr(pod, request.param)()
            stack.callback(worker.close)
            return pod, worker

        yield start


def ask(worker, body, **headers):
    return worker.ask(body=json.dumps(body).encode(), headers=BEARER | headers)


def deliver(worker, event, key):
    body = json.dumps(event.data).encode()
    signed = sign(event, body, key.encode(), time.time())
    headers = {"Content-Type": "application/json", "Prefer": "reply", "Kn-Namespace": "ih-a"}
    headers |= dict(make_headers(signed))
    return worker.ask(body=body, headers=headers)


@pytest.mark.slow
def test_a_flow_reads_neither_token_nor_secrets_nor_environment(start):
    pod, worker = start(FLOW)
    closed = [
        pod.token.folder / "token",
        pod.variables.folder / "variables.json",
        pod.secrets.folder / "API_KEY",
        f"/proc/{worker.process.pid}/environ",
        "/etc/shadow",
    ]
    paths = [*map(str, closed), "/etc/hosts"]
    status, _, body = ask(worker, {"paths": paths, "line": " ".join(paths)})
    assert status == 200, body
    output = json.loads(body)["output"]
    assert output["found"] == {**dict.fromkeys(map(str, closed), "Permission denied"), "/etc/hosts": True}
    assert output["said"] == "/etc/hosts\nhere"
    assert output["environment"] == []
    assert output["city"] == "Rome"
    assert b"first-secret-value" not in body


def test_a_state_of_ours_cannot_read_the_token_for_a_flow(start):
    flow = 'name: f\nstates:\n  read: {state_type: file, operation: read, path: "{path}", transition: end}\n'
    flow += "  end: {state_type: end}\n"
    pod, worker = start(flow, INTELLYHUB_FILE_ROOTS="/")
    status, _, body = ask(worker, {"path": str(pod.token.folder / "token")})
    assert status == 500
    assert b"ermission denied" in body
    assert pod.token.folder.joinpath("token").read_text() not in body.decode()


def test_runs_are_in_the_journal_under_the_platforms_name(start, journal):
    _, worker = start(ANSWER)
    status, headers, _ = ask(worker, {"kind": "tell"})
    assert status == 200, worker.log.read_text()
    assert journal.client.history(headers["intellyhub-run"]).start.flow == NAME


def test_emitted_events_are_in_the_outbox_of_its_tenant(start, journal):
    _, worker = start(ANSWER)
    _, headers, _ = ask(worker, {"kind": "tell"})
    run_id = headers["intellyhub-run"]
    told = [each for each in journal.client.unrouted(limit=1000) if each.event.type == "t.told"]
    [event] = [each for each in told if run_id in each.event.id or run_id in each.event.source]
    assert (event.tenant_id, event.event.data) == (NAME.partition("/")[0], {"city": "Rome"})


@pytest.mark.slow
def test_a_called_flow_has_the_name_that_the_image_says(start, journal):
    pod, worker = start(ANSWER)
    (pod.image / "other.yaml").write_text(OTHER)
    pod.environment["PORT"] = str(worker.port)
    worker.stop()
    (pod.image / "calls.json").write_text(json.dumps({"other": f"{'a' * 32}/{'c' * 32}"}))
    worker = pod.lean()
    try:
        _, headers, _ = ask(worker, {"kind": "call"})
        [child] = journal.client.runs(parent_id=headers["intellyhub-run"])
        assert child.flow == f"{'a' * 32}/{'c' * 32}"
    finally:
        worker.close()


@pytest.mark.slow
def test_what_is_told_in_files_is_read_again_when_it_changes(start):
    pod, worker = start(ANSWER)
    assert json.loads(ask(worker, {})[2])["output"] == {"city": "Rome", "same": False}
    pod.tell({"CITY": "Oslo"}, {})
    pod.secrets.put(API_KEY="second-secret-value")
    ends = time.monotonic() + 10
    while (output := json.loads(ask(worker, {})[2])["output"])["city"] == "Rome":
        assert time.monotonic() < ends, worker.log.read_text()
    assert output == {"city": "Oslo", "same": True}


def test_a_delivery_signed_for_the_flow_or_its_tenant_is_answered_with_nothing(start):
    _, worker = start(ANSWER, **KEYS)
    for number, key in enumerate((FLOW_KEY, TENANT_KEY)):
        status, _, body = deliver(worker, Event(id=str(number), source="/s", type="t", data={"kind": "tell"}), key)
        assert (status, body) == (204, b""), worker.log.read_text()


def test_a_delivery_signed_by_a_stranger_is_refused_in_few_words(start):
    _, worker = start(ANSWER, **KEYS)
    event = Event(id="x" * 3000, source="/" + "s" * 3000, type="t", data={"text": "x" * 3000})
    status, _, body = deliver(worker, event, FOREIGN_KEY)
    assert status == 401
    assert len(body) <= 768


def test_headers_that_begin_with_k_let_nobody_in(start):
    _, worker = start(ANSWER)
    headers = {"K-Proxy-Request": "activator", "K-Network-Probe": "queue", "Kn-Namespace": "ih-a", "Prefer": "reply"}
    assert worker.ask(body=b"{}", headers=headers)[0] == 401


@pytest.mark.slow
def test_a_token_that_was_renewed_is_shown_at_the_next_connection(start, journal):
    pod, worker = start(ANSWER)
    assert ask(worker, {})[0] == 200
    pod.show("expired")
    pod.token.put(token=journal.token())
    journal.process.kill()
    journal.process.start()
    status, _, _ = ask(worker, {})
    assert status == 200, worker.log.read_text()
