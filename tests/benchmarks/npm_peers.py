"""Peers that come from npm: installed once, with hashes, into the cache of the checkout."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.benchmarks.bench import PEERS, ROOT

__all__ = ["find_npm_peers"]

SOURCES = PEERS / "node"
TARGET = ROOT / ".cache" / "peers"
INSTALL_SECONDS = 300


@cache
def find_npm_peers() -> Path:
    """The folder with their `node_modules`, and our files beside it. Raises `RuntimeError` where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise RuntimeError("Node.js with npm is not installed")
    TARGET.mkdir(parents=True, exist_ok=True)
    stamp, lock = TARGET / "installed", (SOURCES / "package-lock.json").read_text()
    for name in (".npmrc", "package.json", "package-lock.json", "restate_flow.mjs", "node_red_flow.json"):
        shutil.copy(SOURCES / name, TARGET / name)
    if not stamp.exists() or stamp.read_text() != lock:
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        ended = subprocess.run(command, cwd=TARGET, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if ended.returncode:
            raise RuntimeError(f"npm could not install them: {(ended.stderr.strip() or 'no reason given')[-200:]}")
        stamp.write_text(lock)
    return TARGET
