"""The `mcp` source without a platform: the flow as the one tool of an MCP server at a port of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Callee, Facts
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.calls import listen_at
from intellyhub_functions.sources.mcp.hook import open_hook, path_of

__all__ = ["listen"]


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Serve until stopped. Who is let in: everyone who reaches the port, or with `auth_token` who shows it."""
    flow = Callee(flow_id="", name=context.flow, title=context.flow, source=context.address, listener="mcp")
    given = {"public": "auth_token" not in parameters, **parameters}
    hook = open_hook(given, Facts(name=context.flow, flows=(flow,)))
    host, port = text_of(parameters.get("host") or "127.0.0.1"), parameters.get("port", 5001)
    yield from listen_at(host, port, path_of(parameters), hook, context, name="MCP server")
