"""The guides say what the files say."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import yaml

from intellyhub_engine.cli.main import main
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.tenant import make_tenant_objects, pods_of
from tests.unit.knative.installer.rendered import PLATFORM, build, find, needs_kubectl, of_kind, pods, render
from tests.unit.knative.manifests.records import SETTINGS, make_deployment, make_tenant

DOCS = Path(__file__).parents[4] / "docs"
INSTALL, OPERATIONS = (DOCS / "install.md").read_text(), (DOCS / "operations.md").read_text()


def test_every_setting_of_tenants_is_documented_and_no_other():
    rows = re.findall(r"^\| `(INTELLYHUB_\w+)` \|", OPERATIONS, re.MULTILINE)
    assert rows == [part.metadata["variable"] for part in fields(ClusterSettings)]


def test_the_documented_defaults_are_the_defaults():
    for part in fields(ClusterSettings):
        [written] = re.findall(rf"^\| `{part.metadata['variable']}` \| (.*?) \|", OPERATIONS, re.MULTILINE)
        if written.startswith("`"):
            read = part.metadata["read"](written.strip("`"))
            assert read == getattr(SETTINGS, part.name), part.metadata["variable"]


def test_the_arithmetic_of_the_quota_is_that_of_the_builders():
    tenant = make_tenant(max_pods=20)
    [quota] = [one for one in make_tenant_objects(tenant, SETTINGS) if one["kind"] == "ResourceQuota"]
    assert pods_of(tenant, SETTINGS) == 60
    assert quota["spec"]["hard"]["requests.cpu"] == "6000m"
    assert "2 x 20 + 20 = 60 pods, 6 CPU and 15 GiB of requests, 120 CPU and 60 GiB of limits" in OPERATIONS
    container, sidecar = make_deployment().container, SETTINGS.sidecar_requests
    assert f"| worker | {container.requests.cpu}, {container.requests.memory[:-2]} MiB |" in OPERATIONS
    assert f"| queue-proxy | {sidecar.cpu}, {sidecar.memory[:-2]} MiB |" in OPERATIONS


def test_every_object_of_a_tenant_is_in_the_table():
    for one in make_tenant_objects(make_tenant(), SETTINGS):
        name = one["metadata"]["name"]
        assert one["kind"] in OPERATIONS
        assert one["kind"] == "Namespace" or f"`{name}`" in OPERATIONS


@needs_kubectl
def test_the_overlay_of_the_guide_renders(tmp_path):
    [text] = re.findall(r"kustomization.yaml <<'END'\n(   api.*?)\n   END", INSTALL, re.DOTALL)
    told = yaml.safe_load("\n".join(line.removeprefix("   ") for line in text.splitlines()))
    told["resources"] = [os.path.relpath(PLATFORM / "overlays" / "production", tmp_path)]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(told))
    manifests = build(tmp_path)
    [ingress] = of_kind(manifests, "Ingress")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["flows.mycompany.org"]
    [container] = find(manifests, "Deployment", "api")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.org/intellyhub/control-plane:0.1"


@needs_kubectl
def test_every_image_of_the_development_overlay_is_in_the_guide():
    manifests = render("overlays/development")
    named = {container["image"] for _, _, pod in pods(manifests) for container in pod["containers"]}
    [data] = [one["data"] for one in of_kind(manifests, "ConfigMap") if "INTELLYHUB_REGISTRY" in one["data"]]
    rows = set(re.findall(r"^\| `([^`]+:[^`]+)` \|", INSTALL, re.MULTILINE))
    assert rows == {*named, data["INTELLYHUB_ENGINE_IMAGE"]}


def test_the_first_flow_of_the_guide_is_one_without_faults(tmp_path, capsys):
    [text] = re.findall(r"hello.yaml <<'END'\n(.*?)\nEND", INSTALL, re.DOTALL)
    (tmp_path / "hello.yaml").write_text(text)
    assert main(["check", "--strict", str(tmp_path / "hello.yaml")]) == 0, capsys.readouterr()


@needs_kubectl
def test_the_guides_overlay_with_volumes_renders(tmp_path):
    [text] = re.findall(r"kustomization.yaml <<'END'\n(api.*?)\nEND", INSTALL, re.DOTALL)
    mine = tmp_path / "overlays" / "mine"
    mine.mkdir(parents=True)
    told = yaml.safe_load(text)
    for kind in ("resources", "components"):
        told[kind] = [os.path.relpath((PLATFORM / "overlays/mine" / way).resolve(), mine) for way in told[kind]]
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(told))
    assert of_kind(build(mine), "PersistentVolumeClaim")


def test_every_file_that_is_named_is_there():
    for path in re.findall(r"knative/platform/[\w./-]+", INSTALL):
        assert (DOCS.parent / path).exists() or "/mine" in path, path
