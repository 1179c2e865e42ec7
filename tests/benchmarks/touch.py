"""A state type that counts as an effect and does nothing, so that only the durability of its step costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue, StateType
from intellyhub_engine.machine.step import Step

__all__ = ["CATALOGUE"]


def perform(parameters: Mapping[str, Any], step: Step) -> int:
    """The step's number, as the peers' steps answer theirs."""
    return step.seq


CATALOGUE = Catalogue(states={"bench_touch": StateType(type="bench_touch", effect=True, load=lambda: perform)})
"""For INTELLYHUB_CATALOGUE, beside the installed one."""
