"""`scripts/cluster-up`, with tools that write down what they are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.cluster_up import main, make_hosts, make_kind_config, make_steps, trust_command
from tests.unit.knative.installer.rendered import find, needs_kubectl, render

ROOT = Path(__file__).resolve().parents[3]
TOOL = """#!{python}
import json, os, sys
name = os.path.basename(sys.argv[0])
told = "" if sys.stdin.isatty() or "-" not in sys.argv and "-i" not in sys.argv else sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
if sys.argv[1:3] == ["get", "clusters"]:
    print({clusters!r})
if {fails!r} and {fails!r} in " ".join(sys.argv):
    sys.exit(7)
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with these tools; gives what they were told."""
    log = tmp_path / "log"
    log.touch()

    def install(*names, clusters="", fails=""):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name in names:
            text = TOOL.format(python=sys.executable, log=str(log), clusters=clusters, fails=fails)
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return lambda: [json.loads(line) for line in log.read_text().splitlines()]

    return install


def test_a_machine_without_the_tools_is_told_all_that_is_missing(machine, capsys):
    machine()
    assert main([]) == 1
    told = capsys.readouterr().err
    assert "kind is not installed: see https://" in told
    assert "kubectl is not installed: see https://" in told
    assert "no container engine is installed" in told


def test_an_engine_that_does_not_answer_is_named(machine, capsys):
    machine("docker", "kind", "kubectl", fails="info")
    assert main([]) == 1
    assert "docker is installed but does not answer" in capsys.readouterr().err


def test_a_cluster_is_made_and_gets_what_it_needs_in_order(machine, capsys):
    told = machine("docker", "kind", "kubectl")
    assert main(["--name", "trial"]) == 0
    commands = [" ".join(each) for each in told()]
    assert commands[2].startswith("kind create cluster --name trial --image kindest/node:v")
    order = [
        "serving-crds",
        "crd --all",
        "serving-core",
        "kourier.yaml",
        "config-network",
        "eventing-crds",
        "eventing-core",
    ]
    places = [next(place for place, each in enumerate(commands) if word in each) for word in order]
    assert places == sorted(places)
    assert all("--context kind-trial" in each for each in commands if each.startswith("kubectl"))
    assert "make deploy" in capsys.readouterr().out


def test_a_cluster_that_is_there_is_kept(machine):
    told = machine("docker", "kind", "kubectl", clusters="intellyhub")
    assert main([]) == 0
    assert not any(each[:2] == ["kind", "create"] for each in told())
    assert any("serving-core.yaml" in " ".join(each) for each in told())


def test_the_first_failure_ends_it_and_says_that_it_can_go_on(machine, capsys):
    told = machine("docker", "kind", "kubectl", fails="serving-core.yaml")
    assert main([]) == 7
    assert "serving-core.yaml" in " ".join(told()[-1])
    assert "run it again" in capsys.readouterr().err


def test_a_dry_run_needs_nothing_and_runs_nothing(machine, capsys):
    machine()
    assert main(["--dry-run"]) == 0
    assert "kind create cluster" in capsys.readouterr().out


def test_what_the_cluster_is_told_is_well_formed():
    config = yaml.safe_load(make_kind_config())
    assert config["kind"] == "Cluster"
    assert config["nodes"][0]["extraPortMappings"][0]["listenAddress"] == "127.0.0.1"


@needs_kubectl
def test_the_node_and_this_machine_find_the_registry_of_the_development_overlay():
    [port] = find(render("overlays/development"), "Service", "registry")["spec"]["ports"]
    mapped = yaml.safe_load(make_kind_config())["nodes"][0]["extraPortMappings"][0]
    assert (mapped["containerPort"], mapped["hostPort"]) == (port["nodePort"], port["nodePort"])
    assert f"http://127.0.0.1:{port['nodePort']}" in make_hosts()
    assert f"certs.d/localhost:{port['nodePort']}/hosts.toml" in trust_command("docker", "x")[-1]


def test_every_version_is_pinned():
    for step in make_steps("x", "docker", exists=False):
        for word in step.command:
            if word.startswith("https://"):
                assert "/latest" not in word
                assert "/download/knative-v1." in word


def test_it_runs_as_a_command_of_its_own():
    done = subprocess.run([ROOT / "scripts" / "cluster-up", "--dry-run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert os.access(ROOT / "scripts" / "cluster-up", os.X_OK)
