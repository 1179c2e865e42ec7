"""The load generator as a process of its own, on the asking core."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.child import ASKING_CPU, Child, pinned

__all__ = ["Load", "ask", "put_load"]

LOAD = Path(__file__).with_name("load.py")


class Load(NamedTuple):
    """What a load came to."""

    seconds: float
    """Until all were answered."""
    p50_ms: float
    """Of one request."""


def ask(server: Child, request: bytes, *, clients: int, requests: int) -> float:
    """Seconds that all requests took. Raises RuntimeError when one of them failed."""
    file = server.output.with_suffix(".request")
    return put_load(server.port, request, file, clients=clients, requests=requests).seconds


def put_load(port: int, request: bytes, file: Path, *, clients: int, requests: int) -> Load:
    """Ask whoever listens there; the request is handed over in `file`. Raises RuntimeError when one of them failed."""
    file.write_bytes(request)
    command = [sys.executable, "-I", str(LOAD), str(port), str(clients), str(requests), str(file)]
    with pinned(ASKING_CPU):
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"the load generator failed: {finished.stderr.strip().splitlines()[-1]}")
    counted = json.loads(finished.stdout)
    if counted["failed"]:
        raise RuntimeError(f"{counted['failed']} of {requests} requests failed, the first: {counted['first_failure']}")
    return Load(float(counted["seconds"]), float(counted["p50_ms"]))
