"""An agent's card: who it is, what it can do, where and how it is spoken to. Readers of both versions find theirs."""

from __future__ import annotations

from typing import Any

from intellyhub_engine.machine.hook import Callee
from intellyhub_functions.rpc.a2a_protocol import OLD, V1

__all__ = ["make_card"]

MODES = ["application/json", "text/plain"]
SCHEME = "bearer"


def make_card(flow: Callee, address: str, *, public: bool) -> dict[str, Any]:
    """The card of a flow's agent at this address."""
    description = flow.description or flow.title
    skill: dict[str, Any] = {"id": flow.name, "name": flow.title, "description": description, "tags": ["flow"]}
    interfaces = [
        {"url": address, "protocolBinding": "JSONRPC", "protocolVersion": version}
        for version in (V1.version, OLD.version)
    ]
    card: dict[str, Any] = {
        "name": flow.title,
        "description": description,
        "version": "1.0.0",
        "capabilities": {"streaming": True, "pushNotifications": False},
        "defaultInputModes": MODES,
        "defaultOutputModes": MODES,
        "skills": [skill],
        "supportedInterfaces": interfaces,
        "url": address,
        "preferredTransport": "JSONRPC",
        "protocolVersion": "0.3.0",
    }
    if not public:
        scheme = {"type": "http", "scheme": "bearer", "httpAuthSecurityScheme": {"scheme": "bearer"}}
        card["securitySchemes"] = {SCHEME: scheme}
        card["securityRequirements"] = [{"schemes": {SCHEME: {"list": []}}}]
        card["security"] = [{SCHEME: []}]
    return card
