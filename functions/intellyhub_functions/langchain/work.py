"""LangChain seen from the worker: what is to be done goes to a process of its own, what comes back is only data.

Nothing of LangChain, and nothing of the author's modules, is imported here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from intellyhub_engine.blocks.blocks import blocks_of
from intellyhub_engine.errors import PermanentError, RetryableError, ValueRefused
from intellyhub_engine.language.values.values import encode, text_of, wrap
from intellyhub_engine.machine.step import Step
from intellyhub_functions.models.model import Model
from intellyhub_functions.models.question import Message, Tokens
from intellyhub_functions.states.python.python import find_layer, patience, read_answer

__all__ = ["PLACE", "describe_tools", "run_chain", "use_tool"]

FUNCTION = "intellyhub_functions.langchain.process:answer"
PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""`module:attribute`."""


def describe_tools(written: Any, requirements: Any, step: Step) -> list[Mapping[str, Any]]:
    """`name`, `description` and `parameters` (JSON Schema) of the tools at `module:attribute`."""
    found: list[Mapping[str, Any]] = perform({"work": "describe"}, written, requirements, step)
    return found


def use_tool(written: Any, name: str, arguments: Mapping[str, Any], requirements: Any, step: Step) -> Any:
    """What a tool gives."""
    return perform({"work": "use", "name": name, "arguments": dict(arguments)}, written, requirements, step)


def run_chain(
    written: Any, given: Mapping[str, Any], turns: Sequence[Message], model: Model, requirements: Any, step: Step
) -> tuple[str, Any]:
    """The text that a chain gives, and its value where that is more than a text. What it asks the model counts against
    the step's budgets, also where the chain fails."""
    task = {
        "work": "chain",
        "given": dict(given),
        "turns": [{"role": turn.role.value, "text": turn.text} for turn in turns],
        "model": asdict(model.facts()),
    }
    told = perform(task, written, requirements, step)
    for tokens in told["tokens"]:
        model.purse.take(Tokens(**tokens))
    if told["failure"] is None:
        return text_of(told["text"]), told["data"]
    if told["may_pass"]:
        raise RetryableError(told["failure"], retry_after_seconds=told["after_seconds"])
    raise PermanentError(told["failure"])


def perform(task: Mapping[str, Any], written: Any, requirements: Any, step: Step) -> Any:
    place = text_of(written).strip()
    if not PLACE.fullmatch(place):
        raise PermanentError(f"{place[:100]!r} is no place in a module: write module:attribute")
    what = f"{place} (langchain)"
    began = time.monotonic()
    whole = {**task, "place": place, "layer": find_layer(requirements, step)}
    try:
        given = encode(wrap(whole))
    except ValueRefused as fault:
        raise PermanentError(f"{what} cannot be given its input: {fault}") from fault
    seconds = patience({}, step)
    left = None if seconds is None else max(seconds - (time.monotonic() - began), 0.001)
    return read_answer(blocks_of(step).run_function(FUNCTION, given, step, what=what, timeout_seconds=left), what)
