"""What the figures depend on: the machine, the interpreter, the peers' versions. No host name, no path, no user."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PEERS", "find_cpu_model", "find_filesystem", "find_npm_versions", "find_versions", "make_facts"]

NODE_PEERS = Path(__file__).with_name("peers") / "node"
QUIET = 0.25
"""Runnable processes per core up to which a machine counts as quiet."""

PEERS = (
    "apache-burr",
    "automat",
    "cel-python",
    "dbos",
    "functions-framework",
    "gunicorn",
    "jinja2",
    "python-statemachine",
    "pyyaml",
    "simpleeval",
    "transitions",
)


def make_facts(scratch: Path) -> dict[str, str]:
    """Name and value of everything a reader needs to judge the figures; `scratch` is where the journals are written."""
    cpus = os.cpu_count() or 1
    return {
        "processor": f"{find_cpu_model(read('/proc/cpuinfo'))}, {cpus} core{'s' if cpus > 1 else ''}",
        "load when it began": make_load(os.getloadavg()[0], cpus),
        "memory": find_memory(read("/proc/meminfo")),
        "kernel": f"{platform.system()} {platform.release()}",
        "file system of the journals": find_filesystem(read("/proc/self/mountinfo"), scratch.resolve()),
        "Python": f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})",
        "SQLite": sqlite3.sqlite_version,
        "Node.js": find_node_version(),
    }


def make_load(average: float, cpus: int) -> str:
    """How busy the machine was already: others' work spoils what is measured by the clock on the wall."""
    busy = average / cpus
    return (
        f"{average:.1f}" if busy < QUIET else f"{average:.1f}, not a quiet machine: take the absolute times as too long"
    )


def find_versions(names: Iterable[str] = PEERS) -> dict[str, str]:
    """The installed version of each distribution, or `not installed`."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def find_npm_versions() -> dict[str, str]:
    """The versions that the peers from npm are locked to."""
    wanted: dict[str, str] = json.loads((NODE_PEERS / "package.json").read_text())["dependencies"]
    return wanted


def find_cpu_model(cpuinfo: str) -> str:
    """The model's name out of the text of /proc/cpuinfo, else the architecture."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model", "cpu model"} and value.strip():
            return value.strip()
    return platform.machine()


def find_memory(meminfo: str) -> str:
    """Total memory out of the text of /proc/meminfo, in GiB."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return f"{int(line.split()[1]) / 2**20:.0f} GiB"
    return "unknown"


def find_filesystem(mountinfo: str, folder: Path) -> str:
    """The type of the file system a folder lies on (proc(5), mountinfo): the deepest mount point above it."""
    deepest, kind = Path(), "unknown"
    for line in mountinfo.splitlines():
        place, _, source = line.partition(" - ")
        point = Path(place.split()[4])
        if folder.is_relative_to(point) and len(point.parts) >= len(deepest.parts):
            deepest, kind = point, source.split()[0]
    return kind


def find_node_version() -> str:
    """`v20.1.0`, or `not installed`."""
    node = shutil.which("node")
    if node is None:
        return "not installed"
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def read(path: str) -> str:
    """The text of a file of /proc; empty on systems that have none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        print(f"{path} cannot be read: the facts about this machine are incomplete", file=sys.stderr)
        return ""
