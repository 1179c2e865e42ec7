"""`intellyhub build` on a machine without a platform, as a person or a pipeline calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from intellyhub_functions.testing.git_server import Repository
from intellyhub_knative.images.destination import parse, push
from tests.unit.knative.images.house import an_engine

FLOW = "name: hello\nstates:\n  a: {state_type: set, values: {x: 1}, transition: end}\n"
TESTED = FLOW + "tests:\n  - {name: sets, expect: {variables: {x: 2}}}\n"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Calls it; what it answers."""
    push(an_engine(), parse(f"oci:{tmp_path}/engine:engine"))

    def call(*arguments, cwd=tmp_path, **environment):
        return subprocess.run(
            [Path(sys.executable).parent / "intellyhub", "build", *map(str, arguments)],
            cwd=cwd,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                "INTELLYHUB_ENGINE_IMAGE": f"oci:{tmp_path}/engine:engine",
                **environment,
            },
            capture_output=True,
            text=True,
        )

    return call


def test_a_flow_becomes_an_image_whose_digest_is_told(build, tmp_path):
    (tmp_path / "flow.yaml").write_text(FLOW)
    done = build("flow.yaml", "--to", "oci:images", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["image"] == f"oci:images@{answer['digest']}"
    assert [each["stage"] for each in answer["stages"]] == ["check", "test", "plugins", "image", "push"]
    plain = build("flow.yaml", "--to", "oci:images")
    assert plain.stdout.split("\t")[:2] == ["hello", answer["image"]]


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        (FLOW.replace("set", "sett"), (), 2, "no state type is called 'sett'"),
        (TESTED, (), 1, "1 of 1 tests failed"),
        (FLOW, ("--to", "127.0.0.1:1/x/{flow}"), 69, "127.0.0.1:1 cannot be reached"),
        (FLOW, ("--to", "Not A Name"), 1, "no repository"),
        (FLOW, ("--engine", "oci:nowhere"), 2, "nowhere"),
    ],
)
def test_exit_codes_tell_whose_fault_it_is(build, tmp_path, text, arguments, code, said):
    (tmp_path / "flow.yaml").write_text(text)
    done = build("flow.yaml", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_without_an_engine_it_says_which_is_missing(build, tmp_path):
    (tmp_path / "flow.yaml").write_text(FLOW)
    done = build("flow.yaml", INTELLYHUB_ENGINE_IMAGE="")
    assert done.returncode == 2
    assert "--engine" in done.stderr


def test_just_the_flows_that_a_commit_changed_are_built(build, tmp_path):
    repository = Repository(tmp_path / "work")
    caller = "name: caller\nstates:\n  a: {state_type: call, flow: hello, transition: end}\n"
    commit = repository.commit({"flows/hello.yaml": FLOW, "flows/caller.yaml": caller, "flows/other.yaml": FLOW})
    repository.commit({"flows/hello.yaml": FLOW.replace("x: 1", "x: 2"), "flows/new file.yaml": FLOW})
    listed = build("flows", "--changed-since", commit, "--list", cwd=repository.folder)
    assert listed.stdout.splitlines() == ["flows/caller.yaml", "flows/hello.yaml", "flows/new file.yaml"]
    unknown = build("flows", "--changed-since", "nowhere", cwd=repository.folder)
    assert unknown.returncode == 2
    assert "shallow clone" in unknown.stderr
    option = build("flows", "--changed-since", "--output=stolen", cwd=repository.folder)
    assert option.returncode == 2
    assert not (repository.folder / "stolen").exists()


def test_a_plugin_that_is_wanted_and_neither_there_nor_pinned_is_a_fault(build, tmp_path):
    (tmp_path / "flow.yaml").write_text(FLOW)
    (tmp_path / "plugins.yaml").write_text("dependencies: [shout]\n")
    done = build("flow.yaml")
    assert done.returncode == 2
    assert "intellyhub plugins freeze" in done.stderr
