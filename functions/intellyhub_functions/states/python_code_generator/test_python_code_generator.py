"""The `python_code_generator` state, with a model that makes mistakes."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.states.python_code_generator.python_code_generator import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.surroundings import make_step

STEPS = [{"title": "Write f", "description": "adds", "components": ["f"], "dependencies": []}]
PLAN = Turn(text=json.dumps({"steps": STEPS}))
CODE = Turn(text="Here:\n```python\ndef f(a, b):\n    return a + b\n```\nDone.")
TESTS = Turn(text="```python\nfrom main import f\n\ndef test_f():\n    assert f(1, 2) == 3\n```")
BROKEN = Turn(text="```python\ndef f(:\n```")


@pytest.fixture
def server():
    with ModelServer() as made:
        yield made


def write(server, tmp_path, *turns, **parameters):
    server.turns = list(turns)
    settings = {"base_url": server.base_url, "api_key": "sk-test", "user_prompt": "Add two numbers"}
    return perform({**settings, **parameters}, make_step(tmp_path))


def test_a_program_is_planned_written_and_tested(server, tmp_path):
    outcome = write(server, tmp_path, PLAN, CODE, TESTS, code_output="the_code", complexity_level="expert")
    result = outcome.value
    assert result.generated_code == outcome.changes["the_code"] == "def f(a, b):\n    return a + b\n"
    assert "def test_f" in outcome.changes["generated_tests"]
    assert result.execution_plan == outcome.changes["execution_plan"] == STEPS
    assert (result.steps_executed, result.steps_remaining, result.plan_revisions) == (3, 17, 0)
    assert [step.type for step in result.performance_metrics.step_times] == ["planning", "generation", "tests"]
    assert result.usage.total_tokens > 0
    assert "expert" in server.questions[0]["messages"][0]["content"]
    assert "1. Write f: adds" in server.questions[1]["messages"][1]["content"]


def test_only_a_plan_or_no_plan(server, tmp_path):
    planned = write(server, tmp_path, PLAN, execution_mode="plan_only", plan_output="plan")
    assert list(planned.changes) == ["plan"]
    written = write(server, tmp_path, CODE, execution_mode="generate_only", include_tests=False)
    assert list(written.changes) == ["generated_code"]


def test_code_that_does_not_parse_is_mended(server, tmp_path):
    result = write(server, tmp_path, PLAN, BROKEN, CODE, TESTS).value
    assert (result.plan_revisions, result.success) == (1, True)
    assert "It is not Python: invalid syntax (line 1)" in server.questions[2]["messages"][-1]["content"]


def test_a_plan_out_of_shape_is_asked_for_again(server, tmp_path):
    result = write(server, tmp_path, Turn(text="First, f"), PLAN, CODE, TESTS).value
    assert result.execution_plan == STEPS


def test_what_was_cut_off_is_gone_on_with(server, tmp_path):
    first, second = Turn(text="```python\ndef f(a, b):\n", finish="length"), Turn(text="    return a + b\n```")
    result = write(server, tmp_path, PLAN, first, second, TESTS).value
    assert result.generated_code == "def f(a, b):\n    return a + b\n"
    assert result.steps_executed == 4


def test_a_failure_leaves_what_there_is(server, tmp_path):
    with pytest.raises(PermanentError, match="the model's code is not Python") as failed:
        write(server, tmp_path, PLAN, CODE, BROKEN, BROKEN, BROKEN, workspace_enabled=True)
    left: Any = failed.value.result
    assert (left["success"], left["partial_code"][:5], left["steps_executed"]) == (False, "def f", 5)
    assert (tmp_path / "generated_projects" / "project" / "main.py").exists()


def test_the_steps_are_counted(server, tmp_path):
    cut = Turn(text="x", finish="length")
    with pytest.raises(PermanentError, match="not finished after 5 steps"):
        write(server, tmp_path, PLAN, *[cut] * 9, max_steps=5)
    assert len(server.calls) == 5


def test_a_project_is_written_under_the_workspace(server, tmp_path):
    place = {"workspace_root": "made", "project_name": "My ../program", "project_subfolder": "src"}
    result = write(server, tmp_path, PLAN, CODE, TESTS, workspace_enabled=True, timestamp_folders=True, **place).value
    folder = tmp_path / result.workspace_path
    assert sorted(path.name for path in folder.iterdir()) == ["main.py", "plan.json", "test_main.py"]
    assert result.workspace_path.startswith("made/My_.._program_")
    with pytest.raises(PermanentError, match="is outside the workspace"):
        write(server, tmp_path, workspace_enabled=True, workspace_root="../elsewhere")


def test_a_generator_that_is_told_nothing_says_so(server, tmp_path):
    with pytest.raises(PermanentError, match="there is no program to write"):
        write(server, tmp_path, user_prompt="")


def test_the_example_runs(server, tmp_path):
    server.turns = [PLAN, CODE, TESTS]
    names = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-test"}
    result = run_example(Path(__file__).parent, tmp_path, names=names)
    assert "def test_f" in result.variables["tests"]
