"""One real platform in a folder of its own: started, asked, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import urllib3

from intellyhub_functions.testing.ports import free_port

__all__ = ["Platform"]

EMAIL = "soak@example.org"
PASSWORD = "a long pass phrase for the soak"
START_SECONDS = 60.0


class Platform:
    """`intellyhub up` on a free port; use it as a context manager."""

    def __init__(self, data: Path, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = data.with_suffix(".log")
        self.environment = environment or {}
        self.token = ""
        self.http = urllib3.PoolManager(retries=False, maxsize=16, timeout=urllib3.Timeout(connect=5, read=90))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Platform:
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, wait until it is healthy, and sign in."""
        given = {"INTELLYHUB_ADMIN_EMAIL": EMAIL, "INTELLYHUB_ADMIN_PASSWORD": PASSWORD}
        command = [str(Path(sys.executable).with_name("intellyhub")), "up", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--data", str(self.data)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | given | self.environment,
                start_new_session=True,
            )
        self.token = ""
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Sign in and wait until all of it is well. Raises `TimeoutError` with the end of the log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            with suppress(urllib3.exceptions.HTTPError):
                if not self.token:
                    given = {"email": EMAIL, "password": PASSWORD}
                    self.token = self.send("POST", "/api/auth/login", given).json().get("access_token", "")
                answer = self.send("GET", "/api/health?detailed=true")
                if answer.status == 200 and answer.json().get("status") == "ok":
                    return
            time.sleep(0.1)
        raise TimeoutError("the platform does not become healthy:\n" + self.log.read_text(errors="replace")[-4000:])

    def stop(self) -> None:
        """Stop it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill_everything(self) -> None:
        """SIGKILL to every process at once, the supervisor first: a power cut, but for the disk's own cache."""
        assert self.process is not None
        pids = [self.process.pid, *self.processes().values(), *self.workers()]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_for_end(pids)
        self.process = None

    def processes(self) -> dict[str, int]:
        """The processes of the platform by name."""
        try:
            found: dict[str, int] = json.loads((self.data / "run" / "processes.json").read_text())
        except (OSError, ValueError):
            return {}
        return {name: int(pid) for name, pid in found.items()}

    def workers(self) -> list[int]:
        """The workers that live now: what descends from the activator."""
        activator = self.processes().get("activator")
        return descendants(activator) if activator else []

    def ask(self, method: str, path: str, body: Any = None, *, patience_seconds: float = 30.0) -> Any:
        """One request to the REST API, repeated while the platform picks itself up. The answer's JSON."""
        deadline = time.monotonic() + patience_seconds
        while True:
            with suppress(urllib3.exceptions.HTTPError):
                answer = self.send(method, path, body)
                if answer.status < 400:
                    return answer.json() if answer.data else None
                if answer.status < 500:
                    raise AssertionError(f"{method} {path}: {answer.status} {answer.data[:2000]!r}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path}: no answer in {patience_seconds:g} s")
            time.sleep(0.1)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """One request, once."""
        content = None if body is None else json.dumps(body).encode()
        named = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        kind = {"Content-Type": "application/json"} if content is not None else {}
        return self.http.request(method, self.address + path, body=content, headers=kind | named | (headers or {}))


def descendants(pid: int) -> list[int]:
    """Every process below one, children before grandchildren."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def wait_for_end(pids: list[int], seconds: float = 10.0) -> None:
    """Wait until none of them is left. Raises `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if is_alive(pid)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still there: {left}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
