"""Containers of docker or podman, as locked down as a cluster runs them, on this machine's network."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intellyhub_functions.testing.ports import free_port
from tests.integration.workers import START_SECONDS

TOOLS = ("docker", "podman")
LOCKED = ("--read-only", "--tmpfs", "/tmp:rw,mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def find_tool(image: str) -> str | None:
    """The first tool that works here and has this image."""
    return next((tool for tool in TOOLS if has_image(tool, image)), None)


def has_image(tool: str, image: str) -> bool:
    try:
        return subprocess.run([tool, "image", "inspect", image], capture_output=True).returncode == 0
    except OSError:
        return False


def compressed_bytes(tool: str, image: str) -> int:
    """What an image takes in a registry, about: all its layers as one gzip stream."""
    deflate, size = zlib.compressobj(6, wbits=31), 0
    with subprocess.Popen([tool, "save", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as saving:
        assert saving.stdout is not None
        while chunk := saving.stdout.read(1 << 20):
            size += len(deflate.compress(chunk))
    assert saving.returncode == 0
    return size + len(deflate.flush())


class Container:
    """A container that serves a flow on loopback; without a command, what the image says."""

    def __init__(self, tool: str, image: str, flow: Path, command: Sequence[str] = ()) -> None:
        self.tool = tool
        self.port = free_port()
        settings = {
            "INTELLYHUB_AUTH": "none",
            "INTELLYHUB_HOST": "127.0.0.1",
            "INTELLYHUB_JOURNAL": "/tmp/journal.db",
            "INTELLYHUB_QUIET_SECONDS": "0.1",
            "PORT": str(self.port),
        }
        locked = (*LOCKED, *(("--read-only-tmpfs=false",) if tool == "podman" else ()))
        variables = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        mounted = ("--volume", f"{flow}:/flow/flow.yaml:ro")
        begun = ("run", "--detach", "--network", "host", "--no-healthcheck", *locked, *mounted, *variables)
        self.name = self.tell(*begun, image, *command).splitlines()[-1]

    def tell(self, *words: str) -> str:
        """Call the tool; what it prints."""
        told = subprocess.run([self.tool, *words], capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        return told.stdout.strip()

    def wait_until_ready(self) -> Container:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return self
            except OSError:
                pass
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def ask(self, method: str = "POST", target: str = "/", body: Any = None, headers: dict[str, str] | None = None):
        """One request on its own connection: status, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            written = None if body is None else json.dumps(body)
            connection.request(method, target, written, {"Content-Type": "application/json"} | (headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def execute(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, without a shell of ours."""
        return subprocess.run([self.tool, "exec", self.name, *words], capture_output=True, text=True)

    def log(self) -> str:
        told = subprocess.run([self.tool, "logs", self.name], capture_output=True, text=True)
        return told.stdout + told.stderr

    def wait(self) -> int:
        """The exit code of its process 1, once that has ended."""
        return int(self.tell("wait", self.name))

    def close(self) -> None:
        subprocess.run([self.tool, "rm", "--force", self.name], capture_output=True)
