"""What one isolated process may use, and what it sees of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limits", "make_environment"]

KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)
"""What a flow author's program sees of the worker's environment: how to find programs, speak, tell the time and reach
the network. Nothing else, because that is where a worker's secrets are."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits per process, set with setrlimit. None is no limit."""

    memory_bytes: int | None = 2 * 1024**3
    """Address space."""
    cpu_seconds: int | None = 300
    """Processor time, so that a loop without end in a block ends; the step's own time limit is watched outside."""
    file_bytes: int | None = 1024**3
    """Size of one file written."""
    processes: int | None = 4096
    """Processes and threads of this user together; a stop for fork bombs. The system ignores it for root."""
    open_files: int | None = 1024
    output_bytes: int = 4 * 1024**2
    """Standard output and error kept as a result, each; what is beyond is dropped with a warning."""
    log_bytes: int = 256 * 1024
    """Output written to the run's log; what is beyond is dropped with a note."""
    imports: tuple[str, ...] | None = None
    """The modules that a Python block may import, with what is below them; empty is none, None is any. A policy for
    authors, not a wall: Python offers other ways."""


def make_environment(workspace: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a program that a flow starts; HOME is the workspace."""
    kept = {name: environment[name] for name in KEPT if name in environment}
    return {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", **kept, "HOME": str(workspace), "PWD": str(workspace)}
