"""A client of MCP servers, of either way in which they are spoken to (`rpc/mcp_protocol.py`).

It asks and is answered; a server that wants something of its client (a model, a person) hears that there is none.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.network.exchange import Request, send
from intellyhub_functions.rpc import mcp_protocol as protocol
from intellyhub_functions.rpc.link import Declined, HttpLink, Link, Rejected, find_result
from intellyhub_functions.rpc.messages import Code

__all__ = ["McpClient", "connect_http"]

CLIENT = {"name": "intellyhub", "version": "0.1.0"}
SESSION = "mcp-session-id"
MAX_PAGES = 50
MAX_TOOLS = 1000
MAX_REMEMBERED = 1000
ERAS: OrderedDict[str, bool] = OrderedDict()
"""By address: whether a server is spoken to in the newer way. Forgotten where that turns out wrong."""
LOCK = threading.Lock()
UNWILLING = frozenset((400, 404, 405, 406, 415, 422, 500, 501))
"""What servers answer to a way of speaking that they do not know."""

Heard = Callable[[str, str], None]


class McpClient:
    """One conversation; close it. Its methods raise StepFailed's kinds."""

    def __init__(self, link: Link, *, name: str, log: Heard = lambda level, message: None, key: str = "") -> None:
        self._link = link
        self._name = name
        self._log = log
        self._key = key
        """By which the server's way of speaking is remembered; empty: not at all."""
        self._ids = itertools.count(1)
        self._version = ""
        self._modern = False

    def connect(self) -> None:
        """Agree on how to speak."""
        known = ERAS.get(self._key) if self._key else None
        if known is None:
            self._modern = self.discover()
            if self._key:
                remember(self._key, self._modern)
        else:
            self._modern = known
        if self._modern:
            self._version = protocol.MODERN[-1]
        else:
            self.shake_hands()

    def tools(self) -> list[dict[str, Any]]:
        """All tools: `name`, `description`, `inputSchema` and what else the server tells of each."""
        found: list[dict[str, Any]] = []
        cursor: Any = None
        for _ in range(MAX_PAGES):
            page = self.request("tools/list", {} if cursor is None else {"cursor": cursor})
            listed = page.get("tools")
            found += [tool for tool in listed if isinstance(tool, dict)] if isinstance(listed, list) else []
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or len(found) >= MAX_TOOLS:
                break
        return found[:MAX_TOOLS]

    def call(self, name: str, arguments: Mapping[str, Any], *, key: str | None = None) -> Mapping[str, Any]:
        """Call a tool; its result as the server gave it (`content`, `structuredContent`, `isError`). A server that
        knows the `key` does nothing twice."""
        params: dict[str, Any] = {"name": name, "arguments": dict(arguments), "_meta": {"progressToken": "progress"}}
        if key is not None:
            params["_meta"]["io.intellyhub/idempotencyKey"] = key
        try:
            result = self.request("tools/call", params)
        except Declined as fault:
            if fault.code != protocol.HEADER_MISMATCH:
                raise
            mirrored = mirror(next((tool for tool in self.tools() if tool.get("name") == name), {}), arguments)
            result = self.request("tools/call", params, mirrored)
        if result.get("resultType", "complete") != "complete":
            raise PermanentError(f"{self._name}: the tool {name!r} wants to be told more, which a flow cannot do")
        return result

    def read(self, uri: str) -> Mapping[str, Any]:
        """Read a resource: `contents`."""
        return self.request("resources/read", {"uri": uri})

    def prompt(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """A prompt, filled in: `messages`."""
        return self.request("prompts/get", {"name": name, "arguments": {k: text_of(v) for k, v in arguments.items()}})

    def request(
        self, method: str, params: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """The result of a method."""
        told = dict(headers or {})
        if self._version:
            told[protocol.VERSION_HEADER] = self._version
        if self._modern:
            params = {**params, "_meta": {**params.get("_meta", {}), **ENVELOPE}}
            told["mcp-method"] = method
            named = protocol.NAMED.get(method)
            if named in params:
                told["mcp-name"] = protocol.encode_header(text_of(params[named]))
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            return find_result(self._link.ask(message, told), message["id"], heard=self.hear, name=self._name)
        except Declined as fault:
            if fault.code == protocol.UNSUPPORTED_VERSION and self._key:
                remember(self._key, None)
            raise

    def discover(self) -> bool:
        """Whether the server is spoken to in the newer way."""
        self._modern, self._version = True, protocol.MODERN[-1]
        try:
            told = self.request("server/discover", {})
        except Declined as fault:
            supported = fault.data.get("supported") if isinstance(fault.data, Mapping) else None
            if isinstance(supported, list) and not set(map(text_of, supported)) & set(protocol.HANDSHAKE):
                raise
            return False
        except Rejected as refusal:
            if refusal.status not in UNWILLING:
                raise
            return False
        versions = told.get("supportedVersions")
        return isinstance(versions, list) and protocol.MODERN[-1] in versions

    def shake_hands(self) -> None:
        """The older way: a handshake."""
        self._modern, self._version = False, ""
        wanted = {"protocolVersion": protocol.HANDSHAKE[-1], "capabilities": {}, "clientInfo": CLIENT}
        version = self.request("initialize", wanted).get("protocolVersion")
        if version not in protocol.HANDSHAKE:
            raise PermanentError(f"{self._name} speaks version {text_of(version)[:40]!r} of MCP, which we do not")
        self._version = version
        self.notify({"method": "notifications/initialized"})

    def hear(self, message: Mapping[str, Any]) -> None:
        """What the server says by itself: progress and log lines are logged, questions declined."""
        method, params = message.get("method"), message.get("params")
        told = params if isinstance(params, Mapping) else {}
        if method == "notifications/progress" and told.get("message"):
            self._log("info", text_of(told["message"])[:2000])
        elif method == "notifications/message":
            self._log(level_of(told.get("level")), text_of(told.get("data"))[:2000])
        elif method == "ping" and "id" in message:
            self.notify({"id": message["id"], "result": {}})
        elif method is not None and "id" in message:
            error = {"code": int(Code.METHOD_NOT_FOUND), "message": "there is no model and no person here"}
            self.notify({"id": message["id"], "error": error})

    def notify(self, message: Mapping[str, Any]) -> None:
        """Send what is not answered."""
        headers = {protocol.VERSION_HEADER: self._version} if self._version else {}
        drain(self._link.ask({"jsonrpc": "2.0", **message}, headers))

    def close(self) -> None:
        """Let the server go."""
        self._link.close()


ENVELOPE = {
    protocol.VERSION_KEY: protocol.MODERN[-1],
    protocol.CLIENT_KEY: CLIENT,
    protocol.CAPABILITIES_KEY: {},
}


class SessionLink(HttpLink):
    """Ends the server's session, where it has begun one."""

    def close(self) -> None:
        if SESSION in self.session:
            with suppress(StepFailed):  # it ends by itself, too
                send(self.make_request("DELETE", {}, None))


def connect_http(request: Request, *, ends: float | None = None, log: Heard = lambda level, message: None) -> McpClient:
    """A client of the server at the request's address, connected."""
    link = SessionLink(request=request, ends=ends, kept=(SESSION,))
    client = McpClient(link, name=request.name, log=log, key=request.url)
    client.connect()
    return client


def remember(key: str, modern: bool | None) -> None:
    """Keep how a server is spoken to, or forget it."""
    with LOCK:
        ERAS.pop(key, None)
        if modern is not None:
            ERAS[key] = modern
        while len(ERAS) > MAX_REMEMBERED:
            ERAS.popitem(last=False)


def drain(messages: Iterator[Mapping[str, Any]]) -> None:
    """Read to the end; nothing is expected."""
    for _ in messages:
        pass


def mirror(tool: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Arguments that a tool wants to see as headers too (`x-mcp-header` in its schema)."""
    schema = tool.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    headers = {}
    for name, body in properties.items() if isinstance(properties, Mapping) else ():
        header = body.get("x-mcp-header") if isinstance(body, Mapping) else None
        value = arguments.get(name)
        if isinstance(header, str) and header.isascii() and header.replace("-", "").isalnum() and value is not None:
            text = str(value).lower() if isinstance(value, bool) else text_of(value)
            headers[f"mcp-param-{header.lower()}"] = protocol.encode_header(text)
    return headers


def level_of(told: Any) -> str:
    """MCP's eight levels as our four."""
    levels = {"debug": "debug", "info": "info", "notice": "info", "warning": "warning"}
    return levels.get(told, "error") if isinstance(told, str) else "info"
