"""What surrounds a published listener: the flow's text as plain YAML, and every name that it may look up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from intellyhub_engine.errors import EngineError
from intellyhub_engine.language.reading.text import read
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.variables import resolve_variables
from intellyhub_engine.machine.source import SourceContext

__all__ = ["make_surroundings"]

BARE: Mapping[str, Any] = {"states": {"end": {"state_type": "end"}}}


def make_surroundings(context: SourceContext) -> tuple[str, dict[str, Any]]:
    """The document, and the names: those around the flow, then the flow's own `variables`, resolved."""
    flow = read_flow(context)
    names = dict(context.settings)
    written = flow.get("variables")
    if isinstance(written, dict):
        scope = Scope(outer=context.settings, now_ns=context.now_ns)
        try:
            names |= resolve_variables({str(name): value for name, value in written.items()}, scope)
        except EngineError as fault:
            context.log("warning", f"the flow's variables are not handed to the listener: {fault}")
    document = yaml.safe_dump({"name": context.flow, **flow}, sort_keys=False, allow_unicode=True)
    return document, names


def read_flow(context: SourceContext) -> Mapping[str, Any]:
    """The flow's text as the language reads it, repaired where that repairs it; published listeners load it again, with
    a plain YAML reader."""
    if context.text is None:
        return BARE
    try:
        root = read(context.text.read_bytes()).root
    except (OSError, EngineError) as fault:
        context.log("warning", f"the flow's text is not handed to the listener: {fault}")
        return BARE
    return root if isinstance(root, dict) else BARE
