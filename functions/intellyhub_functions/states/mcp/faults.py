"""What an mcp state can never do, told before the flow runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_functions.rpc.faults import find_address_fault, given_names
from intellyhub_functions.states.mcp.mcp import read_arguments

__all__ = ["examine"]

NEEDED = {"call": "tool", "read": "resource", "prompt": "prompt"}
"""What each action cannot do without."""


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """Its server, what its action needs, its arguments."""
    given = given_names(known, unknown)
    if not given & {"url", "command"}:
        yield ParameterFault((), "an mcp state needs the `url` of a server, or the `command` that starts one")
    if given >= {"url", "command"}:
        yield ParameterFault(("url",), "the `command` starts the server; nobody asks the `url`", certain=False)
    yield from find_address_fault(known)
    needed = None if "action" in unknown else NEEDED.get(str(known.get("action") or "call"))
    if needed is not None and needed not in given:
        action = known.get("action") or "call"
        path = ("action",) if "action" in known else ()
        yield ParameterFault(path, f"the action {action!r} needs `{needed}`")
    try:
        read_arguments(known)
    except PermanentError as fault:
        yield ParameterFault(("arguments",), str(fault))
