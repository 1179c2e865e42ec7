"""Connections of blocks behind a gate: made by the host, or refused."""

import os
import socket
import sys
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.blocks.evaluation import evaluate
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.python_blocks import compile_block
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.walls import orders
from intellyhub_functions.testing.surroundings import Log, make_step

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the gate is the kernel's")
CLOSED = "('169.254.169.254', 80)"


@pytest.fixture(params=["addresses alone", "unix sockets too"])
def run(request, tmp_path, monkeypatch):
    monkeypatch.setattr(orders, "gate", "" if request.param == "addresses alone" else os.path.realpath(tmp_path))
    with Blocks() as service:

        def run(source):
            step = make_step(tmp_path, None, services={"blocks": service}, log=Log())
            return evaluate(link(compile_block("import socket\n" + source))(Scope()), step).value

        yield run


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_block_connects_where_it_may(run, port):
    assert (
        run(f"with socket.create_connection(('127.0.0.1', {port})) as s:\n    name = s.getpeername()[0]\nname")
        == "127.0.0.1"
    )
    assert run(f"s = socket.socket()\ns.settimeout(5)\ns.connect(('127.0.0.1', {port}))\n1") == 1


def test_a_block_is_refused_where_it_may_not(run):
    with pytest.raises(PermanentError, match="Operation not permitted"):
        run(f"socket.create_connection({CLOSED})")
    with pytest.raises(PermanentError, match="Operation not permitted"):
        run(f"socket.create_connection({CLOSED}, timeout=5)")


def test_what_a_block_starts_goes_through_the_same_gate(run, port):
    code = "import socket, sys; s = socket.socket(); s.connect((sys.argv[1], int(sys.argv[2])))"
    start = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', {!r}, {!r}, {!r}], stderr=-3).returncode"
    assert run(start.format(code, "127.0.0.1", str(port))) == 0
    assert run(start.format(code, "169.254.169.254", "80")) == 1


def test_connections_of_several_threads_go_through(run, port):
    source = f"""
from concurrent.futures import ThreadPoolExecutor
def connect(_):
    with socket.create_connection(('127.0.0.1', {port})) as s:
        return s.getpeername()[1]
with ThreadPoolExecutor(8) as pool:
    reached = set(pool.map(connect, range(40)))
sorted(reached)
"""
    assert run(source) == [port]


@pytest.mark.skipif(os.geteuid() != 0, reason="the host's descriptors are closed to its own user")
def test_the_host_keeps_nothing_of_connections_that_are_over(tmp_path, monkeypatch, port):
    monkeypatch.setattr(orders, "gate", "")
    with Blocks() as service:

        def run(source):
            step = make_step(tmp_path, None, services={"blocks": service}, log=Log())
            return evaluate(link(compile_block(source))(Scope()), step).value

        host = run("import os\nos.getppid()")
        before = len(list(Path(f"/proc/{host}/fd").iterdir()))
        run(f"import socket\nfor _ in range(20):\n    socket.create_connection(('127.0.0.1', {port})).close()")
        assert run("import os\nos.getppid()") == host
        # The door of the last block may not be shut yet.
        assert len(list(Path(f"/proc/{host}/fd").iterdir())) <= before + 2
