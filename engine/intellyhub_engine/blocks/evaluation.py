"""A Python block of a flow: from its step's scope into an isolated process and back."""

from __future__ import annotations

from itertools import islice
from typing import cast

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.blocks import blocks_of
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import PermanentError, ValueRefused
from intellyhub_engine.language.texts.python_blocks import Block, block_namespace
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import Record, encode, wrap
from intellyhub_engine.machine.step import Outcome, Step

__all__ = ["evaluate"]

UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""What bytes that are no answer raise: decoding one may read a time zone's file."""
MAX_MESSAGE_CHARACTERS = 4000
MAX_REFUSED = 50
"""Names not kept that are told about, at most."""


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
            raise PermanentError(str(told)[:MAX_MESSAGE_CHARACTERS])
        outcome, refused = read_result(told)
    except UNREADABLE as fault:  # the block wrote on its answer's way itself
        raise PermanentError("the Python block's answer cannot be read") from fault
    for name, why in islice(refused.items(), MAX_REFUSED):
        step.log("warning", f"{name} is not kept as a variable: {why}")
    return outcome


def read_result(told: Record) -> tuple[Outcome, Record]:
    """The outcome that a child told, and the names it did not keep. Raises one of UNREADABLE for what `run_block` never
    says: a child can write whatever it likes."""
    changes, removed, refused = told["changes"], told["removed"], told["refused"]
    if not (isinstance(changes, Record) and isinstance(removed, list) and isinstance(refused, Record)):
        raise TypeError("the parts of the answer are not what they should be")
    if not all(isinstance(name, str) for name in (*dict.keys(changes), *removed, *dict.keys(refused))):
        raise TypeError("a variable's name is no text")
    return Outcome(value=told["value"], changes=dict(changes), removed=tuple(removed)), refused
