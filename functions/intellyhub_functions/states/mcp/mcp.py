"""The `mcp` state: calls a tool of an MCP server, over HTTP, or of one that is started for it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import TextRecord, text_of, wrap
from intellyhub_engine.machine.step import Step
from intellyhub_functions.rpc.link import DEFAULT_TIMEOUT_SECONDS, make_request
from intellyhub_functions.rpc.mcp_client import McpClient, connect_http
from intellyhub_functions.rpc.pipe import PipeLink, start_process
from intellyhub_functions.settings import settings

__all__ = ["make_result", "open_client", "perform", "read_arguments"]


def perform(parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """The result of the action. A tool that failed fails the state, unless `accept_errors`; its result is kept."""
    action = parameters.get("action") or "call"
    with open_client(parameters, step) as client:
        return ACTIONS[action](client, parameters, step)


@contextmanager
def open_client(parameters: Mapping[str, Any], step: Step) -> Iterator[McpClient]:
    """A client of the server that the parameters name, connected."""
    ends = None if step.timeout_seconds is None else time.monotonic() + step.timeout_seconds
    client = start(parameters, step, ends) if parameters.get("command") else connect(parameters, step, ends)
    try:
        yield client
    finally:
        client.close()


def connect(parameters: Mapping[str, Any], step: Step, ends: float | None) -> McpClient:
    """To a server over HTTP."""
    url = text_of(parameters.get("url") or "").strip()
    if not url:
        raise PermanentError("an mcp state needs the `url` of a server, or the `command` that starts one")
    return connect_http(make_request(url, parameters, step), ends=ends, log=step.log)


def start(parameters: Mapping[str, Any], step: Step, ends: float | None) -> McpClient:
    """To a server that lives as long as this state."""
    written = parameters["command"]
    command = [text_of(part) for part in written] if isinstance(written, list) else shlex.split(text_of(written))
    command += [text_of(part) for part in parameters.get("args") or ()]
    environment = {str(name): text_of(value) for name, value in (parameters.get("env") or {}).items()}
    allowed = settings().mcp_commands
    process = start_process(command, folder=step.workspace, environment=environment, allowed=allowed)
    seconds = float(parameters.get("timeout", DEFAULT_TIMEOUT_SECONDS))
    link = PipeLink(process, name=command[0], timeout_seconds=seconds, ends=ends, cancelled=step.cancelled)
    client = McpClient(link, name=command[0], log=step.log)
    try:
        client.connect()
    except BaseException:
        client.close()
        raise
    return client


def call(client: McpClient, parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """Call a tool."""
    name = text_of(parameters.get("tool") or "").strip()
    if not name:
        raise PermanentError("an mcp state that calls needs the name of a `tool`")
    given = client.call(name, read_arguments(parameters), key=step.idempotency_key)
    result = make_result(given)
    if result["is_error"] and not parameters.get("accept_errors"):
        raise PermanentError(f"the tool {name!r} failed: {text_of(result)[:1000]}", result=wrap(result))
    return result


def list_tools(client: McpClient, parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """The server's tools."""
    tools = client.tools()
    names = [text_of(tool.get("name")) for tool in tools]
    return TextRecord({"text": "\n".join(names), "names": names, "tools": tools, "is_error": False}, "text")


def read(client: McpClient, parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """A resource of the server."""
    uri = text_of(parameters.get("resource") or "").strip()
    if not uri:
        raise PermanentError("an mcp state that reads needs the address of a `resource`")
    contents = client.read(uri).get("contents")
    parts = [part for part in contents if isinstance(part, dict)] if isinstance(contents, list) else []
    text = "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    return TextRecord({"text": text, "contents": parts, "is_error": False}, "text")


def prompt(client: McpClient, parameters: Mapping[str, Any], step: Step) -> TextRecord:
    """A prompt of the server, filled in."""
    name = text_of(parameters.get("prompt") or "").strip()
    if not name:
        raise PermanentError("an mcp state that gets a prompt needs its name as `prompt`")
    messages = client.prompt(name, read_arguments(parameters)).get("messages")
    parts = [part for part in messages if isinstance(part, dict)] if isinstance(messages, list) else []
    text = "\n".join(text_in([part.get("content")]) for part in parts)
    return TextRecord({"text": text, "messages": parts, "is_error": False}, "text")


ACTIONS: Mapping[str, Callable[[McpClient, Mapping[str, Any], Step], TextRecord]] = {
    "call": call,
    "list": list_tools,
    "read": read,
    "prompt": prompt,
}


def read_arguments(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments, an object or the text of one."""
    given = parameters.get("arguments")
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given)
        except ValueError as fault:
            raise PermanentError(f"the arguments are not JSON: {fault}") from fault
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise PermanentError("the arguments must be an object")
    return given


def make_result(given: Mapping[str, Any]) -> TextRecord:
    """`text`, `content`, `data` (what is structured, else the text read as JSON where it is), `is_error`."""
    content = given.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    text = text_in(parts)
    data = given.get("structuredContent")
    entries = {
        "text": text,
        "data": read_json(text) if data is None else data,
        "content": parts,
        "is_error": given.get("isError") is True,
    }
    return TextRecord(entries, "text")


def text_in(parts: list[Any]) -> str:
    """The texts among the parts of a content."""
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def read_json(text: str) -> Any:
    """A text as JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
