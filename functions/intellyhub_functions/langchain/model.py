"""The state's own model as LangChain's: the same endpoint, attempts, budgets and live log."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from intellyhub_engine.machine.step import Left
from intellyhub_functions.models.asking import Manners
from intellyhub_functions.models.endpoint import Endpoint
from intellyhub_functions.models.model import Model
from intellyhub_functions.models.prices import Price
from intellyhub_functions.models.purse import Purse
from intellyhub_functions.models.question import Message, Reply, Role, Tokens, Tool, ToolCall

__all__ = ["Meter", "PlatformModel", "make_model"]


class Meter:
    """Satisfies `Spending` within limits that were measured before: what is spent here is taken off them."""

    def __init__(self) -> None:
        self.limits: Sequence[Left] = ()
        self.tokens: list[dict[str, Any]] = []
        """Of every call."""
        self._spent: dict[str, float] = {}

    def add(self, amounts: Mapping[str, float]) -> None:
        for name, amount in amounts.items():
            self._spent[name] = self._spent.get(name, 0.0) + amount

    def left(self, budget: Mapping[str, Any] | None = None) -> Sequence[Left]:
        return [
            Left(name=each.name, amount=each.amount - self._sum(each.name), most=each.most, of=each.of)
            for each in self.limits
        ]

    def _sum(self, name: str) -> float:
        names = ("input_tokens", "output_tokens") if name == "tokens" else (name,)
        return sum(self._spent.get(each, 0.0) for each in names)


class MeteredPurse(Purse):
    """Keeps the tokens of every call, for the worker to note."""

    def __init__(self, meter: Meter, price: Price | None, model: str) -> None:
        super().__init__(meter, price, None, model)
        self._meter = meter

    def take(self, tokens: Tokens) -> None:
        super().take(tokens)
        self._meter.tokens.append(asdict(tokens))


def make_model(facts: Mapping[str, Any], meter: Meter, log: Callable[[str, str], None]) -> PlatformModel:
    """The model of facts that `Model.facts` told."""
    meter.limits = [Left(**each) for each in facts["limits"]]
    seconds = facts["seconds"]
    manners = Manners(
        cancelled=threading.Event(),
        ends_at=None if seconds is None else time.monotonic() + seconds,
        **facts["manners"],
    )
    price = None if facts["price"] is None else Price(**facts["price"])
    endpoint = Endpoint(**facts["endpoint"])
    purse = MeteredPurse(meter, price, endpoint.model)
    told = {name: facts[name] for name in ("temperature", "max_tokens")}
    return PlatformModel(asked=Model(endpoint, manners, purse, log, **told))


class PlatformModel(BaseChatModel):
    """A chat model as chains know one."""

    asked: Any = Field(exclude=True, repr=False)
    """A `Model`, which is no pydantic model."""

    @property
    def _llm_type(self) -> str:
        return "intellyhub"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any) -> Runnable[Any, Any]:
        """The model with tools that it may ask for; it chooses itself."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if stop:
            raise ValueError("stop sequences cannot be passed on to this model")
        tools = tuple(make_tool(each["function"]) for each in kwargs.get("tools") or ())
        reply = self.asked.ask(*map(read_message, messages), tools=tools)
        return ChatResult(generations=[ChatGeneration(message=make_message(reply))])


def make_tool(function: Mapping[str, Any]) -> Tool:
    return Tool(
        name=function["name"],
        description=function.get("description", ""),
        schema=function.get("parameters") or {"type": "object", "properties": {}},
    )


def read_message(message: BaseMessage) -> Message:
    """A message of LangChain's as our interfaces take it."""
    text = str(message.text)
    if isinstance(message, SystemMessage):
        return Message(role=Role.SYSTEM, text=text)
    if isinstance(message, ToolMessage):
        return Message(role=Role.TOOL, text=text, call_id=message.tool_call_id)
    if not isinstance(message, AIMessage):
        return Message(role=Role.USER, text=text)
    calls = tuple(
        ToolCall(id=call["id"] or call["name"], name=call["name"], arguments=json.dumps(call["args"]))
        for call in message.tool_calls
    )
    return Message(role=Role.ASSISTANT, text=text, calls=calls, raw=message.additional_kwargs.get("raw"))


def make_message(reply: Reply) -> AIMessage:
    """An answer as LangChain's."""
    good: list[Any] = []
    bad: list[Any] = []
    for call in reply.calls:
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError) as fault:
            bad.append({"name": call.name, "args": call.arguments, "id": call.id, "error": str(fault)})
        else:
            good.append({"name": call.name, "args": arguments, "id": call.id})
    tokens = reply.tokens or Tokens()
    return AIMessage(
        content=reply.text,
        tool_calls=good,
        invalid_tool_calls=bad,
        additional_kwargs={} if reply.raw is None else {"raw": reply.raw},
        usage_metadata={
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "total_tokens": tokens.input + tokens.output,
        },
        response_metadata={"finish_reason": reply.finish.value},
    )
