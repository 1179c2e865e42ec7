"""Python blocks that attack the worker: forged answers, floods, stopped hosts, processes left behind."""

import ctypes
import sys
import time
from pathlib import Path

import pytest

from intellyhub_engine.blocks import supervision
from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.blocks.evaluation import evaluate
from intellyhub_engine.errors import PermanentError, RetryableError, StepTimedOut
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.python_blocks import compile_block
from intellyhub_engine.language.values.scope import Scope
from intellyhub_functions.testing.surroundings import Log, await_that, make_step

PR_GET_DUMPABLE = 3
EMPTY = b'"changes":{},"removed":[],"refused":{}'
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.fixture
def blocks():
    with Blocks() as service:
        yield service


@pytest.fixture
def run(tmp_path, blocks):
    def run(source, **parts):
        step = make_step(tmp_path, services={"blocks": blocks}, **{"log": Log(), **parts})
        return evaluate(link(compile_block(source))(Scope()), step)

    return run


@pytest.fixture
def tell(run):
    """Write bytes on the way that answers go, as a block could."""

    def tell(answer):
        return run(f"import os, socket\nsocket.socket(fileno=3).sendall({answer!r})\nos._exit(0)")

    return tell


@pytest.mark.parametrize(
    "answer",
    [
        b"R",
        b"R[]",
        b"Rnull",
        b'R"x"',
        b"\x00\xff",
        b"Xnothing",
        b"R" + b"[" * 900 + b"]" * 900,
        b'R{"value":' + b'{"$":"tuple","v":[' * 600 + b"]}" * 600 + b"," + EMPTY + b"}",
        b'R{"value":1,"changes":[1],"removed":[],"refused":{}}',
        b'R{"value":1,"changes":{"$":"record","v":[[5,6]]},"removed":[],"refused":{}}',
        b'R{"value":1,"changes":{},"removed":[{"a":1}],"refused":{}}',
        b'R{"value":1,"changes":{},"removed":"name","refused":{}}',
        b'R{"value":1,"changes":{},"removed":[],"refused":[1]}',
        b'R{"value":{"$":"nope"},' + EMPTY + b"}",
        b'R{"value":{"$":[1]},' + EMPTY + b"}",
        b'R{"value":{"$":"set","v":[[1]]},' + EMPTY + b"}",
        b'R{"value":{"$":"decimal","v":"x"},' + EMPTY + b"}",
        b'R{"value":{"$":"timedelta","v":[1e300]},' + EMPTY + b"}",
        b'R{"value":{"$":"datetime","v":"2026-01-01","zone":"../../etc/passwd"},' + EMPTY + b"}",
        b'R{"value":{"$":"datetime","v":"2026-01-01","zone":"Europe"},' + EMPTY + b"}",
    ],
)
def test_a_forged_answer_is_a_failed_step(tell, answer):
    with pytest.raises(PermanentError, match="answer cannot be read"):
        tell(answer)


def test_a_forged_class_is_plain_data(tell):
    outcome = tell(b'R{"value":{"$":"value","type":"os.system","v":{"a":1}},' + EMPTY + b"}")
    assert dict(outcome.value) == {"a": 1}


def test_a_forged_message_is_cut(tell):
    with pytest.raises(PermanentError) as caught:
        tell(b'F"' + b"x" * 90_000 + b'"')
    assert len(str(caught.value)) < 5_000


def test_an_endless_answer_is_ended(run):
    with pytest.raises(PermanentError, match="larger than"):
        run("import socket\ns = socket.socket(fileno=3)\nwhile True: s.sendall(b'R' * 1_000_000)")


def test_a_flood_of_lines_ends_with_the_time_limit_and_leaves_a_short_log(run):
    log = Log()
    with pytest.raises(StepTimedOut):
        run("import os\nwhile True: os.write(1, b'y\\n' * 32768)", timeout_seconds=0.5, log=log)
    assert sum(len(message) for _, message in log.lines) < 400_000


@LINUX
def test_a_block_that_stops_its_host_does_not_hang_the_worker(run, monkeypatch):
    monkeypatch.setattr(supervision, "KILL_SECONDS", 0.3)
    with pytest.raises((StepTimedOut, RetryableError)):
        run("import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)", timeout_seconds=0.3)
    assert run("7").value == 7


@LINUX
def test_a_process_that_left_its_session_ends_with_its_block(run, tmp_path):
    run(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    open('pid', 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n    os._exit(0)\n"
        "while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)"
    )
    left = int((tmp_path / "pid").read_text())
    await_that(lambda: not Path(f"/proc/{left}").exists())


@LINUX
def test_worker_and_host_are_hidden_from_programs_of_the_same_user(run):
    run("1")
    assert ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0


def test_a_block_finds_nothing_open_but_its_streams_and_its_socket(run, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2hunter2")
    found = run(
        "import os\n[sorted(map(int, os.listdir('/dev/fd')))[:4], len(os.listdir('/dev/fd')), dict(os.environ)]"
    ).value
    assert found[:2] == [[0, 1, 2, 3], 5]  # the fifth is the listing's own
    assert "hunter2hunter2" not in str(found[2])


def test_time_does_not_pass_while_a_dead_block_keeps_its_output_open(run):
    began = time.monotonic()
    assert run("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(5)\n    os._exit(0)\n5").value == 5
    assert time.monotonic() - began < 4
