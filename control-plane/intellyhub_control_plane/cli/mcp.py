"""`intellyhub mcp`: a platform's flows as an MCP server on standard input and output, for programs that start one.

Each line from the program goes to the platform as it is, and what the platform answers comes back as lines; nothing is
understood here but whose answer it is. https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.session import Session, debug_option, pass_session

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["Bridge", "command"]

AT_ONCE = 16
"""Calls under way; more wait."""
UNREACHABLE = -32000
MAX_LINE_BYTES = 8 << 20


@click.command("mcp")
@click.argument("flow", metavar="[FLOW]", required=False)
@platform_options
@debug_option
@pass_session
def command(session: Session, flow: str | None, url: str | None, token: str | None) -> int:
    """Serve the flows of a platform as tools to a program that speaks MCP on standard input and output.

    Without FLOW all flows that say what they take (`input`) or listen with mcp, with it one that listens with mcp.

    \b
    Examples:
      intellyhub mcp
      intellyhub mcp assistant --url https://flows.example.org

    \b
    For a desktop client:
      {"mcpServers": {"intellyhub": {"command": "intellyhub", "args": ["mcp"],
                                     "env": {"INTELLYHUB_URL": "https://...", "INTELLYHUB_TOKEN": "ihub_..."}}}}
    """
    client = connect(url, token)
    tenant = part(client.get("/api/auth/me")["tenant"]["slug"])
    path = f"/hooks/{tenant}/{part(flow)}" if flow else f"/mcp/{tenant}"
    Bridge(client, path).run(sys.stdin.buffer, sys.stdout.buffer)
    return Exit.SUCCEEDED


class Bridge:
    """Carries messages between a program and a platform."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self._version: str | None = None
        """What the handshake ended with."""
        self._lock = threading.Lock()

    def run(self, heard: BinaryIO, said: BinaryIO) -> None:
        """Until the program closes its end. What is under way then is answered."""

        def say(message: bytes) -> None:
            with self._lock:
                said.write(message.replace(b"\r", b"").replace(b"\n", b"") + b"\n")
                said.flush()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            while line := heard.readline(MAX_LINE_BYTES):
                message = read_message(line)
                if message is None:
                    continue
                if message.get("method") == "initialize":
                    self.carry(line, message, say)  # what follows depends on its answer
                else:
                    pool.submit(self.carry, line, message, say)

    def carry(self, line: bytes, message: Mapping[str, Any], say: Callable[[bytes], None]) -> None:
        """Bring one message to the platform, and what it answers back. The program hears of every failure."""
        try:
            for answer in self._client.converse(self._path, line.strip(), self.headers_of(message)):
                if message.get("method") == "initialize":
                    self._version = version_in(answer)
                say(answer)
        except (CommandFailed, ConnectionError, ValueError) as fault:
            if "id" in message and "method" in message:
                error = {"code": UNREACHABLE, "message": str(fault).partition("\n")[0]}
                say(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())

    def headers_of(self, message: Mapping[str, Any]) -> dict[str, str]:
        """What the transport over HTTP wants to see beside the message."""
        from intellyhub_functions.rpc.mcp_protocol import NAMED, VERSION_HEADER, VERSION_KEY, encode_header

        params, method = message.get("params"), message.get("method")
        told = params if isinstance(params, dict) else {}
        meta = told.get("_meta")
        version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
        if isinstance(version, str) and isinstance(method, str):
            headers = {VERSION_HEADER: version, "mcp-method": method}
            name = told.get(NAMED.get(method, ""))
            return headers | ({"mcp-name": encode_header(name)} if isinstance(name, str) else {})
        return {VERSION_HEADER: self._version} if self._version and method != "initialize" else {}


def read_message(line: bytes) -> dict[str, Any] | None:
    """A message; None for what is none, which nobody could be answered."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def version_in(answer: bytes) -> str | None:
    """The version that a handshake ended with."""
    result = (read_message(answer) or {}).get("result")
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version if isinstance(version, str) else None
