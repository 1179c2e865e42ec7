"""Programs that run apart: closed in, and what becomes of those that end badly."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
import subprocess
import sys

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.walls.landlock import find_version
from intellyhub_functions.speech import apart
from intellyhub_functions.testing.surroundings import make_step

PROBE = """
import sys
from pathlib import Path
from intellyhub_functions.speech.programs.request import Failed, answer

def work(folder, request):
    (folder / "answer.txt").write_text(Path(request["allowed"]).read_text())
    for attempt in (lambda: Path(request["secret"]).read_text(), lambda: Path(request["secret"]).write_text("x")):
        try:
            attempt()
        except PermissionError:
            continue
        raise Failed("the walls have a hole")

sys.exit(answer(work))
"""


@pytest.mark.skipif(not find_version(), reason="the kernel has no Landlock")
def test_a_program_reads_and_writes_nothing_but_what_it_was_given(tmp_path):
    scratch, allowed, secret = tmp_path / "scratch", tmp_path / "allowed.txt", tmp_path / "secret.txt"
    scratch.mkdir()
    allowed.write_text("model")
    secret.write_text("key")
    request = {"allowed": str(allowed), "secret": str(secret), "readable": [str(allowed)]}
    (scratch / "request.json").write_text(json.dumps(request))
    done = subprocess.run([sys.executable, "-c", PROBE, scratch], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ((scratch / "answer.txt").read_text(), secret.read_text()) == ("model", "key")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("import os; os.kill(os.getpid(), 11)", "the engine was ended by SIGSEGV$"),
        ("import os; os.kill(os.getpid(), 24)", "ended by SIGXCPU: it took more processor time"),
        ("import sys; sys.exit('it is\\n  broken')", "the engine: broken$"),
        ("import sys; sys.exit(3)", "the engine: exit code 3$"),
    ],
)
def test_a_program_that_ends_badly_fails_its_step_in_a_sentence(tmp_path, monkeypatch, start, message):
    monkeypatch.setattr(apart, "START", start)
    with apart.scratch_folder() as folder, pytest.raises(PermanentError, match=message):
        apart.run_apart("none", {}, folder, make_step(tmp_path), name="the engine")
    assert not folder.exists()
