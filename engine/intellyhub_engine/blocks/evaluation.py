"""A Python block of a flow: from its step's scope into an isolated process and back."""

from __future__ import annotations

from typing import cast

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.blocks import blocks_of
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import PermanentError, ValueRefused
from intellyhub_engine.language.python_blocks import Block, block_namespace
from intellyhub_engine.language.scope import Scope
from intellyhub_engine.language.values import encode, wrap
from intellyhub_engine.machine.step import Outcome, Step

__all__ = ["evaluate"]


def evaluate(block: Block, step: Step) -> Outcome:
    """Run the block: its last expression is the value, names it assigned are the changes. Raises StepFailed's kinds."""
    try:
        namespace = encode(wrap(block_namespace(block, cast(Scope, step.scope))))
    except ValueRefused as fault:
        raise PermanentError(f"the variables cannot be handed to the Python block: {fault}") from fault
    answer = blocks_of(step).run_python(tuple(block), namespace, step)
    kind, encoded = answer[:1], answer[1:]
    if kind == channel.NOT_STARTED:
        raise PermanentError(encoded.decode("utf-8", "replace"))
    try:
        told = revived(encoded)
        if kind == channel.FAILED:
            raise PermanentError(str(told))
        outcome = Outcome(value=told["value"], changes=told["changes"], removed=tuple(told["removed"]))
        refused = told["refused"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as fault:  # the block wrote on its answer's way itself
        raise PermanentError("the Python block's answer cannot be read") from fault
    for name, why in refused:
        step.log("warning", f"{name} is not kept as a variable: {why}")
    return outcome
