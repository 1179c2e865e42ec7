"""Builds the image of a worker with docker, podman or buildah, whichever works here first.

    python3 scripts/build_image.py [--base IMAGE] [--runtime IMAGE] [--tag TAG] [--tool NAME] [-- OPTION ...]

What stands after `--` is passed to the tool. A package index in PIP_INDEX_URL is used for the build, and is not in the
image. Needs Python 3.11 or newer and nothing else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("docker", "podman", "buildah")
TAG = "intellyhub-engine"


def main(arguments: list[str]) -> int:
    """Build the image; return the exit code."""
    wanted = read_arguments(arguments)
    tool = wanted.tool or find_tool()
    if tool is None:
        print(f"build_image: none of {', '.join(TOOLS)} works here", file=sys.stderr)
        return 1
    command = make_command(tool, wanted, os.environ)
    print(f"build_image: {wanted.tag} with {tool}", flush=True)
    try:
        return subprocess.run(command, check=False, cwd=ROOT).returncode
    except OSError as fault:
        print(f"build_image: {tool}: {fault.strerror}", file=sys.stderr)
        return 1


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return base, runtime, tag, tool and options; ends the process with 2 for arguments that cannot be read."""
    parser = argparse.ArgumentParser(prog="build_image.py", description="Build the image of a worker.")
    parser.add_argument("--base", help="the image that builds, and runs if --runtime is not given; needs pip")
    parser.add_argument("--runtime", help="the image that runs: the same minor version of Python, no pip, no shell")
    parser.add_argument("--tag", default=TAG, help="the name of what is built (%(default)s)")
    parser.add_argument("--tool", choices=TOOLS, help="what builds; else the first of them that works")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="passed to the tool, after --")
    return parser.parse_args(arguments)


def find_tool() -> str | None:
    """Return the first tool that is installed and, where it has a daemon, reaches it."""
    return next((tool for tool in TOOLS if works(tool)), None)


def works(tool: str) -> bool:
    """Whether a tool tells about itself: docker only does when its daemon answers."""
    try:
        return subprocess.run([tool, "info"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def make_command(tool: str, wanted: argparse.Namespace, environment: Mapping[str, str]) -> list[str]:
    """Return the command that builds; secrets of the index stay in the environment, where the tool reads them."""
    given = {"BASE_IMAGE": wanted.base, "RUNTIME_IMAGE": wanted.runtime}
    values = [f"{name}={value}" for name, value in given.items() if value]
    values += [name for name in ("PIP_INDEX_URL",) if environment.get(name)]
    return [
        *(tool, "build", "--file", "engine/Dockerfile", "--tag", wanted.tag),
        # OCI's own format has no place for a health check.
        *(() if tool == "docker" else ("--format", "docker")),
        *(part for value in values for part in ("--build-arg", value)),
        *wanted.options,
        ".",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
