"""The interface Chat Completions, which most servers of language models speak: OpenAI, Ollama, vLLM, llama.cpp.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_functions.models.question import Finish, Message, Question, Reply, Role, Tokens, ToolCall
from intellyhub_functions.models.shapes import count, is_strict, part, text

__all__ = ["PATH", "Reading", "make_body", "make_headers", "read"]

PATH = "/chat/completions"
FINISHES = {
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOLS,
    "function_call": Finish.TOOLS,
    "content_filter": Finish.FILTERED,
}
MOST_CALLS = 64


def make_headers(key: str | None) -> dict[str, str]:
    """What proves who asks."""
    return {"authorization": f"Bearer {key}"} if key else {}


def make_body(question: Question, *, streams: bool) -> dict[str, Any]:
    """The question as JSON."""
    body: dict[str, Any] = {"model": question.model, "messages": [make_message(each) for each in question.messages]}
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if question.max_tokens is not None:
        body["max_tokens"] = question.max_tokens
    if question.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
            }
            for tool in question.tools
        ]
    if question.schema is not None:
        schema = {"name": "answer", "schema": question.schema, "strict": is_strict(question.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | ({"stream": True, "stream_options": {"include_usage": True}} if streams else {})


def make_message(message: Message) -> dict[str, Any]:
    if message.role is Role.TOOL:
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if not message.calls:
        return {"role": message.role.value, "content": message.text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.calls
    ]
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def read(document: Any) -> Reply:
    """An answer that came at once."""
    choice = part(part(document, "choices"), 0)
    reading = Reading()
    reading.add(part(choice, "message"))
    reading.finish = FINISHES.get(text(choice, "finish_reason"), Finish.STOP)
    reading.tokens = read_tokens(part(document, "usage"))
    return reading.reply()


class Reading:
    """An answer that comes in pieces."""

    def __init__(self) -> None:
        self.finish = Finish.STOP
        self.tokens: Tokens | None = None
        self.is_over = False
        self._texts: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}

    def take(self, event: str, data: Any) -> str:
        """One event; the text it adds."""
        if isinstance(part(data, "usage"), Mapping):
            self.tokens = read_tokens(part(data, "usage"))
        choice = part(part(data, "choices"), 0)
        finish = text(choice, "finish_reason")
        if finish:
            self.finish, self.is_over = FINISHES.get(finish, Finish.STOP), True
        return self.add(part(choice, "delta"))

    def add(self, delta: Any) -> str:
        """What a message, or a piece of one, says."""
        added = text(delta, "content") or text(delta, "refusal")
        self._texts.append(added)
        calls = part(delta, "tool_calls")
        for place, written in enumerate(calls if isinstance(calls, list) else ()):
            index = part(written, "index")
            key = index if isinstance(index, int) else place
            if key not in self._calls and len(self._calls) >= MOST_CALLS:
                continue
            call = self._calls.setdefault(key, {"id": "", "name": "", "arguments": ""})
            call["id"] = text(written, "id") or call["id"]
            function = part(written, "function")
            call["name"] = call["name"] or text(function, "name")
            call["arguments"] += text(function, "arguments")
        return added

    def reply(self) -> Reply:
        """All of it."""
        calls = tuple(
            ToolCall(id=call["id"] or f"call_{index}", name=call["name"], arguments=call["arguments"])
            for index, call in sorted(self._calls.items())
        )
        finish = Finish.TOOLS if calls and self.finish is Finish.STOP else self.finish
        return Reply(text="".join(self._texts), calls=calls, tokens=self.tokens, finish=finish)


def read_tokens(usage: Any) -> Tokens | None:
    if not isinstance(usage, Mapping):
        return None
    return Tokens(
        input=count(usage, "prompt_tokens"),
        output=count(usage, "completion_tokens"),
        cached=count(part(usage, "prompt_tokens_details"), "cached_tokens"),
    )
