"""Processes under measurement."""

import os
import sys
from pathlib import Path

import pytest

from tests.benchmarks import child
from tests.benchmarks.child import find_free_port, pinned, read_cpu_seconds, read_pss_bytes, start, wait_until_ready
from tests.benchmarks.load import make_request

SERVE = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def started(tmp_path):
    """Start Python code as a child; everything started is ended after the test."""
    children = []

    def run(code):
        port = find_free_port()
        found = start([sys.executable, "-c", code], environment={"PORT": str(port)}, port=port, scratch=tmp_path)
        children.append(found)
        return found

    yield run
    for each in children:
        each.stop()


def test_a_child_is_ready_when_it_answers_and_gone_when_it_is_stopped(started):
    server = started(SERVE)
    assert wait_until_ready(server, make_request(b"{}")) == (200, b"ok")
    server.stop()
    assert server.process.returncode is not None


def test_a_child_that_ends_instead_of_answering_is_reported_with_its_last_words(started):
    server = started("raise SystemExit('the port is taken')")
    with pytest.raises(RuntimeError, match="it said: the port is taken"):
        wait_until_ready(server, make_request(b"{}"))


def test_a_child_that_ignores_the_signal_is_killed(started, monkeypatch):
    monkeypatch.setattr(child, "STOP_SECONDS", 0.2)
    stubborn = started("import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()")
    while "deaf" not in stubborn.output.read_text():
        assert stubborn.process.poll() is None
    stubborn.stop()
    assert stubborn.process.returncode == -9


def test_a_child_works_only_while_it_is_awake(started):
    busy = started("while True: pass")
    busy.pause()
    wait_for_state("T", busy)
    before = busy.cpu_seconds()
    with busy.awake():
        while busy.cpu_seconds() == before:
            assert busy.process.poll() is None
    wait_for_state("T", busy)


def wait_for_state(state, child):
    while Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != state:
        assert child.process.poll() is None


def test_the_processor_time_and_the_memory_of_this_process_can_be_read():
    assert read_cpu_seconds(os.getpid()) > 0
    assert read_pss_bytes(os.getpid()) > 1_000_000


def test_pinning_lasts_as_long_as_its_block():
    before = os.sched_getaffinity(0)
    with pinned(child.SERVING_CPU):
        assert os.sched_getaffinity(0) == {child.SERVING_CPU}
    assert os.sched_getaffinity(0) == before
