"""Processes of the platform without their supervisor, over a data folder of a test."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import orjson

from intellyhub_knative.local.layout import Layout

START_SECONDS = 20.0


class Process:
    """`python -m intellyhub_knative.local.<name>`; may be killed and begun again."""

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
        reading, writing = os.pipe()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INTELLYHUB_")}
        ours = {"INTELLYHUB_DATA": str(self.layout.data), "INTELLYHUB_READY_FD": str(writing)}
        command = [sys.executable, "-m", f"intellyhub_knative.local.{self.name}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**kept, **ours, **self.environment}, stderr=log, stdout=log, pass_fds=(writing,)
            )
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert b"ready" in pipe.read(), self.log.read_text()

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

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


def await_that(condition: Any, seconds: float = 20.0) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "what was waited for did not come"
        time.sleep(0.01)
