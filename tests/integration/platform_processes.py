"""Processes of the platform without their supervisor, over a data folder of a test."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson

from intellyhub_functions.testing.surroundings import await_that
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.service import DATA, READY

__all__ = ["Process", "UnixConnection", "await_that", "start_process"]


def start_process(
    module: str,
    data: Path,
    log: Path,
    environment: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
    file_bytes: int | None = None,
) -> subprocess.Popen[bytes]:
    """`python -m module` over a data folder, with these variables; returns when it says that it works. `file_bytes`:
    no file of it grows beyond that."""
    reading, writing = os.pipe()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTELLYHUB_")}
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**kept, DATA: str(data), READY: str(writing), **environment},
            stdout=said,
            stderr=said,
            pass_fds=(*pass_fds, writing),
        )
    os.close(writing)
    if file_bytes is not None:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, most))
    with os.fdopen(reading, "rb") as pipe:
        works = b"ready" in pipe.read()
    if not works:
        process.kill()
        process.wait(10)
        raise AssertionError(log.read_text())
    return process


class Process:
    """A process of the platform; may be killed and begun again."""

    module = "intellyhub_knative.platform.{name}"

    def __init__(self, layout: Layout, name: str, **environment: str) -> None:
        self.layout = layout
        self.name = name
        self.environment = environment
        self.log = layout.data / f"{name}.out"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        if fault[0] is not None:
            sys.stderr.write(f"--- {self.name}\n{self.log.read_text()[-4000:]}\n")

    def start(self) -> None:
        """Returns when it says that it works."""
        self.process = start_process(self.module.format(name=self.name), self.layout.data, self.log, self.environment)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def get(self, target: str) -> Any:
        """A page of its board: JSON as a value, else text."""
        connection = UnixConnection(self.layout.socket(self.name))
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read()
            kind = answer.getheader("Content-Type") or ""
            return orjson.loads(body) if kind.startswith("application/json") else body.decode()
        finally:
            connection.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, seconds: float = 10.0) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
