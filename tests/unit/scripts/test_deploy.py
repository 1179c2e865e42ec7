"""`scripts/deploy.py`: what it applies, and in which order."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from scripts.deploy import (
    IMAGE,
    OVERLAYS,
    PUSH,
    NotWritten,
    find_overlay,
    main,
    make_commands,
    read_arguments,
    split,
    write_kustomization,
)
from tests.unit.knative.installer.rendered import build, find, needs_kubectl, of_kind


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("flows", {"newName": "flows", "newTag": "latest"}),
        ("flows:1", {"newName": "flows", "newTag": "1"}),
        ("host:5000/a/flows", {"newName": "host:5000/a/flows", "newTag": "latest"}),
        ("host:5000/a/flows:2", {"newName": "host:5000/a/flows", "newTag": "2"}),
        ("host/flows@sha256:abc", {"newName": "host/flows", "digest": "sha256:abc"}),
    ],
)
def test_an_image_is_named_as_kustomize_wants_it(image, parts):
    assert split(image) == parts


def asked(*arguments):
    return read_arguments(arguments)


@needs_kubectl
def test_the_image_that_is_given_runs_everywhere(tmp_path):
    write_kustomization(tmp_path, OVERLAYS / "development", asked("--image", "dev.local/platform:7"))
    manifests = build(tmp_path)
    for kind, name, group in (("Deployment", "api", ""), ("Job", "migrate", ""), ("Service", "poller", "serving")):
        [container] = find(manifests, kind, name, group)["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "dev.local/platform:7"


@needs_kubectl
def test_an_overlay_that_names_its_own_image_says_so(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    told = {
        "resources": [os.path.relpath(OVERLAYS / "production", mine)],
        "images": [{"name": IMAGE, "newName": "own"}],
    }
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(NotWritten, match="leave --image out"):
        write_kustomization(tmp_path, mine, asked("--image", "other:1"))
    write_kustomization(tmp_path, mine, asked())


@needs_kubectl
def test_engine_and_registry_that_are_given_reach_every_process(tmp_path):
    given = asked("--engine", "r.example/engine:2", "--registry", "r.example/flows")
    settings = write_kustomization(tmp_path, OVERLAYS / "development", given)
    assert settings == {"INTELLYHUB_ENGINE_IMAGE": "r.example/engine:2", "INTELLYHUB_REGISTRY": "r.example/flows"}
    manifests = build(tmp_path)
    names = {one["metadata"]["name"]: one["data"] for one in of_kind(manifests, "ConfigMap")}
    for name, group in (("api", "apps"), ("builder", "apps"), ("poller", "serving")):
        kind = "Service" if group == "serving" else "Deployment"
        [container] = find(manifests, kind, name, group)["spec"]["template"]["spec"]["containers"]
        data = names[container["envFrom"][0]["configMapRef"]["name"]]
        assert settings.items() <= data.items()
    assert not any("push_engine" in " ".join(each) for each in make_commands("x", None, "r.example/engine:2", settings))


@needs_kubectl
def test_an_engine_for_the_clusters_own_registry_is_pushed_and_keeps_its_name_there(tmp_path):
    settings = write_kustomization(tmp_path, OVERLAYS / "development", asked("--engine", "oci:engine"))
    assert settings["INTELLYHUB_ENGINE_IMAGE"].startswith("localhost:30500/intellyhub-engine:")
    *_, last = make_commands("x", "kind-trial", "oci:engine", settings)
    assert last[1:] == [
        *(str(PUSH), "--to", settings["INTELLYHUB_ENGINE_IMAGE"], "--image", "oci:engine"),
        *("--context", "kind-trial"),
    ]


@needs_kubectl
def test_a_folder_that_kubectl_cannot_read_is_told_in_its_words(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/kustomization.yaml").write_text("resources: [nothing.yaml]")
    with pytest.raises(NotWritten, match=r"nothing\.yaml"):
        write_kustomization(tmp_path, tmp_path / "bad", asked())


def test_the_jobs_of_the_version_before_go_first():
    commands = make_commands("/tmp/x", "kind-trial", None, {})
    assert commands[0][3:] == [
        *("--namespace", "intellyhub", "delete", "job", "secrets", "migrate", "--ignore-not-found", "--wait"),
    ]
    assert commands[1] == ["kubectl", "--context", "kind-trial", "apply", "-k", "/tmp/x"]


def test_a_folder_of_ones_own_is_an_overlay(tmp_path):
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": []}))
    assert find_overlay(str(tmp_path)) == tmp_path
    assert find_overlay("production") == OVERLAYS / "production"
    assert find_overlay("nowhere") is None


def test_an_overlay_that_is_not_there_is_answered_with_those_that_are(capsys):
    assert main(["--overlay", "prodution"]) == 1
    assert "development, kafka, production" in capsys.readouterr().err


def test_a_machine_without_kubectl_is_told_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([]) == 1
    assert "kubectl is not installed" in capsys.readouterr().err


def test_the_first_failure_ends_it(monkeypatch, capsys):
    ran = []

    def fail(command, **_):
        ran.append(command[1])
        return subprocess.CompletedProcess(command, 0 if command[1] == "kustomize" else 3, stdout="", stderr="")

    monkeypatch.setattr("scripts.deploy.shutil.which", lambda _: "/bin/kubectl")
    monkeypatch.setattr("scripts.deploy.subprocess.run", fail)
    assert main([]) == 3
    assert [each for each in ran if each != "kustomize"] == ["--namespace"]
    assert "stands" not in capsys.readouterr().out
