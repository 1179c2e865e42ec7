"""Workers as real processes: the lean one, the one of functions-framework, and a client without opinions."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from intellyhub_functions.testing.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-the-platform"
KEY = "a-key-of-the-tenant"
START_SECONDS = 30

FLOW = """
name: contract
states:
  choose:
    state_type: switch
    value: "{kind}"
    cases: {fail: broken, wait: ask, tell: first, nap: nap, pause: pause}
    default: answer
  answer: {state_type: end, result: {kind: "{kind}"}}
  broken: {state_type: end, status: failed, message: "it is broken: {kind}"}
  ask: {state_type: wait, approval: "Go on?", output: decision, transition: decided}
  decided: {state_type: end, result: {decision: "{decision}"}}
  first: {state_type: emit, type: t.first, data: {n: 1}, transition: second}
  second: {state_type: emit, type: t.second, data: {n: 2, text: "é"}, extensions: {flow: next}, transition: answer}
  nap: {state_type: wait, seconds: 0.4, transition: answer}
  pause: {state_type: wait, seconds: 1.2, transition: answer}
"""


class Worker:
    """A process that serves a flow on loopback."""

    def __init__(self, command: list[str], settings: Mapping[str, str], folder: Path, *, pass_fds=()) -> None:
        self.port = int(settings["PORT"])
        self.log = folder / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("INTELLYHUB_", "K_"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**environment, **settings}, stderr=log, stdout=log, cwd=folder, pass_fds=pass_fds
            )

    def wait_until_it_listens(self) -> Worker:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
                return self
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.01)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(self, method="POST", target="/", body=b"", headers=None, *, chunked=False):
        """One request on its own connection: status, headers by lower-case name, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, iter([body]) if chunked else body, headers or {}, encode_chunked=chunked)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def stop(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


def make_settings(folder: Path, **changes: str) -> dict[str, str]:
    flow = folder / "contract.yaml"
    flow.write_text(FLOW)
    return {
        "INTELLYHUB_FLOW": str(flow),
        "INTELLYHUB_HOST": "127.0.0.1",
        "INTELLYHUB_JOURNAL": str(folder / "journal.db"),
        "INTELLYHUB_WORKSPACE": str(folder / "workspace"),
        "INTELLYHUB_WORKER_TOKENS": TOKEN,
        "INTELLYHUB_DELIVERY_SECRETS": KEY,
        "INTELLYHUB_MAX_BODY_BYTES": "100000",
        "INTELLYHUB_QUIET_SECONDS": "0.1",
        "PORT": str(free_port()),
        "PYTHONUNBUFFERED": "1",
    } | changes


def lean(folder: Path, *, prefix=(), pass_fds=(), **changes: str) -> Worker:
    command = [*prefix, sys.executable, "-m", "intellyhub_engine.serving"]
    return Worker(command, make_settings(folder, **changes), folder, pass_fds=pass_fds)


def framework(folder: Path, **changes: str) -> Worker:
    settings = make_settings(folder, **changes)
    source = str(ROOT / "engine" / "main.py")
    command = [sys.executable, "-m", "functions_framework", "--source", source, "--target", "handle_event"]
    return Worker([*command, "--host", "127.0.0.1", "--port", settings["PORT"]], settings, folder)


def without_ids(answer):
    """An answer without what is new in every run."""
    status, headers, body = answer
    kept = {
        name: value for name, value in headers.items() if name not in ("date", "server", "connection", "keep-alive")
    }
    text = re.sub(rb"\b[0-9a-f]{32}\b", b"ID", body)
    shown = {name: re.sub(r"\b[0-9a-f]{32}\b", "ID", value) for name, value in kept.items()}
    for volatile in ("ce-time", "ce-intellyhubsig"):
        if volatile in shown:
            shown[volatile] = "SET"
    return status, shown, text
