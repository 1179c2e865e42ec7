"""What the process of its own does: imports LangChain and the author's module, and does one piece of work with them."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.output import LEVEL_MARK
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record, encode, wrap

__all__ = ["answer"]

MAX_MESSAGE_CHARACTERS = 2000
EXTRA = "LangChain is not installed: it needs intellyhub-functions[langchain], or langchain-core among the requirements"


def answer(given: bytes, environment: Mapping[str, str]) -> bytes:
    """Do the work of a task; the bytes that the worker gets."""
    task = revived(given)
    os.environ.clear()
    os.environ.update(environment)
    if task["layer"]:
        sys.path.insert(0, str(task["layer"]))
    sys.path.append(str(Path.cwd()))  # modules in the flow's workspace
    return perform(task)


def perform(task: Any) -> bytes:
    """What came of it."""
    try:
        value = WORKS[task["work"]](task)
        return channel.RETURNED + encode(Record(value=wrap(value)))
    except BaseException as fault:  # noqa: BLE001 - the edge of the process: whatever the author's code raises is told
        told = {"message": describe(fault), "retry": isinstance(fault, RetryableError), "after_seconds": None}
        return channel.FAILED + encode(Record(told))


def describe(fault: BaseException) -> str:
    if isinstance(fault, PermanentError | RetryableError):
        return str(fault)
    return f"{type(fault).__name__}: {(str(fault) or repr(fault))[:MAX_MESSAGE_CHARACTERS]}"


def find(place: str) -> Any:
    """What stands at `module:attribute`. Raises PermanentError."""
    try:
        import langchain_core  # noqa: F401 - the author's module will want it
    except ImportError as fault:
        raise PermanentError(EXTRA) from fault
    module, _, path = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        if not hasattr(found, name):
            raise PermanentError(f"{module} has no {path}")
        found = getattr(found, name)
    return found


def tools_at(place: str) -> list[Any]:
    """The tools there: one, several, a toolkit's, or a plain function with a docstring."""
    from langchain_core.tools import BaseTool

    found = find(place)
    if hasattr(found, "get_tools"):
        found = found.get_tools()
    listed = list(found) if isinstance(found, list | tuple) else [found]
    return [each if isinstance(each, BaseTool) else as_tool(each) for each in listed]


def as_tool(function: Any) -> Any:
    """A plain function, or an asynchronous one."""
    from langchain_core.tools import StructuredTool

    kind = "coroutine" if inspect.iscoroutinefunction(function) else "func"
    return StructuredTool.from_function(**{kind: function})


def describe_tools(task: Any) -> list[dict[str, Any]]:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    return [convert_to_openai_tool(tool)["function"] for tool in tools_at(task["place"])]


def use_tool(task: Any) -> Any:
    import asyncio

    tool = next((each for each in tools_at(task["place"]) if each.name == task["name"]), None)
    if tool is None:
        raise PermanentError(f"there is no tool {task['name']!r} any more")
    return as_data(asyncio.run(tool.ainvoke(plain(task["arguments"]))))


def run_chain(task: Any) -> dict[str, Any]:
    """The chain's answer and the tokens of every call of the model, also where the chain fails."""
    from intellyhub_functions.langchain.model import Meter, make_model

    meter = Meter()
    failure: dict[str, Any] = {"failure": None, "may_pass": False, "after_seconds": None}
    text, data = "", None
    try:
        text, data = invoke(task, make_model(plain(task["model"]), meter, log))
    except BaseException as fault:  # noqa: BLE001 - as in `answer`; what was spent by then has to be told
        failure["failure"] = describe(fault)
        if isinstance(fault, RetryableError):
            failure |= {"may_pass": True, "after_seconds": fault.retry_after_seconds}
    return {"text": text, "data": data, "tokens": meter.tokens, **failure}


def invoke(task: Any, model: Any) -> tuple[str, Any]:
    """A chain is a Runnable, or a function that is given the model and makes one."""
    from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
    from langchain_core.runnables import Runnable

    chain = find(task["place"])
    if not isinstance(chain, Runnable):
        chain = chain(model)
    if not isinstance(chain, Runnable):
        raise PermanentError(f"{task['place']} is no chain: it must be a Runnable, or a function that makes one")
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    history = [kinds[turn["role"]](turn["text"]) for turn in task["turns"]]
    value = chain.invoke({**plain(task["given"]), "chat_history": history})
    if isinstance(value, BaseMessage):
        return str(value.text), None
    return (value, None) if isinstance(value, str) else ("", as_data(value))


def as_data(value: Any) -> Any:
    """What a variable can hold."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): as_data(each) for key, each in value.items()}
    return [as_data(each) for each in value] if isinstance(value, list | tuple) else value


def plain(value: Any) -> Any:
    """Mappings and lists as LangChain's validators know them."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def log(level: str, message: str) -> None:
    """A line of the run's log."""
    with suppress(OSError, ValueError):  # the author's code closed the stream
        for line in message.splitlines():
            print(f"{LEVEL_MARK}{level} {line}", flush=True)  # noqa: T201 - this stream is the way to the log


WORKS = {"describe": describe_tools, "use": use_tool, "chain": run_chain}
