"""An MCP server: the tools of one flow at its hook, those of all flows of a tenant at the tenant's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Accept, Callee, Direct, Facts, HookAnswer, Ran, Received, Refused, read_ran
from intellyhub_functions.rpc import mcp_protocol as protocol
from intellyhub_functions.rpc.messages import Call, Code, RpcFault, make_fault, make_result, pack, read_call
from intellyhub_functions.sources.callers import Callers, examine, make_callers
from intellyhub_functions.sources.mcp.results import Answering
from intellyhub_functions.sources.mcp.tools import LISTENER, find_tool, make_tool, takes_bare_input, tools_of

__all__ = ["McpHook", "examine", "open_hook", "open_tenant_hook", "path_of"]

EVENT_TYPE = "io.intellyhub.mcp.request"
DEFAULT_REPLY_SECONDS = 300.0
MAX_BODY_BYTES = 1 << 20
MAX_KEY_CHARACTERS = 256
IDEMPOTENCY_KEY = "io.intellyhub/idempotencyKey"
"""In `_meta`: a client that calls again with the same one finds the run it has made."""
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
ACKNOWLEDGED = Direct(HookAnswer(202, content_type=""))
NO_STREAM = Direct(HookAnswer(405, content_type="", headers={"Allow": "POST"}))
"""A server that says nothing by itself has none."""
TTL_MILLISECONDS = 10_000
"""How long a client may keep the list of tools."""


def open_hook(parameters: Mapping[str, Any], facts: Facts) -> McpHook:
    """The server of one flow. Raises PermanentError for a token without a value."""
    return McpHook(
        facts=facts,
        callers=make_callers(parameters, facts, "mcp"),
        paths=frozenset(("/", "/mcp", path_of(parameters))),
        reply_seconds=float(parameters.get("reply_timeout", DEFAULT_REPLY_SECONDS)),
    )


def path_of(parameters: Mapping[str, Any]) -> str:
    """The listener's own path."""
    return "/" + text_of(parameters.get("endpoint") or "/context").strip("/")


def open_tenant_hook(parameters: Mapping[str, Any], facts: Facts) -> McpHook:
    """The server of a tenant: whoever shows one of its tokens may call all its flows that say what they take."""
    return open_hook({}, facts)


@dataclass(frozen=True, kw_only=True, slots=True)
class McpHook:
    """One MCP server, over streamable HTTP."""

    facts: Facts
    callers: Callers
    paths: frozenset[str]
    reply_seconds: float
    max_body_bytes: int = MAX_BODY_BYTES

    def admit(self, head: Received) -> Direct | None:
        if ("/" + head.path.strip("/")) not in self.paths:
            raise Refused(404, "no server is here")
        self.callers.check(head)
        if head.method == "POST" or (head.method == "GET" and resource_of(head)):
            return None
        return NO_STREAM

    def answer(self, received: Received, now_ns: int) -> Direct | Accept:
        if received.method == "GET":
            return self.read_resource(received, now_ns)
        try:
            call = read_call(received.body)
            modern = protocol.is_modern(received.headers)
            if call is None or call.id is None:
                return ACKNOWLEDGED
            if modern:
                protocol.check_modern(call, received.headers)
            return self.act(call, received, now_ns, modern=modern)
        except RpcFault as fault:
            return Direct(make_fault(fault))

    def act(self, call: Call, received: Received, now_ns: int, *, modern: bool) -> Direct | Accept:
        """Raises RpcFault."""
        if call.method == "tools/call":
            return self.call_tool(call, received, now_ns, modern=modern)
        known = MODERN_METHODS if modern else METHODS
        if call.method not in known:
            detail = f"{call.method[:100]} is not offered here"
            raise RpcFault(Code.METHOD_NOT_FOUND, detail, call_id=call.id, status=404 if modern else 200)
        result = known[call.method](self, call)
        if modern:
            result = {"resultType": "complete", **result, "_meta": {SERVER_INFO_KEY: self.about}}
        return Direct(make_result(call, result))

    @property
    def about(self) -> dict[str, Any]:
        """Who the server is."""
        return {"name": f"intellyhub-{self.facts.name}", "title": f"IntellyHub: {self.facts.name}", "version": "1.0.0"}

    def initialize(self, call: Call) -> dict[str, Any]:
        """The handshake."""
        version = protocol.agree(call.params.get("protocolVersion"))
        return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": self.about}

    def discover(self, call: Call) -> dict[str, Any]:
        """What stands in for it."""
        versions = [*protocol.HANDSHAKE, *protocol.MODERN]
        return {"supportedVersions": versions, "capabilities": CAPABILITIES, **CACHED}

    def ping(self, call: Call) -> dict[str, Any]:
        """A sign of life."""
        return {}

    def list_tools(self, call: Call) -> dict[str, Any]:
        """All tools, on one page."""
        return {"tools": [make_tool(flow) for flow in tools_of(self.facts.flows)]}

    def list_tools_cached(self, call: Call) -> dict[str, Any]:
        """The same, and for how long it holds."""
        return {**self.list_tools(call), **CACHED}

    def call_tool(self, call: Call, received: Received, now_ns: int, *, modern: bool) -> Direct | Accept:
        """The event that calls a flow."""
        flow = find_tool(self.facts.flows, call.params.get("name"))
        if flow is None:
            detail = f"there is no tool {str(call.params.get('name'))[:100]!r}"
            raise RpcFault(Code.INVALID_PARAMS, detail, call_id=call.id, status=400 if modern else 200)
        arguments = call.params.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise RpcFault(Code.INVALID_PARAMS, "the arguments must be an object", call_id=call.id)
        answering = Answering(call, flow, modern=modern)
        data = make_data(flow, arguments, call, received)
        event = make_event(flow, data, identity_of(call, received), now_ns)
        takes_stream = "text/event-stream" in received.headers.get("accept", "")
        return Accept(
            event,
            answering.reply,
            wait_seconds=self.reply_seconds,
            patient=True,
            stream=answering.stream if takes_stream else None,
            flow_id=flow.flow_id,
        )

    def read_resource(self, received: Received, now_ns: int) -> Accept:
        """`GET .../context?resource_id=`, as the published listener was asked: what the flow answers, as it is."""
        flow = self.facts.flows[0]
        data = {"command": "read", "resource_id": resource_of(received), "client_id": received.address, "arguments": {}}
        event = make_event(flow, data, None, now_ns)
        return Accept(event, show_output, wait_seconds=self.reply_seconds, flow_id=flow.flow_id)


CAPABILITIES = {"tools": {"listChanged": False}}
CACHED = {"ttlMs": TTL_MILLISECONDS, "cacheScope": "private"}
METHODS: Mapping[str, Callable[[McpHook, Call], dict[str, Any]]] = {
    "initialize": McpHook.initialize,
    "ping": McpHook.ping,
    "tools/list": McpHook.list_tools,
    "server/discover": McpHook.discover,
}
MODERN_METHODS: Mapping[str, Callable[[McpHook, Call], dict[str, Any]]] = {
    "server/discover": McpHook.discover,
    "tools/list": McpHook.list_tools_cached,
}


def make_data(flow: Callee, arguments: dict[str, Any], call: Call, received: Received) -> Any:
    """The event's data: for this listener all it may ask about, for any other flow what it is called with."""
    if flow.listener != LISTENER:
        return arguments.get("input") if takes_bare_input(flow) else arguments
    return {
        "command": call.params["name"],
        "message": arguments.get("message"),
        "resource_id": arguments.get("resource_id"),
        "context": arguments.get("context"),
        "client_id": protocol.client_of(call, received.headers),
        "arguments": arguments,
    }


def make_event(flow: Callee, data: Any, identity: str | None, now_ns: int) -> Event:
    """The event of a call."""
    return Event(
        id=identity or uuid.uuid4().hex,
        source=flow.source,
        type=EVENT_TYPE,
        subject=flow.name,
        time=datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat(),
        datacontenttype="application/json",
        data=data,
    )


def identity_of(call: Call, received: Received) -> str | None:
    """The client's own name for this call, where it gives one."""
    meta = call.params.get("_meta")
    told = meta.get(IDEMPOTENCY_KEY) if isinstance(meta, Mapping) else None
    found = told or received.headers.get("idempotency-key")
    return found if isinstance(found, str) and 0 < len(found) <= MAX_KEY_CHARACTERS else None


def resource_of(received: Received) -> str:
    """The resource that a plain GET names; empty for none."""
    try:
        return parse_qs(received.query, max_num_fields=100).get("resource_id", [""])[0]
    except ValueError:
        return ""


def show_output(ran: Ran) -> HookAnswer:
    """What the flow said, as JSON."""
    seen = read_ran(ran)
    if seen.status == "succeeded":
        return HookAnswer(200, pack(seen.output))
    return HookAnswer(ran.status if ran.status >= 400 else 202, json.dumps({"status": seen.status}).encode())
