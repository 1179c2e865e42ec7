"""The commands that do not run flows for good: check, test, schema, graph, completion, and those of others."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from tests.integration.cli.calls import COMMAND, COUNT, call, call_json


def test_check_counts_over_all_files(folder):
    (folder / "bad.yaml").write_text("states:\n  a: {state_type: sett}\n")
    answer = call_json("check", "count.yaml", "bad.yaml", "gone.yaml", code=2)
    assert (answer["ok"], answer["errors"]) == (False, 2)
    codes = {problem["file"]: problem["code"] for problem in answer["problems"]}
    assert codes == {"bad.yaml": "unknown-state-type", "gone.yaml": "unreadable-file"}


def test_warnings_count_only_when_strict(folder):
    (folder / "w.yaml").write_text("colour: red\nstates:\n  a: {state_type: end}\n")
    assert "warning" in call("check", "w.yaml").stdout
    call("check", "w.yaml", "--strict", code=2)


def test_flow_tests_pass_and_fail_with_their_differences(folder):
    (folder / "count.test.yaml").write_text(
        "- name: counts to one\n  variables: {limit: 1}\n  expect: {path: [more, add, more, done], variables: {n: 1}}\n"
        "- name: is wrong\n  expect: {variables: {n: 4}}\n"
    )
    done = call("test", "count.yaml", code=1)
    assert "passed  count.test.yaml:1  counts to one" in done.stdout
    assert "FAILED  count.test.yaml:4  is wrong" in done.stdout
    assert "'n' is 3, expected 4" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 failed, 1 passed"
    call("test", "count.yaml", "-k", "one")
    assert "no such test" in call("test", "count.yaml", "-k", "nothing is called so").stderr
    assert call_json("test", "count.yaml", code=1)["tests"][1]["passed"] is False


def test_a_broken_file_of_tests_is_refused_with_its_place(folder):
    (folder / "count.test.yaml").write_text("- name: x\n  expects: {}\n")
    assert "count.test.yaml:2:" in call("test", "count.yaml", code=2).stderr


def test_the_schema_is_json_schema_and_accepts_a_flow(folder):
    import jsonschema
    import yaml

    call("schema", "-o", "s.json")
    schema = json.loads((folder / "s.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(COUNT), schema)


def test_a_flow_is_drawn_as_mermaid_and_as_svg(folder):
    assert call("graph", "count.yaml").stdout.startswith("flowchart TD\n")
    call("graph", "count.yaml", "-o", "g.svg")
    assert ElementTree.parse(folder / "g.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(folder, shell):
    assert "_INTELLYHUB_COMPLETE" in call("completion", shell).stdout


def test_a_tab_is_answered_without_a_word_on_the_side(folder):
    asked = {"_INTELLYHUB_COMPLETE": "bash_complete", "COMP_WORDS": "intellyhub run --max-s", "COMP_CWORD": "2"}
    done = call(env={**os.environ, **asked})
    assert (done.stdout, done.stderr) == ("plain,--max-steps\n", "")


def test_a_picture_that_cannot_be_written_is_told_with_place_and_remedy(folder):
    done = call("graph", "count.yaml", "-o", "nowhere/x.svg", code=73)
    assert "nowhere/x.svg" in done.stderr
    assert "folder that exists" in done.stderr


def test_commands_complete_without_being_imported(folder):
    environment = {
        **os.environ,
        "_INTELLYHUB_COMPLETE": "bash_complete",
        "COMP_WORDS": "intellyhub re",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["plain,resume", "plain,replay", "plain,repositories"]


def test_every_command_explains_itself_with_examples(folder):
    listed = re.findall(r"^  ([a-z]+)  +\S", call("--help").stdout.partition("Commands:")[2], re.MULTILINE)
    assert len(listed) == 28
    for name in listed:
        assert re.search(r"Examples?:\n +intellyhub|source <\(intellyhub", call(name, "--help").stdout), name


def test_other_distributions_add_commands(folder):
    info = folder / "lib" / "thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[intellyhub.commands]\nhello = thing:hello\nrun = thing:hello\n")
    (folder / "lib" / "thing.py").write_text(
        "import click\n\n@click.command()\ndef hello():\n    click.echo('hello from thing')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder / "lib")}
    assert call("hello", env=environment).stdout == "hello from thing\n"
    assert re.search(r"^  hello +From thing\.$", call("--help", env=environment).stdout, re.MULTILINE)
    assert "n is 1" in call("run", "count.yaml", env=environment).stdout, "no distribution can replace ours"


@pytest.mark.parametrize("arguments", [["--help"], ["check", "count.yaml"]])
def test_only_what_a_command_needs_is_imported(folder, arguments):
    code = (
        "import sys; from intellyhub_engine.cli.main import main; main(sys.argv[1:]); sys.exit(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=20)
    dear = {"rich", "jinja2", "jsonschema", "urllib3", "requests", "asyncio", "sqlite3", "intellyhub_engine.cli.run"}
    assert dear.isdisjoint(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "count.yaml"]])
def test_the_command_starts_quickly(folder, arguments):
    """The budget is 150 ms on a quiet machine; others are at work here, so the best processor time counts."""
    times = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        call(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.25
