"""The two ways in which MCP is spoken over HTTP: with a handshake (to 2025-11-25), and without (from 2026-07-28).

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
https://modelcontextprotocol.io/specification/2026-07-28/basic/transports

No session is kept in either: what a server knows of a client stands in each request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from intellyhub_functions.rpc.messages import Call, Code, RpcFault

__all__ = [
    "CAPABILITIES_KEY",
    "CLIENT_KEY",
    "HANDSHAKE",
    "HEADER_MISMATCH",
    "MODERN",
    "UNSUPPORTED_VERSION",
    "VERSION_HEADER",
    "VERSION_KEY",
    "agree",
    "check_modern",
    "client_of",
    "encode_header",
    "is_modern",
]

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Agreed on by `initialize`."""
MODERN = ("2026-07-28",)
"""Named in every request."""
VERSION_HEADER = "mcp-protocol-version"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods, and the parameter that the header `Mcp-Name` repeats."""
PLAIN_FROM, PLAIN_TO = " ", "~"


def is_modern(headers: Mapping[str, str]) -> bool:
    """Whether a request is made in the newer way. Raises RpcFault for a version that nobody knows here."""
    version = headers.get(VERSION_HEADER)
    if version is None or version in HANDSHAKE:
        return False
    if version in MODERN:
        return True
    raise unsupported(version)


def unsupported(version: Any) -> RpcFault:
    """The refusal that names what there is."""
    data = {"supported": [*HANDSHAKE, *MODERN], "requested": version}
    return RpcFault(UNSUPPORTED_VERSION, "the protocol's version is not spoken here", data=data, status=400)


def agree(wanted: Any) -> str:
    """The version that a handshake ends with: the client's, or else the newest that we know."""
    return wanted if wanted in HANDSHAKE else HANDSHAKE[-1]


def check_modern(call: Call, headers: Mapping[str, str]) -> None:
    """Raises RpcFault where a request of the newer way does not say who asks, or where its headers say something else
    than its body: whoever stands in front of us has read the headers only."""
    meta = call.params.get("_meta")
    if not isinstance(meta, Mapping) or VERSION_KEY not in meta or CAPABILITIES_KEY not in meta:
        detail = f"params._meta must have {VERSION_KEY} and {CAPABILITIES_KEY}"
        raise RpcFault(Code.INVALID_PARAMS, detail, call_id=call.id, status=400)
    told = {VERSION_HEADER: meta[VERSION_KEY], "mcp-method": call.method}
    if call.method in NAMED and NAMED[call.method] in call.params:
        told["mcp-name"] = call.params[NAMED[call.method]]
    for name, value in told.items():
        if decode_header(headers.get(name)) != value:
            raise RpcFault(HEADER_MISMATCH, f"the header {name} is not what the body says", call_id=call.id, status=400)


def client_of(call: Call, headers: Mapping[str, str]) -> str:
    """What the client calls itself; empty where it does not say."""
    meta = call.params.get("_meta")
    told = meta.get(CLIENT_KEY) if isinstance(meta, Mapping) else None
    name = told.get("name") if isinstance(told, Mapping) else None
    return (name if isinstance(name, str) else headers.get("user-agent", ""))[:200]


def decode_header(written: str | None) -> str | None:
    """A header's value, which may be text in Base64; None for what is none."""
    if written is None or not (written.startswith("=?base64?") and written.endswith("?=")):
        return written
    try:
        return base64.b64decode(written[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def encode_header(value: str) -> str:
    """A value that survives being a header."""
    plain = all(PLAIN_FROM <= letter <= PLAIN_TO for letter in value) and value == value.strip()
    if plain and not value.startswith("=?base64?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="
