"""Runs one Python block inside the child and makes its answer."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.limits import Limits
from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.texts.python_blocks import Block, run_block
from intellyhub_engine.language.values.values import Record, decode, encode, revive

__all__ = ["answer_block", "revived"]

MAX_MESSAGE_CHARACTERS = 2000


def answer_block(parts: Any, scope: bytes, environment: Mapping[str, str], limits: Limits) -> bytes:
    """Run the block of these parts on an encoded namespace; the bytes that the worker gets."""
    block = Block(*parts)
    try:
        namespace = revived(scope)
        os.environ.clear()  # only now: what revives values may read it
        os.environ.update(environment)
        if limits.imports is not None:
            namespace["__builtins__"] = restrict_imports(limits.imports)
        refused: dict[str, str] = {}
        value, changes, removed = run_block(block, namespace, refused)
        return channel.RETURNED + encode(
            Record(value=value, changes=Record(changes), removed=list(removed), refused=Record(refused))
        )
    except BaseException as fault:  # noqa: BLE001 - the edge of the process: whatever the author's code raises is told
        return channel.FAILED + encode(describe(fault, block, limits))


def revived(encoded: bytes) -> Any:
    """Decode; values with classes of their own get them back. Plain values do not pay for that."""
    value = decode(encoded)
    if b'"$"' not in encoded:
        return value
    from intellyhub_engine.catalogue.installed import installed

    return revive(value, installed().values)


def describe(fault: BaseException, block: Block, limits: Limits) -> str:
    """What was raised, and in which line of the block."""
    if isinstance(fault, ValueRefused):
        return str(fault)
    said = str(fault) or repr(fault)
    if isinstance(fault, MemoryError) and limits.memory_bytes:
        said = f"a block may use {limits.memory_bytes // 2**20} MB"
    if isinstance(fault, SystemExit):
        said = f"the block ended itself, with {fault.code!r}"
    line = line_of(fault, block)
    return f"{type(fault).__name__}: {said[:MAX_MESSAGE_CHARACTERS]}" + (f" (line {line} of the block)" if line else "")


def line_of(fault: BaseException, block: Block) -> int | None:
    """The innermost line of the block that was at work, counted from 1."""
    line, trace = None, fault.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == block.code.co_filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def restrict_imports(allowed: tuple[str, ...]) -> ModuleType:
    """Python's builtins with an `import` that knows only these modules and those below them."""
    restricted = ModuleType("builtins")
    vars(restricted).update(vars(builtins))

    def import_allowed(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] not in allowed and name not in allowed:
            known = ", ".join(allowed) or "none"
            raise ImportError(f"blocks may not import {name!r} here; allowed are: {known}")
        return builtins.__import__(name, *arguments, **options)

    vars(restricted)["__import__"] = import_allowed
    return restricted


def prepare_streams() -> None:
    """Give Python's standard streams the child's descriptors; every printed line leaves at once."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = open(descriptor, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
