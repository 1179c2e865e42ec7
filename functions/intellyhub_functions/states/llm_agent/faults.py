"""What an llm_agent state can never do, told before the flow runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.schemas import schema_faults
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.langchain.work import PLACE
from intellyhub_functions.rpc.faults import given_names
from intellyhub_functions.states.llm_agent.conversation import read_bounds
from intellyhub_functions.states.llm_agent.llm_agent import CHAIN_WITH_TOOLS
from intellyhub_functions.states.llm_agent.tools import UNREADABLE

__all__ = ["examine"]

TOOLS = ("flow", "mcp", "http", "url", "langchain")


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """The shape of its answer, its tools, its chain, its memory."""
    if isinstance(known.get("schema"), Mapping):
        for told in schema_faults(known["schema"]):
            yield ParameterFault(("schema",), f"schema is no JSON Schema: {told}")
    if given_names(known, unknown) >= {"chain", "tools"}:
        yield ParameterFault(("tools",), CHAIN_WITH_TOOLS)
    yield from find_place_fault(known.get("chain"), ("chain",))
    tools = known.get("tools")
    for number, entry in enumerate(tools if isinstance(tools, list) else ()):
        yield from examine_tool(entry, ("tools", number))
    if isinstance(known.get("memory"), Mapping):
        try:
            read_bounds(known["memory"])
        except PermanentError as fault:
            yield ParameterFault(("memory",), str(fault))


def examine_tool(entry: Any, path: tuple[str | int, ...]) -> Iterator[ParameterFault]:
    if not isinstance(entry, Mapping):
        return
    if not any(entry.get(name) for name in TOOLS):
        yield ParameterFault(path, f"tools[{path[-1]}] {UNREADABLE}")
    if (entry.get("http") or entry.get("url")) and not entry.get("name"):
        yield ParameterFault(path, f"tools[{path[-1]}]: an http tool needs a name")
    yield from find_place_fault(entry.get("langchain"), (*path, "langchain"))
    if isinstance(entry.get("parameters"), Mapping):
        for told in schema_faults(entry["parameters"]):
            yield ParameterFault((*path, "parameters"), f"the tool's parameters are no JSON Schema: {told}")


def find_place_fault(written: Any, path: tuple[str | int, ...]) -> Iterator[ParameterFault]:
    """A chain or a tool of LangChain's that stands nowhere."""
    if written and not PLACE.fullmatch(text_of(written).strip()):
        yield ParameterFault(path, f"{text_of(written)[:100]!r} is no place in a module: write module:attribute")
