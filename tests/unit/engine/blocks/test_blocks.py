"""Python blocks and programs in isolated processes: what they give, and how they end."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.blocks.evaluation import evaluate
from intellyhub_engine.blocks.limits import Limits
from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.python_blocks import compile_block
from intellyhub_engine.language.values.scope import Scope
from intellyhub_functions.testing.surroundings import Log, await_that, make_step


@pytest.fixture(scope="module")
def blocks():
    with Blocks() as service:
        yield service


@pytest.fixture
def run(tmp_path, blocks):
    def run(source, names=None, service=blocks, **parts):
        step = make_step(tmp_path, names, services={"blocks": service}, **{"log": Log(), **parts})
        return evaluate(link(compile_block(source))(Scope()), step)

    return run


def test_the_last_expression_is_the_value_and_assigned_names_are_the_changes(run):
    outcome = run("import math\ntotal = price * 2\ntags.append('b')\nmath.floor(total)", {"price": 2.5, "tags": ["a"]})
    assert (outcome.value, outcome.changes) == (5, {"total": 5.0, "tags": ["a", "b"]})


def test_what_cannot_be_a_variable_is_named_unless_nobody_would_expect_it_to_be_one(run):
    log = Log()
    source = (
        "import os, threading\nlock = threading.Lock()\nbig = 'a' * 40_000_000\nfile = open('x', 'w')\ndef f(): pass"
    )
    assert run(source, log=log).changes == {}
    assert [message.partition(":")[0] for _, message in log.lines] == [
        "lock is not kept as a variable",
        "big is not kept as a variable",
    ]


def test_a_deleted_variable_is_removed(run):
    assert run("del a", {"a": 1}).removed == ("a",)


def test_what_is_printed_comes_live_and_in_order(run):
    log = Log()
    run("import os\nprint('one')\nos.system('echo two')\nprint('three', end='')", log=log)
    assert log.lines == [("info", "one"), ("info", "two"), ("info", "three")]


def test_a_line_is_logged_before_the_block_ends(tmp_path, run):
    def log(level, message):
        (tmp_path / "seen").touch()

    run(
        "import os, time\nprint('now')\nwhile not os.path.exists('seen'): time.sleep(0.005)",
        log=log,
        timeout_seconds=10,
    )


def test_an_exception_is_told_with_its_line(run):
    with pytest.raises(PermanentError, match=r"^KeyError: 'x' \(line 2 of the block\)$"):
        run("a = {}\na['x']")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os; os._exit(3)", "ended its process itself, with exit code 3"),
        ("import ctypes; ctypes.string_at(0)", "crashed with SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "was killed; perhaps the system ran out of memory"),
        ("import sys; sys.exit('bye')", "SystemExit: the block ended itself, with 'bye'"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("x = [0] * 10**10", "MemoryError: a block may use 2048 MB"),
        ("def f(): f()\nf()", "RecursionError"),
        ("'a' * 40_000_000", "takes"),
    ],
)
def test_a_block_that_dies_fails_its_step_and_nothing_else(run, source, message):
    with pytest.raises(PermanentError, match=message):
        run(source)
    assert run("1 + 1").value == 2


def test_a_block_that_takes_too_long_is_killed_with_all_it_started(run, tmp_path):
    begun = time.monotonic()
    with pytest.raises(StepTimedOut):
        run("import os, time\nos.system('(sleep 0.5; touch late) &')\ntime.sleep(30)", timeout_seconds=0.2)
    assert time.monotonic() - begun < 5
    await_that(lambda: time.monotonic() - begun > 0.9)
    assert not (tmp_path / "late").exists()


def test_a_cancelled_run_kills_its_block(tmp_path, blocks):
    step = make_step(tmp_path, services={"blocks": blocks})
    threading.Timer(0.1, step.cancelled.set).start()
    with pytest.raises(StepCancelled):
        evaluate(link(compile_block("import time; time.sleep(30)"))(Scope()), step)


def test_a_block_sees_neither_the_workers_environment_nor_its_files(run, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3")
    outcome = run(
        "import os\n(os.environ.get('AWS_SECRET_ACCESS_KEY'), os.getcwd(), sorted(os.listdir('/proc/self/fd')))"
    )
    secret, folder, descriptors = outcome.value
    assert secret is None
    assert folder == str(tmp_path)
    assert set(descriptors) <= {"0", "1", "2", "3", "4"}  # 3 is the answer's way, 4 the listing itself


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_block_has_no_way_to_new_privileges(run):
    assert "NoNewPrivs:\t1" in run("open('/proc/self/status').read()").value


def test_a_block_cannot_speak_to_the_host_process(run):
    source = (
        "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'K' * 5)\n    except OSError: pass\nos._exit(0)"
    )
    with pytest.raises(PermanentError):
        run(source)
    assert run("1 + 1").value == 2


def test_an_answer_that_is_no_answer_is_refused(run):
    with pytest.raises(PermanentError):
        run("import os; os.write(3, b'R{\"value\": 1}'); os._exit(0)")
    with pytest.raises(PermanentError, match="cannot be read"):
        run("import os; os.write(3, b'Rnonsense'); os._exit(0)")


def test_imports_can_be_limited(tmp_path):
    with Blocks(Limits(imports=("json", "datetime"))) as service:
        step = make_step(tmp_path, services={"blocks": service})
        assert evaluate(link(compile_block("import json; json.dumps([1])"))(Scope()), step).value == "[1]"
        with pytest.raises(PermanentError, match="blocks may not import 'os' here; allowed are: json, datetime"):
            evaluate(link(compile_block("import os"))(Scope()), step)


def test_many_threads_run_blocks_at_once(run):
    failures: list[object] = []

    def work(number):
        answers = [run(f"{number} * n", {"n": 2}).value for _ in range(10)]
        failures.extend(answer for answer in answers if answer != number * 2)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_host_process_that_died_is_replaced_and_its_block_may_be_tried_again(run):
    with Blocks() as service:
        assert run("1", service=service).value == 1
        assert service._process is not None
        killer = threading.Timer(0.1, os.kill, (service._process.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(RetryableError, match="ended unexpectedly"):
            run("import time; time.sleep(30)", service=service)
        assert run("2", service=service).value == 2


def test_blocks_end_with_their_worker(tmp_path):
    program = tmp_path / "worker.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\n"
        "from intellyhub_engine.blocks.blocks import Blocks\n"
        "from intellyhub_functions.testing.surroundings import make_step\n"
        "step = make_step(Path(sys.argv[1]))\n"
        "Blocks().run_program(['sh', '-c', 'echo $$ > pid; exec sleep 60'], step)\n"
    )
    worker = subprocess.Popen([sys.executable, str(program), str(tmp_path)])
    await_that(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    worker.kill()
    worker.wait()
    child = int((tmp_path / "pid").read_text())
    await_that(lambda: not is_running(child))


def is_running(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_program_that_is_not_there_is_named(tmp_path, blocks):
    with pytest.raises(PermanentError, match="no-such-program cannot be started: No such file"):
        blocks.run_program(["no-such-program"], make_step(tmp_path))


def test_large_output_is_cut_with_a_warning(tmp_path):
    log = Log()
    with Blocks(Limits(output_bytes=1000, log_bytes=100)) as service:
        program = service.run_program(["sh", "-c", "yes | head -c 100000"], make_step(tmp_path, log=log))
    assert len(program.stdout) == 1000
    assert sum(len(message) for level, message in log.lines if level == "info") <= 200
    assert [level for level, _ in log.lines if level == "warning"] == ["warning", "warning"]


def test_a_forked_worker_gets_a_host_process_of_its_own(tmp_path, blocks):
    blocks.run_program(["true"], make_step(tmp_path))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = blocks.run_program(["true"], make_step(tmp_path)).returncode
            blocks.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert blocks.run_program(["true"], make_step(tmp_path)).returncode == 0
