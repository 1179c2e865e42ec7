"""The command state: Python, scripts and the choice of its kind."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.errors import PermanentError, StepTimedOut
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.python_blocks import compile_block
from intellyhub_engine.language.texts.shell import compile_shell
from intellyhub_functions.states.command.command import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import Log, make_step


@pytest.fixture(scope="module")
def blocks():
    with Blocks() as service:
        yield service


def evaluate(source, step):
    return perform({"eval": link(compile_block(source))(step.scope)}, step)


def run_shell(script, step, **parameters):
    return perform({"shell": link(compile_shell(script))(step.scope), **parameters}, step)


@pytest.fixture
def make(tmp_path, blocks):
    def make(names=None, **parts):
        return make_step(tmp_path, names, services={"blocks": blocks}, log=Log(), **parts)

    return make


def test_a_block_gives_its_last_expression_and_assigns_variables(make):
    outcome = evaluate("total = price * quantity\ntotal + 1", make({"price": 2, "quantity": 3}))
    assert (outcome.value, outcome.changes) == (7, {"total": 6})


def test_a_shells_output_is_its_text_and_goes_to_the_log(make):
    step = make({"name": "Ada"})
    result = run_shell("echo one; echo two >&2; echo {name}", step).value
    assert (str(result), result.stdout, result.stderr, result.returncode) == ("one\nAda", "one\nAda", "two", 0)
    assert sorted(step.log.lines) == [("info", "Ada"), ("info", "one"), ("info", "two")]


def test_scalars_are_environment_variables_of_the_shell(make):
    step = make({"file_path": "a b.txt", "count": 3, "items": [1]}, outer={"API_KEY": "s3"})
    assert (
        str(run_shell('echo "$file_path|$count|$items|$API_KEY|$EXTRA"', step, env={"EXTRA": 1}).value)
        == "a b.txt|3||s3|1"
    )


def test_event_data_cannot_become_shell_code(make):
    step = make({"text": "'; touch hacked; echo \"$(touch hacked)`touch hacked`"})
    for script in ("echo {text}", "echo '{text}'", 'echo "{text}"'):
        assert str(run_shell(script, step).value) == step.scope["text"]
    assert not (step.workspace / "hacked").exists()


def test_a_failed_script_is_a_soft_failure_that_says_why(make):
    outcome = run_shell("echo partial; echo broken pipe >&2; exit 3", make())
    assert outcome.fault == "the command ended with exit code 3: broken pipe"
    assert (outcome.value.returncode, str(outcome.value), outcome.value.success) == (3, "partial", False)


def test_a_script_that_a_signal_ended_says_so(make):
    assert run_shell("kill -9 $$", make()).fault == "the command ended with signal 9"


def test_a_script_runs_in_the_workspace_with_a_clean_environment(make, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3")
    step = make()
    lines = str(run_shell("pwd; echo $HOME; env", step).value).splitlines()
    assert lines[:2] == [str(step.workspace)] * 2
    assert "s3" not in "\n".join(lines)


def test_a_script_that_takes_too_long_is_killed_with_all_it_started(make):
    step = make(timeout_seconds=0.2)
    with pytest.raises(StepTimedOut, match=r"not done after 0\.2 s"):
        run_shell("(sleep 1; touch late) & sleep 30", step)


def test_bash_is_there_where_asked_for(make):
    assert str(run_shell("a=(x y); echo ${a[1]}", make(), interpreter="bash").value) == "y"


def test_http_is_the_http_state(make):
    class Service(LocalServer):
        def answer(self, call):
            return Answer.of_json({"ok": call.method})

    with Service() as server:
        assert perform({"http": {"url": server.url, "method": "PUT"}}, make()).json["ok"] == "PUT"
        assert perform({"http": server.url}, make()).json["ok"] == "GET"


@pytest.mark.parametrize(
    ("parameters", "named"), [({}, "none is given"), ({"shell": "x", "http": {}}, "shell and http")]
)
def test_a_command_is_exactly_one_thing(make, parameters, named):
    with pytest.raises(PermanentError, match=named):
        perform(parameters, make())


def test_the_example_counts_words(tmp_path):
    with Blocks() as blocks:
        run_example(Path(__file__).parent, tmp_path, services={"blocks": blocks})
    assert (tmp_path / "words.txt").read_text() == "one two\nthree"
