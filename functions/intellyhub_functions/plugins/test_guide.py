"""The examples of docs/plugins.md run."""

# mypy: allow-untyped-defs, allow-untyped-calls

import re
import subprocess
import sys
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.catalogue.installed import installed_beside
from intellyhub_engine.cli.check import check_file
from intellyhub_engine.cli.test import run_tests
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.run import start
from intellyhub_functions.testing.surroundings import Listening, make_context

GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"


@pytest.fixture
def guide(tmp_path):
    """The files of the guide, each under the name in its first line."""
    for name, text in re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_flow_is_sound_its_tests_pass_and_it_runs(guide):
    flow = guide / "flow.yaml"
    assert not check_file(str(flow)).problems
    assert [outcome.differences for outcome in run_tests(str(flow), installed_beside(flow), "")] == [()]
    catalogue = installed_beside(flow)
    model, _ = load_flow(flow.read_bytes(), catalogue)
    with Blocks() as blocks:
        host = Host(now_ns=lambda: 0, catalogue=catalogue, workspace=guide / "work", services={"blocks": blocks})
        result = start(compile_flow(model, catalogue), host)
    assert (result.error, result.output) == (None, "Ada Ada")
    assert (guide / "work" / "memory.txt").read_text() == "Ada Ada\n"


@pytest.mark.slow
def test_the_tests_of_the_guide_pass(guide):
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_greetings.py"],
        cwd=guide,
        env={
            "PYTHONPATH": f"plugins:{':'.join(filter(None, sys.path))}",
            "PATH": "/usr/bin:/bin",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
    )
    assert "2 passed" in answer.stdout, answer.stdout + answer.stderr


def test_the_source_counts(guide):
    load = installed_beside(guide / "flow.yaml").sources["counting"].load
    assert load is not None
    context = make_context(guide / "work")
    with Listening(load()({"seconds": 0.01}, context), context) as heard:
        assert [heard.next().id, heard.next().id] == ["1", "2"]
