"""What the process of its own does for a `python` state: makes the module, finds the function, calls it, tells."""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import ValueRefused
from intellyhub_engine.language.values.values import Record, encode, wrap

__all__ = ["answer"]

MODULE = "__flow__"
MAX_MESSAGE_CHARACTERS = 2000
MAX_YIELDED = 100_000


class Unsuitable(Exception):
    """The text has no function that can be called; says why."""


def answer(given: bytes, environment: Mapping[str, str]) -> bytes:
    """Call the function of a task; the bytes that the worker gets."""
    task = revived(given)
    os.environ.clear()
    os.environ.update(environment)
    if task["layer"]:
        sys.path.insert(0, str(task["layer"]))
    sys.path.append(str(Path.cwd()))  # modules that a flow wrote to its workspace
    try:
        value = call(task)
        return channel.RETURNED + encode(Record(value=wrap(value)))
    except BaseException as fault:  # noqa: BLE001 - the edge of the process: whatever the author's code raises is told
        after = getattr(fault, "after_seconds", None)
        told = {
            "message": describe(fault, task["name"]),
            "retry": is_retry(fault),
            "after_seconds": float(after) if isinstance(after, int | float) else None,
        }
        return channel.FAILED + encode(Record(told))


def call(task: Any) -> Any:
    """What the function returns; of a coroutine its result, of a generator its items."""
    module = make_module(task["code"], task["name"])
    function = find_function(module, task["function"])
    arguments = task["arguments"]
    value = function(*arguments) if isinstance(arguments, list) else function(**arguments)
    if inspect.isawaitable(value):
        import asyncio

        value = asyncio.run(awaited(value))
    if inspect.isgenerator(value):
        items = list(islice(value, MAX_YIELDED + 1))
        if len(items) > MAX_YIELDED:
            raise Unsuitable(f"the function yields more than {MAX_YIELDED} values")
        return items
    return value


async def awaited(value: Any) -> Any:
    return await value


def make_module(code: str, name: str) -> ModuleType:
    """The text as a module of its own, which can be imported and shown in tracebacks."""
    module = ModuleType(MODULE)
    module.__file__ = file = f"<{name}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    sys.modules[MODULE] = module
    exec(compile(code, file, "exec"), vars(module))  # noqa: S102 - what this state is for; the process is its own
    return module


def find_function(module: ModuleType, name: str) -> Callable[..., Any]:
    """The function of that name; without one `main`, or the only one that the text defines."""
    own = [
        found
        for found, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == MODULE and not found.startswith("_")
    ]
    wanted = name or ("main" if "main" in own or len(own) != 1 else own[0])
    function = vars(module).get(wanted)
    if not callable(function):
        there = f"it defines {', '.join(sorted(own))}" if own else "it defines none"
        raise Unsuitable(f"there is no function {wanted!r}; {there}")
    return function  # type: ignore[no-any-return]


def is_retry(fault: BaseException) -> bool:
    """Whether the code says that it may be done later: `from intellyhub import RetryLater`."""
    outcomes = sys.modules.get("intellyhub.outcomes")
    return outcomes is not None and isinstance(fault, outcomes.RetryLater)


def describe(fault: BaseException, name: str) -> str:
    """What was raised, and in which line of the text."""
    if isinstance(fault, Unsuitable):
        return str(fault)
    if isinstance(fault, ValueRefused):
        return f"what it returns cannot be a variable: {fault}"
    said = (str(fault) or repr(fault))[:MAX_MESSAGE_CHARACTERS]
    if isinstance(fault, SystemExit):
        said = f"the function ended its process, with {fault.code!r}"
    if isinstance(fault, SyntaxError):
        return f"SyntaxError: {fault.msg} (line {fault.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == f"<{name}>"]
    return f"{type(fault).__name__}: {said}" + (f" (line {lines[-1]})" if lines else "")
