"""Puts the engine image into the registry that a cluster has of its own, by `kubectl port-forward`.

    .venv/bin/python scripts/push_engine.py --to localhost:30500/intellyhub-engine:0.1.0 [--image IMAGE]
                                            [--context NAME]

IMAGE is what docker or podman has under that name (intellyhub-engine, as `make image` calls it), `oci:DIR[:TAG]`,
`tar:FILE`, or a reference in a registry. Without one, what the registry has already will do.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.errors import ImageError
from intellyhub_knative.images.patience import Watch
from intellyhub_knative.images.reference import Reference, parse_reference
from intellyhub_knative.images.registry.access import Access, read_access
from intellyhub_knative.images.registry.client import Repository
from intellyhub_knative.images.registry.session import Session
from intellyhub_knative.images.source import open_base
from intellyhub_knative.images.store import Store

NAMESPACE = "intellyhub"
LOCAL = "intellyhub-engine"
SAVERS = {"docker": ("save",), "podman": ("save", "--format", "oci-archive")}
FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
BUILD = (
    "build it first (make image), or name another with --engine: an image of docker's or podman's, oci:DIR, tar:FILE"
)


class NotPushed(Exception):
    """The engine image did not get there; the message says why."""


def main(arguments: Sequence[str]) -> int:
    """Push; 1 with a sentence where that cannot be done."""
    parser = argparse.ArgumentParser(prog="push_engine.py", description="Put the engine image into the cluster.")
    parser.add_argument("--to", required=True, help="its name in the cluster: localhost:30500/intellyhub-engine:0.1.0")
    parser.add_argument("--image", help=f"the engine image (what docker or podman calls {LOCAL})")
    parser.add_argument("--context", help="the cluster's name in the kubectl configuration; else its current one")
    wanted = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            put(wanted.image, wanted.to, wanted.context, Path(folder))
    except (NotPushed, ImageError, OSError) as fault:
        print(f"push_engine: {fault}", file=sys.stderr)
        return 1
    return 0


def put(image: str | None, name: str, context: str | None, folder: Path) -> None:
    """Push an image, or see that one is there. Raises `NotPushed`, `ImageError`, OSError."""
    reference = parse_reference(name)
    source = find_source(image, folder / "engine.tar")
    with forwarded(context) as place:
        access = replace(read_access(os.environ), hosts={reference.registry: place})
        if source is None:
            if not is_there(reference, access):
                raise NotPushed(f"there is no engine image here called {LOCAL}, and none in the cluster: {BUILD}")
            print(f"push_engine: {reference} is in the cluster already, and stays as it is")
            return
        base = open_base(source, store=Store(folder=folder / "store"), access=access)
        push(base, parse(name), access=access, watch=Watch(progress=print))


def find_source(image: str | None, file: Path) -> str | None:
    """Where the image can be read from: docker's and podman's are written to the file. None: nothing was asked for, and
    nothing is here. Raises `NotPushed`."""
    if image and image.startswith(("oci:", "tar:")):
        return image
    for tool, save in SAVERS.items():
        if shutil.which(tool) and has_image(tool, image or LOCAL):
            done = subprocess.run([tool, *save, "--output", str(file), image or LOCAL], check=False)
            if done.returncode != 0:
                raise NotPushed(f"{tool} cannot write {image or LOCAL} to a file; what it said stands above")
            return f"tar:{file}"
    if image and "/" in image:
        return image
    if image:
        raise NotPushed(f"neither docker nor podman has an image called {image}: {BUILD}")
    return None


def has_image(tool: str, image: str) -> bool:
    """Whether a tool has it, and works at all."""
    return subprocess.run([tool, "image", "inspect", image], check=False, capture_output=True).returncode == 0


def is_there(reference: Reference, access: Access) -> bool:
    """Whether the registry has it."""
    with Session(reference.registry, access) as session:
        return Repository(session, reference.repository).has_manifest(reference.name)


@contextmanager
def forwarded(context: str | None) -> Iterator[str]:
    """Where the registry is reached from here, as long as the context lasts. Raises `NotPushed`."""
    kubectl = ["kubectl", *(["--context", context] if context else []), "--namespace", NAMESPACE]
    command = [*kubectl, "port-forward", "--address", "127.0.0.1", "service/registry", ":5000"]
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            found = next(filter(None, map(FORWARDING.search, process.stdout)), None)
            if found is None:
                process.wait()
                complaints.seek(0)
                raise NotPushed(f"the cluster's registry cannot be reached: {complaints.read(500).strip()}")
            yield f"127.0.0.1:{found[1]}"
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
