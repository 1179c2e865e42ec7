"""A forked host of blocks does what a started one does, and knows nothing that its parent learns later."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys, threading, time
from pathlib import Path
os.environ["TOKEN_OF_OURS"] = "t0ken"
from intellyhub_engine.blocks import child
child.import_early()
from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.blocks.forking import fork_host
from intellyhub_engine.machine.step import Step
opened = os.open("/dev/null", os.O_RDONLY)
blocks = Blocks(host=fork_host())
said = []
class FakeStep:
    workspace = Path(sys.argv[1])
    timeout_seconds = 20.0
    cancelled = threading.Event()
    services = {}
    def log(self, level, message): said.append(message)
began = time.monotonic()
ended = blocks.run_program(["/bin/sh", "-c", "echo here; env; ls /proc/self/fd"], FakeStep())
print(ended.stdout)
assert "t0ken" not in ended.stdout
assert "here" in ended.stdout
blocks._process.kill()
blocks._process.wait(10)
ended = blocks.run_program(["/bin/sh", "-c", "echo again"], FakeStep())
assert ended.stdout == "again\\n", ended
blocks.close()
print("fine")
"""


def test_it_runs_programs_hides_the_environment_and_is_replaced_when_it_dies(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().endswith("fine\n")
