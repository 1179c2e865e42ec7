"""The installer's overlays as kubectl renders them, once for all tests of a process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

PLATFORM = Path(__file__).parents[4] / "knative" / "platform"
OVERLAYS = ("overlays/development", "overlays/production", "overlays/kafka")
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

Manifest = dict[str, Any]


@cache
def render(overlay: str) -> tuple[Manifest, ...]:
    """What `kubectl apply -k` would apply."""
    return build(PLATFORM / overlay)


def render_with(component: str, folder: Path, overlay: str = "production") -> tuple[Manifest, ...]:
    """An overlay and one component more, joined in an empty folder."""
    way = os.path.relpath(PLATFORM, folder)
    told = {"resources": [f"{way}/overlays/{overlay}"], "components": [f"{way}/components/{component}"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**told, "namespace": "intellyhub"}))
    return build(folder)


def build(folder: Path) -> tuple[Manifest, ...]:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # a warning is a fault
    return tuple(yaml.safe_load_all(done.stdout))


def find(manifests: tuple[Manifest, ...], kind: str, name: str, group: str = "") -> Manifest:
    """The one object of that kind and name."""
    [found] = [
        one
        for one in manifests
        if one["kind"] == kind and one["metadata"]["name"] == name and (not group or group in one["apiVersion"])
    ]
    return found


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] in kinds]


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Mapping[str, str], Manifest]]:
    """Name, labels and pod of everything that makes pods."""
    for one in manifests:
        template = one.get("spec", {}).get("template", {})
        if "containers" in template.get("spec", {}):
            yield one["metadata"]["name"], template["metadata"]["labels"], template["spec"]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    for one in selector.get("matchExpressions", ()):
        assert one["operator"] == "In"
        if labels.get(one["key"]) not in one["values"]:
            return False
    return True
