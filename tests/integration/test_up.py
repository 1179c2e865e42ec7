"""`intellyhub up` as a person has it: every process of the platform, the command line beside it."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from intellyhub_functions.testing.ports import free_port
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.supervisor.services import SERVICES, STOP_ORDER

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform"), pytest.mark.timeout(120)]

CACHE = Path(__file__).resolve().parents[2] / ".cache"
COMMAND = Path(sys.executable).with_name("intellyhub")
PASSWORD = "correct horse battery staple"
START_SECONDS = 60
NAMES = {service.name for service in SERVICES}


class Platform:
    """One `intellyhub up`, which may be started again on the same folder and port."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "data with blanks"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("INTELLYHUB_")} | {
            "INTELLYHUB_ADMIN_EMAIL": "ada@example.org",
            "INTELLYHUB_ADMIN_PASSWORD": PASSWORD,
            "INTELLYHUB_URL": self.url,
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        self.process: Any = None
        self.log = folder / "log"

    def command(self, *more):
        return [COMMAND, "up", "--port", str(self.port), "--data", self.data, *more]

    def start(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder
            )
        self.until(lambda: b"\nStop: Ctrl-C" in self.log.read_bytes())
        return self

    def until(self, condition, seconds=START_SECONDS):
        """A file of the platform says when; nothing tells a test that it changed."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    @property
    def pids(self):
        return json.loads((self.data / "run" / "processes.json").read_bytes())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def call(self, *arguments, given=""):
        return subprocess.run(
            [COMMAND, *arguments], input=given, capture_output=True, text=True, timeout=60, env=self.environment
        )

    def answer(self, *arguments, given=""):
        done = self.call(*arguments, given=given)
        assert done.returncode == 0, (done.stdout, done.stderr, self.log.read_text()[-4000:])
        return done.stdout

    def log_in(self):
        self.answer("login", "--email", "ada@example.org", "--password-stdin", given=PASSWORD + "\n")

    def post(self, path, document):
        request = urllib.request.Request(
            self.url + path, json.dumps(document).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read())

    def answers(self):
        try:
            return self.post("/hooks/main/hello", {"numbers": [1]})["output"]["figures"]["count"] == 1
        except (urllib.error.URLError, ConnectionError):
            return False


@pytest.fixture
def platform():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    made = Platform(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def running():
    """One platform for all tests that leave it as they found it: in the checkout, as `make run` has it, and not in
    /tmp, which is another one for workers."""
    CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE))
    made = Platform(folder)
    try:
        made.start()
        made.log_in()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def descendants(pid):
    """Every process below one, as (pid, start time): a pid alone may be somebody else's later."""
    children: dict[int, list[tuple[int, str]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append((int(path.parent.name), fields[19]))
    found, todo = set(), [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            found.add(child)
            todo.append(child[0])
    return found


def is_alive(process):
    pid, started = process
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[19] == started and fields[0] not in "ZX"


def test_every_process_is_listed_and_runs(running):
    pids = running.pids
    assert set(pids) == NAMES | {"supervisor"}
    assert pids["supervisor"] == running.process.pid
    assert all(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert (running.data.stat().st_mode & 0o777) == 0o700


def test_a_second_platform_on_the_same_folder_is_refused_with_the_first_ones_place(running):
    second = subprocess.run(
        [*running.command(), "--port", str(free_port())], capture_output=True, text=True, env=running.environment
    )
    assert second.returncode == 69
    assert f"process {running.process.pid}, {running.url}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_refused_with_the_remedy(running, tmp_path):
    second = subprocess.run(
        [*running.command(), "--data", tmp_path / "d"], capture_output=True, text=True, env=running.environment
    )
    assert second.returncode == 69
    assert f"--port {running.port + 1}" in second.stderr


def test_a_flow_is_published_called_looked_at_and_deleted(running):
    text = (
        "name: Journey\nlistener: {type: webhook}\nstates:\n"
        "  say: {state_type: set, values: {word: hello}, log: 'said {word}', transition: stop}\n"
        "  stop: {state_type: end, result: {word: '{word}', name: '{name}'}}\n"
    )
    (running.folder / "journey.yaml").write_text(text)
    slug, version, hook = running.answer("deploy", str(running.folder / "journey.yaml")).strip().split("\t")
    assert (slug, version) == ("journey", "1")
    assert hook == f"{running.url}/hooks/main/journey"
    assert running.post("/hooks/main/journey", {"name": "Ada"})["output"] == {"word": "hello", "name": "Ada"}
    assert json.loads(running.answer("invoke", "journey", "--var", "name=Ben")) == {"word": "hello", "name": "Ben"}
    assert [row.split("\t")[4] for row in running.answer("logs", "journey").splitlines()] == ["said hello"] * 2
    (running.folder / "journey.yaml").write_text(text.replace("hello", "goodbye"))
    assert running.answer("deploy", str(running.folder / "journey.yaml")).split("\t")[1] == "2"
    assert json.loads(running.answer("invoke", "journey"))["word"] == "goodbye"
    running.answer("rollback", "journey")
    assert json.loads(running.answer("invoke", "journey"))["word"] == "hello"
    described = running.answer("describe", "journey")
    assert "Journey (journey)" in described
    assert len(re.findall(r"^  [0-9a-f]{32}  succeeded", described, re.MULTILINE)) == 4
    assert "journey" in [row.split("\t")[0] for row in running.answer("flows").splitlines()]
    running.answer("delete", "journey", "--yes")
    assert running.call("invoke", "journey").returncode == 66


def test_a_faulty_flow_is_refused_with_line_and_column(running):
    (running.folder / "faulty.yaml").write_text(
        "states:\n  a: {state_type: set, values: {b: 1}, transition: c}\n  d: {state_type: nothing}\n"
    )
    refused = running.call("deploy", str(running.folder / "faulty.yaml"))
    assert refused.returncode == 2
    assert re.search(r"faulty\.yaml:3:\d+: error: ", refused.stderr)


def test_workers_appear_in_ps(running):
    running.answer("invoke", "hello")

    def awake():
        rows = [row.split("\t") for row in running.answer("ps").splitlines()]
        return any(row[0] == "hello" and row[2].isdigit() for row in rows)

    running.until(awake, 10)


def test_the_examples_are_there_and_the_answer_comes_from_zero(running):
    assert {row.split("\t")[0] for row in running.answer("flows").splitlines()} >= {"hello", "refund", "diary"}
    figures = running.post("/hooks/main/hello", {"name": "Ada", "numbers": [3, 14, 15, 92]})["output"]["figures"]
    assert figures == {"count": 4, "smallest": 3, "largest": 92, "mean": 31.0}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_process_that_is_killed_is_started_again_and_everything_works(running, name):
    before = running.pids[name]
    os.kill(before, signal.SIGKILL)
    running.until(lambda: running.pids.get(name, before) != before)
    running.until(lambda: f"{name} is ready again (process {running.pids[name]})" in running.log.read_text())
    running.until(running.answers, 20)  # who was connected to it connects again
    assert running.answer("invoke", "hello")


def order_of_ends(watched):
    """The names of processes, by descriptor, in the order in which they end."""
    poller = select.poll()
    for descriptor in watched:
        poller.register(descriptor, select.POLLIN)
    ended: list[str] = []
    while len(ended) < len(watched):
        for descriptor, _ in poller.poll(60_000):
            ended.append(watched[descriptor])
            poller.unregister(descriptor)
            os.close(descriptor)
    return ended


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has descriptors of processes")
def test_a_stop_is_in_order_and_leaves_nothing_and_a_start_finds_everything_again(platform):
    platform.start()
    platform.until(platform.answers)
    platform.log_in()
    waiting = platform.post("/hooks/main/refund", {"customer": "Ada", "amount": 250})
    assert waiting["status"] == "waiting"
    below = descendants(platform.process.pid)
    watched = {os.pidfd_open(platform.pids[name]): name for name in STOP_ORDER}
    platform.process.send_signal(signal.SIGINT)
    assert order_of_ends(watched) == list(STOP_ORDER)
    assert platform.process.wait(20) == 0
    assert not [each for each in below if is_alive(each)]
    layout = Layout(data=platform.data)
    assert list(layout.sockets.rglob("*.sock")) == []
    assert not (platform.data / "run" / "processes.json").exists()
    platform.start()
    run = platform.answer("describe", "refund", "--json")
    assert json.loads(run)["runs"][0]["id"] == waiting["run_id"]
    assert platform.post("/hooks/main/refund", {"customer": "Ben", "amount": 5})["status"] == "succeeded"
    assert platform.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_supervisor_leaves_no_process_and_the_next_start_waits_for_the_last_of_them(platform):
    platform.start()
    platform.until(platform.answers)
    below = descendants(platform.process.pid)
    assert len(below) > len(NAMES)  # the warm parent, the worker
    platform.process.kill()
    platform.process.wait(10)
    platform.start()
    assert not [each for each in below if is_alive(each)]
    assert platform.stop() == 0
