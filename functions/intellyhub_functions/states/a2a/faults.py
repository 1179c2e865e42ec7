"""What an a2a state can never do, told before the flow runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_functions.rpc.faults import find_address_fault, given_names

__all__ = ["examine"]


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """Its agent, and the task that it asks after."""
    yield from find_address_fault(known)
    action = known.get("action") or "send"
    asks_after = "action" not in unknown and action != "send"
    if asks_after and "task_id" not in given_names(known, unknown):
        yield ParameterFault(("action",), f"the action {action!r} needs the `task_id`")
