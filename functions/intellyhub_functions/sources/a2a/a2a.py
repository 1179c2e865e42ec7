"""The `a2a` source without a platform: the flow as an agent at a port of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Callee, Facts
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.a2a.hook import open_hook
from intellyhub_functions.sources.calls import listen_at

__all__ = ["listen"]


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Serve until stopped. Who is let in: everyone who reaches the port, or with `auth_token` who shows it."""
    flow = Callee(flow_id="", name=context.flow, title=context.flow, source=context.address, listener="a2a")
    given = {"public": "auth_token" not in parameters, **parameters}
    hook = open_hook(given, Facts(name=context.flow, flows=(flow,)))
    host, port = text_of(parameters.get("host") or "127.0.0.1"), parameters.get("port", 4000)
    yield from listen_at(host, port, "", hook, context, name="A2A agent")
