"""Builds the image of a worker, or of the platform, with docker, podman or buildah, whichever works here first.

    python3 scripts/build_image.py [--which engine|control-plane] [--base IMAGE] [--runtime IMAGE] [--node IMAGE]
                                   [--tag TAG] [--tool NAME] [--python VERSION] [-- OPTION ...]

What stands after `--` is passed to the tool. Package indexes in PIP_INDEX_URL and NPM_CONFIG_REGISTRY are used for the
build, and are not in the image. Times in the image are those of SOURCE_DATE_EPOCH, else of the last commit. Needs
Python 3.11 or newer and nothing else.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("docker", "podman", "buildah")
TAGS = {"engine": "intellyhub-engine", "control-plane": "intellyhub-control-plane"}
INDEXES = {"engine": ("PIP_INDEX_URL",), "control-plane": ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")}
ASK_PYTHON = ("python", "-c", "import platform; print(platform.python_version())")
VERSION = re.compile(r"^3\.\d+\.\d+\S*$")


def main(arguments: list[str]) -> int:
    """Build the image; return the exit code."""
    wanted = read_arguments(arguments)
    tool = wanted.tool or find_tool()
    if tool is None:
        print(f"build_image: none of {', '.join(TOOLS)} works here", file=sys.stderr)
        return 1
    wanted.python = wanted.python or find_python(tool, wanted.runtime or wanted.base)
    command = make_command(tool, wanted, os.environ, find_epoch(os.environ))
    print(f"build_image: {wanted.tag} with {tool}", flush=True)
    try:
        return subprocess.run(command, check=False, cwd=ROOT).returncode
    except OSError as fault:
        print(f"build_image: {tool}: {fault.strerror}", file=sys.stderr)
        return 1


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for; ends the process with 2 for arguments that cannot be read."""
    parser = argparse.ArgumentParser(
        prog="build_image.py", description="Build the image of a worker, or the platform's."
    )
    parser.add_argument("--which", choices=TAGS, default="engine", help="a worker's, or the platform's (%(default)s)")
    parser.add_argument("--base", help="the image that builds, and runs if --runtime is not given; needs pip")
    parser.add_argument("--runtime", help="the image that runs: the same Python; a worker's needs no pip and no shell")
    parser.add_argument("--node", help="the image that builds the console; needs npm")
    parser.add_argument("--tag", help="the name of what is built (intellyhub-engine, intellyhub-control-plane)")
    parser.add_argument("--tool", choices=TOOLS, help="what builds; else the first of them that works")
    parser.add_argument("--python", default="", help="the version of Python in it, 3.11.9; else it is asked")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="passed to the tool, after --")
    wanted = parser.parse_args(arguments)
    wanted.tag = wanted.tag or TAGS[wanted.which]
    return wanted


def find_tool() -> str | None:
    """Return the first tool that is installed and, where it has a daemon, reaches it."""
    return next((tool for tool in TOOLS if works(tool)), None)


def works(tool: str) -> bool:
    """Whether a tool tells about itself: docker only does when its daemon answers."""
    try:
        return subprocess.run([tool, "info"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def find_python(tool: str, image: str | None) -> str:
    """Return the version of Python in an image; nothing where it cannot be asked. Docker's own images of Python say it
    by themselves, others do not, and flows are compiled for exactly one."""
    if tool == "buildah" or not image:
        return ""
    try:
        asked = [tool, "run", "--rm", "--network", "none", "--entrypoint", "", image, *ASK_PYTHON]
        told = subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
    return told if VERSION.match(told) else ""


def find_epoch(environment: Mapping[str, str]) -> str:
    """Return the time that goes into the image, in seconds since 1970: the same sources, the same time."""
    if environment.get("SOURCE_DATE_EPOCH"):
        return environment["SOURCE_DATE_EPOCH"]
    try:
        asked = ["git", "log", "-1", "--format=%ct"]
        told = subprocess.run(asked, check=False, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return "0"
    return told if told.isdigit() else "0"


def make_command(tool: str, wanted: argparse.Namespace, environment: Mapping[str, str], epoch: str) -> list[str]:
    """Return the command that builds; secrets of the indexes stay in the environment, where the tool reads them."""
    given = {
        "BASE_IMAGE": wanted.base,
        "RUNTIME_IMAGE": wanted.runtime,
        "NODE_IMAGE": wanted.node if wanted.which == "control-plane" else None,
        "PYTHON_VERSION": wanted.python,
    }
    values = [f"{name}={value}" for name, value in given.items() if value]
    values += [name for name in INDEXES[wanted.which] if environment.get(name)]
    # BuildKit takes the time as an argument; for the others it is an option.
    if tool == "docker":
        values.append(f"SOURCE_DATE_EPOCH={epoch}")
    return [
        *(tool, "build", "--file", f"{wanted.which}/Dockerfile", "--tag", wanted.tag),
        # OCI's own format has no place for a health check.
        *(() if tool == "docker" else ("--format", "docker", "--timestamp", epoch)),
        *(part for value in values for part in ("--build-arg", value)),
        *wanted.options,
        ".",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
