"""The tools that a model may use: other flows, MCP servers, HTTP services, LangChain's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.schemas import find_faults
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.models.question import Tool, ToolCall
from intellyhub_functions.states.llm_agent.http_tool import make_http_use

__all__ = ["UNREADABLE", "Toolbox", "open_tools"]

ANYTHING: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}
MAX_TOOLS = 128
"""What interfaces take."""
MAX_RESULT_CHARACTERS = 64 * 1024
SHOWN_CHARACTERS = 200
MAX_SHOWN_ARGUMENTS = 2000
UNREADABLE = "names no `flow`, no `mcp` server, no `http` address and no `langchain` tool"
NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")

Use = Callable[[Mapping[str, Any], str], Any]
"""`use(arguments, key)`: what the tool gives; `key` is the call's own within the step."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A tool with what it takes to use it."""

    tool: Tool
    use: Use
    checked: bool = True
    """Its arguments are checked here; an MCP server checks its own."""


@contextmanager
def open_tools(parameters: Mapping[str, Any], step: Step) -> Iterator[Toolbox]:
    """The tools of a state's `tools`: names of flows, and mappings with one of `flow`, `mcp`, `http` and `langchain`.
    Raises PermanentError where one is not there or not understood."""
    written = parameters.get("tools") or []
    with ExitStack() as stack:
        ready: list[Ready] = []
        for place, entry in enumerate(written if isinstance(written, list) else [written]):
            ready += read_tool(entry, f"tools[{place}]", parameters, step, stack)
        if len(ready) > MAX_TOOLS:
            raise PermanentError(f"there are {len(ready)} tools; models take up to {MAX_TOOLS}. Name those of a server")
        yield Toolbox(ready, step)


def read_tool(entry: Any, place: str, parameters: Mapping[str, Any], step: Step, stack: ExitStack) -> list[Ready]:
    """One entry; a server and a module may be many tools."""
    if not isinstance(entry, Mapping):
        entry = {"flow": text_of(entry)}
    if entry.get("flow"):
        return [flow_tool(entry, place, step)]
    if entry.get("mcp"):
        return mcp_tools(entry, place, step, stack)
    if entry.get("http") or entry.get("url"):
        return [http_tool(entry, place, step)]
    if entry.get("langchain"):
        return langchain_tools(entry, place, parameters.get("requirements"), step)
    raise PermanentError(f"{place} {UNREADABLE}")


def flow_tool(entry: Mapping[str, Any], place: str, step: Step) -> Ready:
    """Another flow: its own `description` and `input` tell the model what it is for."""
    name = text_of(entry["flow"])
    card = step.flows.find(name)
    if card is None:
        raise PermanentError(f"{place}: there is no flow {name!r}")
    schema = entry.get("parameters") or card.input_schema or ANYTHING
    description = text_of(entry.get("description") or card.description or f"Runs {name}.")
    tool = Tool(name=tool_name(entry.get("name") or name), description=description, schema=as_schema(schema, place))
    return Ready(tool=tool, use=lambda arguments, key: step.flows.call(name, arguments, key=key))


def http_tool(entry: Mapping[str, Any], place: str, step: Step) -> Ready:
    """An HTTP service. What it takes has to be said."""
    schema = as_schema(entry.get("parameters") or ANYTHING, place)
    if not entry.get("name"):
        raise PermanentError(f"{place}: an http tool needs a name")
    description = text_of(entry.get("description") or "")
    tool = Tool(name=tool_name(entry["name"]), description=description, schema=schema)
    return Ready(tool=tool, use=make_http_use(entry, schema, step))


def mcp_tools(entry: Mapping[str, Any], place: str, step: Step, stack: ExitStack) -> list[Ready]:
    """The tools of an MCP server, or those named by `only`."""
    from intellyhub_functions.states.mcp.mcp import open_client

    server = entry["mcp"] if isinstance(entry["mcp"], Mapping) else {**entry, "url": text_of(entry["mcp"])}
    client = stack.enter_context(open_client(server, step))

    def use_of(name: str) -> Use:
        return lambda arguments, key: mcp_result(client.call(name, arguments, key=f"{step.idempotency_key}/{key}"))

    return [
        Ready(
            tool=Tool(
                name=tool_name(told["name"]),
                description=text_of(told.get("description") or ""),
                schema=as_schema(told.get("inputSchema") or ANYTHING, place),
            ),
            use=use_of(text_of(told["name"])),
            checked=False,
        )
        for told in choose(client.tools(), entry, f"{place}: the server")
    ]


def choose(listed: Sequence[Mapping[str, Any]], entry: Mapping[str, Any], owner: str) -> Iterator[Mapping[str, Any]]:
    """All that an owner has, or those named by `only`. Raises PermanentError for a name that none has."""
    only = {text_of(name) for name in entry.get("only") or ()}
    missing = only - {text_of(tool.get("name")) for tool in listed}
    if missing:
        raise PermanentError(f"{owner} has no tool {', '.join(sorted(missing))}")
    return (tool for tool in listed if tool.get("name") and (not only or tool["name"] in only))


def langchain_tools(entry: Mapping[str, Any], place: str, requirements: Any, step: Step) -> list[Ready]:
    """LangChain's tools at `module:attribute`, or those named by `only`."""
    from intellyhub_functions.langchain.work import describe_tools, use_tool

    written = entry["langchain"]

    def use_of(name: str) -> Use:
        return lambda arguments, key: use_tool(written, name, arguments, requirements, step)

    return [
        Ready(
            tool=Tool(
                name=tool_name(told["name"]),
                description=text_of(told.get("description") or ""),
                schema=as_schema(told.get("parameters") or ANYTHING, place),
            ),
            use=use_of(text_of(told["name"])),
        )
        for told in choose(describe_tools(written, requirements, step), entry, f"{place}: {text_of(written)}")
    ]


def mcp_result(result: Mapping[str, Any]) -> Any:
    """What the model reads of a result: its texts, else its structure. Raises PermanentError where the tool failed."""
    from intellyhub_functions.states.mcp.mcp import make_result

    told = make_result(result)
    if told["is_error"]:
        raise PermanentError(told["text"] or "it failed")
    return told["text"] or told["data"]


def tool_name(written: Any) -> str:
    """A name as interfaces take it."""
    return NO_NAME.sub("_", text_of(written))[:64] or "tool"


def as_schema(schema: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        raise PermanentError(f"{place}: its parameters are no JSON Schema")
    return schema if "type" in schema else {"type": "object", **schema}


class Toolbox:
    """Uses the tools that the model asks for, and remembers what it used."""

    def __init__(self, ready: list[Ready], step: Step) -> None:
        self._ready: dict[str, Ready] = {}
        for each in ready:
            if each.tool.name in self._ready:
                raise PermanentError(f"two tools are called {each.tool.name!r}: give one of them another `name`")
            self._ready[each.tool.name] = each
        self._step = step
        self._counts: dict[str, int] = {}
        self.used: list[dict[str, Any]] = []
        """Name, arguments and outcome of every call."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the model is told of them."""
        return tuple(each.tool for each in self._ready.values())

    def use(self, call: ToolCall) -> str:
        """What the model reads of the result, or of what went wrong: it may do better the next time. Raises what ends
        the step: cancellation, its deadline, and the journal's faults."""
        failed = False
        try:
            ready, arguments = self._read(call)
            said = as_text(ready.use(arguments, self._key(call)))
        except (StepCancelled, StepTimedOut):
            raise
        except (PermanentError, RetryableError) as fault:
            said, failed = f"error: {fault}", True
        shown = said if len(said) <= SHOWN_CHARACTERS else said[:SHOWN_CHARACTERS] + "..."
        self._step.log("warning" if failed else "info", f"tool {call.name}: {shown}")
        self.used.append({"name": call.name, "arguments": call.arguments[:MAX_SHOWN_ARGUMENTS], "failed": failed})
        return said[:MAX_RESULT_CHARACTERS]

    def _read(self, call: ToolCall) -> tuple[Ready, Mapping[str, Any]]:
        ready = self._ready.get(call.name)
        if ready is None:
            known = ", ".join(self._ready) or "none"
            raise PermanentError(f"there is no tool {call.name!r}; there are {known}")
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError) as fault:
            raise PermanentError(f"the arguments are no JSON: {fault}") from fault
        if not isinstance(arguments, dict):
            raise PermanentError("the arguments must be an object")
        if ready.checked:
            faults = find_faults(ready.tool.schema, arguments)
            if faults:
                raise PermanentError("the arguments do not fit: " + "; ".join(faults))
        return ready, arguments

    def _key(self, call: ToolCall) -> str:
        """The same for the same call when a crash repeats the step; equal calls are counted."""
        digest = sha256(f"{call.name}\0{call.arguments}".encode()).hexdigest()[:16]
        self._counts[digest] = self._counts.get(digest, 0) + 1
        return f"tool-{digest}-{self._counts[digest]}"


def as_text(value: Any) -> str:
    """A result as the model reads it."""
    if isinstance(value, str) or not isinstance(value, dict | list | tuple):
        return text_of(value)
    return json.dumps(value, ensure_ascii=False, default=text_of)
