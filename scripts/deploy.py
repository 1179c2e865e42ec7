"""Installs the platform on a cluster, or brings it to this version: `kubectl apply -k`, with the images that are given.

    .venv/bin/python scripts/deploy.py [--overlay NAME|DIR] [--image IMAGE] [--engine IMAGE] [--registry PREFIX]
                                       [--context NAME]

An overlay is one of knative/platform/overlays, or a folder of your own that builds on one of them. Where images of
flows go to a registry in the cluster (the development overlay), the engine image is pushed there too (push_engine.py);
elsewhere --engine is the name under which builders find it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ROOT / "knative" / "platform" / "overlays"
PUSH = ROOT / "scripts" / "push_engine.py"
NAMESPACE = "intellyhub"
IMAGE = "dev.local/intellyhub-control-plane"
ENGINE, REGISTRY = "INTELLYHUB_ENGINE_IMAGE", "INTELLYHUB_REGISTRY"
INSIDE = "localhost:"
"""How names of images begin that are in a registry of the cluster's own: that is what nodes call it."""
JOBS = ("secrets", "migrate")
WAIT = "--timeout=300s"
NEXT = """
The platform stands. Without an ingress it is reached by:
    kubectl -n {namespace} port-forward service/gateway 8080:80      # http://localhost:8080
The administrator is admin@localhost, with this password:
    kubectl -n {namespace} get secret intellyhub-administrator -o jsonpath='{{.data.password}}' | base64 -d
Back up the key; without it no secret of any tenant can be read again:
    kubectl -n {namespace} get secret intellyhub-key -o yaml > intellyhub-key.yaml"""


def main(arguments: Sequence[str]) -> int:
    """Apply, wait, say what is next; return the exit code of the first command that failed."""
    wanted = read_arguments(arguments)
    overlay = find_overlay(wanted.overlay)
    if overlay is None:
        known = ", ".join(sorted(path.name for path in OVERLAYS.iterdir()))
        print(f"deploy: {wanted.overlay} is neither a folder nor one of {known}", file=sys.stderr)
        return 1
    if shutil.which("kubectl") is None:
        print("deploy: kubectl is not installed: see https://kubernetes.io/docs/tasks/tools/", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            settings = write_kustomization(Path(folder), overlay, wanted)
        except NotWritten as fault:
            print(f"deploy: {fault}", file=sys.stderr)
            return 1
        for command in make_commands(folder, wanted.context, wanted.engine, settings):
            print(f"deploy: {' '.join(command)}", flush=True)
            code = subprocess.run(command, check=False).returncode
            if code != 0:
                print(f"deploy: that failed ({code}); docs/install.md says where to look", file=sys.stderr)
                return code
    print(NEXT.format(namespace=NAMESPACE))
    if missing := [name for name in (ENGINE, REGISTRY) if not settings.get(name)]:
        print(f"Flows cannot be built before {' and '.join(missing)} are set: make deploy ENGINE=... REGISTRY=...")
    return 0


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """What is asked for; ends the process with 2 for arguments that cannot be read."""
    parser = argparse.ArgumentParser(prog="deploy.py", description="Install the platform on a cluster.")
    parser.add_argument("--overlay", default="development", help="name or folder of an overlay (%(default)s)")
    parser.add_argument("--image", help="the platform's image: NAME, NAME:TAG or NAME@sha256:DIGEST")
    parser.add_argument("--engine", help="the engine image, on which images of flows are built")
    parser.add_argument("--registry", help="what names of flows' images begin with, registry.example/flows")
    parser.add_argument("--context", help="the cluster's name in the kubectl configuration; else its current one")
    return parser.parse_args(arguments)


class NotWritten(Exception):
    """There is nothing to apply; the message says why."""


def find_overlay(wanted: str) -> Path | None:
    """The folder that is meant."""
    for folder in (OVERLAYS / wanted, Path(wanted)):
        if (folder / "kustomization.yaml").is_file():
            return folder.resolve()
    return None


def write_kustomization(folder: Path, overlay: Path, wanted: argparse.Namespace) -> dict[str, str]:
    """The overlay with what is asked for; the platform's settings that come of it. Raises `NotWritten`."""
    told: dict[str, object] = {"resources": [os.path.relpath(overlay, folder.resolve())]}
    if wanted.image:
        told["images"] = [{"name": IMAGE, **split(wanted.image)}]
    settings = read_settings(write(folder, told))
    given = {REGISTRY: wanted.registry}
    if not (wanted.registry or settings.get(REGISTRY, "")).startswith(INSIDE):
        given[ENGINE] = wanted.engine
    if literals := [f"{name}={value}" for name, value in given.items() if value]:
        told["configMapGenerator"] = [{"name": "platform", "behavior": "merge", "literals": literals}]
    rendered = write(folder, told)
    if wanted.image and not re.search(rf"^ *(- )?image: {re.escape(wanted.image)}", rendered, re.MULTILINE):
        raise NotWritten(f"{overlay} names the platform's image itself: change it there, and leave --image out")
    return read_settings(rendered)


def write(folder: Path, told: Mapping[str, object]) -> str:
    """Write it (JSON is YAML), and see what kubectl makes of it. Raises `NotWritten`."""
    (folder / "kustomization.yaml").write_text(json.dumps(told))
    done = subprocess.run(["kubectl", "kustomize", folder], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotWritten(f"kubectl cannot read the overlay: {done.stderr.strip()}")
    return done.stdout


def read_settings(rendered: str) -> dict[str, str]:
    """Engine and registry, as the ConfigMap `platform` has them."""
    found = re.findall(rf"^  ({ENGINE}|{REGISTRY}): (.+)$", rendered, re.MULTILINE)
    return {name: value.strip("\"'") for name, value in found}


def split(image: str) -> dict[str, str]:
    """As kustomize wants it. A colon before the last slash belongs to a port."""
    name, mark, digest = image.partition("@")
    if mark:
        return {"newName": name, "digest": digest}
    place, slash, last = name.rpartition("/")
    short, mark, tag = last.partition(":")
    return {"newName": f"{place}{slash}{short}", "newTag": tag if mark else "latest"}


def make_commands(folder: str, context: str | None, engine: str | None, settings: Mapping[str, str]) -> list[list[str]]:
    """What is to be done, in order. Jobs of the version before go first: a Job cannot be changed."""
    chosen = ["--context", context] if context else []
    kubectl = ["kubectl", *chosen]
    inside = [*kubectl, "--namespace", NAMESPACE]
    commands = [
        [*inside, "delete", "job", *JOBS, "--ignore-not-found", "--wait"],
        [*kubectl, "apply", "-k", folder],
        [*inside, "wait", "--for=condition=Complete", "job/migrate", WAIT],
        [*inside, "wait", "--for=condition=Available", "deployment", "--all", WAIT],
        [*inside, "wait", "--for=condition=Ready", "services.serving.knative.dev/poller", WAIT],
    ]
    if settings.get(REGISTRY, "").startswith(INSIDE) and ENGINE in settings:
        asked = ["--image", engine] if engine else []
        commands.append([sys.executable, str(PUSH), "--to", settings[ENGINE], *asked, *chosen])
    return commands


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
