"""Flows as tools: what a client is told of one.

https://modelcontextprotocol.io/specification/2025-11-25/server/tools
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_engine.machine.hook import Callee

__all__ = ["find_tool", "make_tool", "name_of", "takes_bare_input", "tools_of"]

LISTENER = "mcp"
MAX_NAME = 64
PLAIN = re.compile(r"[^A-Za-z0-9_-]")
PUBLISHED_INPUT = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": "What the flow is asked."},
        "resource_id": {"type": "string", "description": "What it is asked about."},
        "context": {"description": "Whatever else it should know."},
    },
}
"""What a flow with this listener takes that does not say what it takes."""


def tools_of(flows: Sequence[Callee]) -> list[Callee]:
    """The flows that are tools: those with an `input`, and those whose listener is this one; by name."""
    return sorted(
        (flow for flow in flows if flow.input_schema is not None or flow.listener == LISTENER),
        key=lambda flow: flow.name,
    )


def find_tool(flows: Sequence[Callee], name: Any) -> Callee | None:
    """The flow that a client calls so."""
    return next((flow for flow in tools_of(flows) if name_of(flow) == name), None)


def name_of(flow: Callee) -> str:
    """Its name as every client takes one."""
    return PLAIN.sub("_", flow.name)[:MAX_NAME]


def takes_bare_input(flow: Callee) -> bool:
    """Whether its input is no object; tools take nothing else, so it is then their one argument, `input`."""
    schema = flow.input_schema
    return schema is not None and schema.get("type", "object") != "object"


def make_tool(flow: Callee) -> dict[str, Any]:
    """What a client is told."""
    tool: dict[str, Any] = {
        "name": name_of(flow),
        "title": flow.title,
        "description": flow.description or flow.title,
        "inputSchema": input_of(flow),
    }
    if has_output(flow):
        tool["outputSchema"] = flow.output_schema
    return tool


def has_output(flow: Callee) -> bool:
    """Whether its answers are objects that its schema describes."""
    return flow.output_schema is not None and flow.output_schema.get("type") == "object"


def input_of(flow: Callee) -> Mapping[str, Any]:
    """The schema of a tool's arguments, which is always that of an object."""
    if flow.input_schema is None:
        return PUBLISHED_INPUT
    if takes_bare_input(flow):
        return {"type": "object", "properties": {"input": flow.input_schema}, "required": ["input"]}
    return {"type": "object", **flow.input_schema}
