"""The load generator as a process of its own, on the asking core."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.child import ASKING_CPU, Child, pinned

__all__ = ["ask"]

LOAD = Path(__file__).with_name("load.py")


def ask(server: Child, request: bytes, *, clients: int, requests: int) -> float:
    """Seconds that all requests took. Raises RuntimeError when one of them failed."""
    file = server.output.with_suffix(".request")
    file.write_bytes(request)
    command = [sys.executable, "-I", str(LOAD), str(server.port), str(clients), str(requests), str(file)]
    with pinned(ASKING_CPU):
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"the load generator failed: {finished.stderr.strip().splitlines()[-1]}")
    counted = json.loads(finished.stdout)
    if counted["failed"]:
        raise RuntimeError(f"{counted['failed']} of {requests} requests failed, the first: {counted['first_failure']}")
    return float(counted["seconds"])
