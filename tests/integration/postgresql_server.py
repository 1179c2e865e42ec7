"""A PostgreSQL of a test's own, which the test may crash and begin again."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self

import psycopg2

from intellyhub_functions.testing.postgresql import end_with_us, find_package

__all__ = ["PostgresqlServer"]


class PostgresqlServer:
    """`url` leads to it as its superuser."""

    def __enter__(self) -> Self:
        self.folder = tempfile.mkdtemp(dir="/tmp", prefix="ihpg")
        self.server = find_package()(self.folder, cleanup_mode="delete")
        self.guard = end_with_us(self.server.get_pid(), self.folder)
        self.socket = Path(self.server.get_uri().partition("host=")[2]) / ".s.PGSQL.5432"
        self.url = f"postgresql://postgres@/postgres?host={self.socket.parent}"
        return self

    def __exit__(self, *fault: object) -> None:
        self.server.cleanup()
        self.guard.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def crash(self) -> None:
        """As by a power cut: sessions end without a word, and recovery comes with the next start."""
        pid = self.server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 20
        while is_alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (Path(self.folder) / "postmaster.pid").unlink(missing_ok=True)

    def begin_again(self) -> None:
        """Start it; returns when it takes connections."""
        self.server.ensure_postgres_running()
        os.killpg(self.guard.pid, signal.SIGKILL)  # it would take the folder away
        self.guard.communicate()
        self.guard = end_with_us(self.server.get_pid(), self.folder)

    def ask(self, statement: str, *values: Any) -> Any:
        """All rows of one statement; none where it gives none."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                with suppress(psycopg2.ProgrammingError):
                    return cursor.fetchall()
        return []


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
