"""A flow's listener in its pod, as a real process: what it hears, where that goes, who has the right to listen."""

import contextlib
import json
import sys
import threading
import time
from pathlib import Path

import pytest

from intellyhub_engine.journal.ledger import read_page
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import await_that
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.sources.standing import show_page
from tests.integration.pods import NAME, JournalService, Pod
from tests.unit.knative.platform.house_double import data_folder

WATCH = "name: watch\nlistener: {type: directory, path: inbox, poll_interval: 0.05, events: [created]}\nstates:\n"
WATCH += "  end: {state_type: end}\n"
ADDRESS = "/tenants/acme/flows/b/listener"
TENANT = NAME.partition("/")[0]
FLOW_ID = NAME.rpartition("/")[2]


class Ingress(LocalServer):
    """The gateway, as a sink: keeps what it takes; `statuses` are answered first."""

    def __init__(self):
        super().__init__()
        self.taken = []
        self.refused = 0
        self.statuses = []

    def answer(self, call):
        if self.statuses:
            self.refused += 1
            return Answer(status=self.statuses.pop(0))
        self.taken.append(call)
        return Answer(status=202)

    @property
    def files(self):
        """Names, each once: an event that comes again is known by its source and id."""
        known = {(call.headers["ce-source"], call.headers["ce-id"]): json.loads(call.body) for call in self.taken}
        return sorted(data["file_name"] for data in known.values())


@pytest.fixture
def ingress():
    with Ingress() as ingress:
        yield ingress


@pytest.fixture
def own():
    """A journal of one test: places of listeners are kept by the flow's name, which all pods here have."""
    with data_folder() as layout, JournalService(Layout(data=layout.data / "platform")) as service:
        yield service


@pytest.fixture
def pod(tmp_path, own, ingress):
    made = Pod(tmp_path / "pod", own, WATCH, **sink(ingress))
    made.inbox.mkdir(parents=True)
    return made


def sink(ingress):
    return {
        "K_SINK": f"{ingress.url}/events/acme",
        "K_CE_OVERRIDES": json.dumps({"extensions": {"flow": FLOW_ID}}),
        "INTELLYHUB_LISTENER_ADDRESS": ADDRESS,
        "INTELLYHUB_SINK_SECONDS": "5",
    }


@pytest.fixture
def listen():
    with contextlib.ExitStack() as stack:

        def listen(pod):
            worker = pod.listener()
            stack.callback(worker.close)
            return worker

        yield listen


def is_ready(worker):
    return worker.ask("GET", "/readyz")[0] == 200


def drop(inbox: Path, name: str) -> None:
    """A whole file at once."""
    (inbox.parent / name).write_text("x")
    (inbox.parent / name).rename(inbox / name)


def test_what_a_listener_hears_is_in_the_sink_with_its_token_and_attributes(pod, listen, ingress, own):
    worker = listen(pod)
    await_that(lambda: is_ready(worker))
    drop(pod.inbox, "a.txt")
    await_that(lambda: ingress.taken)
    headers = ingress.taken[0].headers
    assert headers["authorization"] == f"Bearer {own.token()}"
    assert (headers["ce-source"], headers["ce-flow"]) == (ADDRESS, FLOW_ID)
    assert worker.ask("GET", "/healthz")[0] == 200
    worker.stop()
    page = read_page(own.client, NAME)
    assert page is not None
    assert show_page(page)["events"] == 1


def test_without_a_sink_events_go_into_the_outbox(pod, listen, own):
    pod.environment["K_SINK"] = ""
    worker = listen(pod)
    await_that(lambda: is_ready(worker))
    drop(pod.inbox, "a.txt")
    await_that(lambda: own.client.unrouted(limit=10))
    [event] = own.client.unrouted(limit=10)
    assert event.tenant_id == TENANT


@pytest.mark.slow
def test_while_the_sink_refuses_nothing_is_lost(pod, listen, ingress):
    ingress.statuses = [503, 401, 429, 500]
    worker = listen(pod)
    await_that(lambda: is_ready(worker))
    drop(pod.inbox, "a.txt")
    await_that(lambda: ingress.refused == 4, seconds=20)
    drop(pod.inbox, "b.txt")
    await_that(lambda: ingress.files == ["a.txt", "b.txt"])


@pytest.mark.slow
def test_a_new_pod_waits_for_the_old_one_and_goes_on_where_it_was(pod, listen, ingress):
    old = listen(pod)
    await_that(lambda: is_ready(old))
    drop(pod.inbox, "a.txt")
    await_that(lambda: ingress.files == ["a.txt"])
    pod.environment["PORT"] = str(free_port())
    new = listen(pod)
    drop(pod.inbox, "b.txt")
    await_that(lambda: ingress.files == ["a.txt", "b.txt"])
    assert not is_ready(new)
    assert new.ask("GET", "/healthz")[0] == 200
    assert old.stop() == 0
    drop(pod.inbox, "c.txt")
    await_that(lambda: ingress.files == ["a.txt", "b.txt", "c.txt"])
    assert is_ready(new)
    assert len(ingress.taken) == 3


@pytest.mark.slow
def test_what_was_stored_when_its_pod_was_killed_is_not_stored_twice(pod, listen, ingress, own):
    def hurried():
        """The right of one that died ends sooner, for the test's sake."""
        code = (
            "from intellyhub_engine.serving import listener, listening as l; l.RIGHT_SECONDS, l.RENEW_SECONDS = 1, .2"
        )
        worker = pod.start(sys.executable, "-c", f"{code}; raise SystemExit(listener.main())")
        return worker.wait_until_it_listens()

    first = hurried()
    try:
        await_that(lambda: is_ready(first))
        taken = threading.Event()
        answer = ingress.answer

        def take_and_wait(call):
            answered = answer(call)
            taken.set()
            first.process.wait(20)
            return answered

        ingress.answer = take_and_wait
        drop(pod.inbox, "a.txt")
        assert taken.wait(10)
        first.process.kill()
        first.process.wait(10)
        ingress.answer = answer
        drop(pod.inbox, "b.txt")
        pod.environment["PORT"] = str(free_port())
        second = hurried()
        try:
            await_that(lambda: ingress.files == ["a.txt", "b.txt"], seconds=15)
        finally:
            second.close()
    finally:
        first.close()


@pytest.mark.slow
def test_a_listener_that_has_no_contact_is_not_healthy(pod, listen):
    flow = f"name: mqtt\nlistener: {{type: mqtt, host: 127.0.0.1, port: {free_port()}, topic: a}}\nstates:\n"
    (pod.image / "flow.yaml").write_text(flow + "  end: {state_type: end}\n")
    pod.environment["INTELLYHUB_SILENCE_SECONDS"] = "1"
    worker = listen(pod)
    assert worker.ask("GET", "/healthz")[0] == 200
    await_that(lambda: worker.ask("GET", "/healthz")[0] == 503, seconds=15)
    _, _, body = worker.ask("GET", "/healthz")
    assert b"no contact" in body
    assert not is_ready(worker)


PLUGIN = """
import os
from intellyhub import SourceContext, Event, source

@source
def nosy(context: SourceContext, paths: list):
    found = {}
    for path in paths:
        try:
            found[path] = len(open(path).read())
        except OSError as fault:
            found[path] = fault.strerror
    yield Event({"found": found, "environment": sorted(os.environ), "file_name": "x"}, id="1")
    context.sleep(60)
"""


def test_a_plugins_listener_cannot_read_what_its_pod_was_told(pod, listen, ingress):
    token, secret = str(pod.token.folder / "token"), str(pod.secrets.folder / "API_KEY")
    flow = {
        "name": "nosy",
        "listener": {"type": "nosy", "paths": [token, secret]},
        "states": {"e": {"state_type": "end"}},
    }
    (pod.image / "flow.yaml").write_text(json.dumps(flow))
    (pod.image / "plugins").mkdir()
    (pod.image / "plugins" / "nosy.py").write_text(PLUGIN)
    worker = listen(pod)
    ends = time.monotonic() + 20
    while not ingress.taken:
        assert time.monotonic() < ends, worker.log.read_text()
        time.sleep(0.02)
    data = json.loads(ingress.taken[0].body)
    assert data["found"] == dict.fromkeys((token, secret), "Permission denied")
    assert not [name for name in data["environment"] if "INTELLYHUB" in name or "K_SINK" in name]


@pytest.mark.slow
def test_a_changed_variable_begins_it_anew(pod, listen, ingress):
    (pod.image / "flow.yaml").write_text(WATCH.replace("path: inbox", 'path: "{FOLDER}"'))
    other = pod.inbox.with_name("other")
    other.mkdir()
    pod.tell({"FOLDER": "inbox"}, {})
    worker = listen(pod)
    await_that(lambda: is_ready(worker))
    pod.tell({"FOLDER": "other"}, {})
    await_that(lambda: "have changed" in worker.log.read_text(), seconds=15)
    ends, number = time.monotonic() + 10, 0
    while not ingress.taken:  # until it is there, what is dropped counts as seen
        assert time.monotonic() < ends, worker.log.read_text()
        drop(other, f"{number}.txt")
        number += 1
        time.sleep(0.05)
