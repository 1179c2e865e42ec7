"""OpenAI's interface Responses. Nothing is kept at OpenAI (`store` is false); what a model thought comes back sealed,
and is handed back with the next turn.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.models.chat import make_headers
from intellyhub_functions.models.question import Finish, Message, Question, Reply, Role, Tokens, ToolCall
from intellyhub_functions.models.shapes import count, is_strict, part, text

__all__ = ["PATH", "Reading", "make_body", "make_headers", "read"]

PATH = "/responses"


def make_body(question: Question, *, streams: bool) -> dict[str, Any]:
    """The question as JSON."""
    system = "\n\n".join(message.text for message in question.messages if message.role is Role.SYSTEM)
    body: dict[str, Any] = {
        "model": question.model,
        "input": [item for message in question.messages for item in make_items(message)],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if system:
        body["instructions"] = system
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if question.max_tokens is not None:
        body["max_output_tokens"] = question.max_tokens
    if question.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.schema,
                "strict": False,
            }
            for tool in question.tools
        ]
    if question.schema is not None:
        strict = is_strict(question.schema)
        body["text"] = {
            "format": {"type": "json_schema", "name": "answer", "schema": question.schema, "strict": strict}
        }
    return body | ({"stream": True} if streams else {})


def make_items(message: Message) -> Iterator[Any]:
    if message.role is Role.SYSTEM:
        return
    if message.role is Role.TOOL:
        yield {"type": "function_call_output", "call_id": message.call_id, "output": message.text}
    elif isinstance(message.raw, list):
        yield from message.raw
    else:
        if message.text or not message.calls:
            yield {"role": message.role.value, "content": message.text}
        for call in message.calls:
            yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def read(document: Any) -> Reply:
    """An answer that came at once."""
    status = text(document, "status")
    if status == "failed":
        raise make_failure(part(document, "error"))
    items = part(document, "output")
    items = items if isinstance(items, list) else []
    calls = tuple(
        ToolCall(
            id=text(item, "call_id") or text(item, "id"), name=text(item, "name"), arguments=text(item, "arguments")
        )
        for item in items
        if text(item, "type") == "function_call"
    )
    why = text(part(document, "incomplete_details"), "reason")
    finish = Finish.TOOLS if calls else Finish.STOP
    if status == "incomplete":
        finish = Finish.FILTERED if why == "content_filter" else Finish.LENGTH
    return Reply(
        text="".join(texts_of(items)),
        calls=calls,
        tokens=read_tokens(part(document, "usage")),
        finish=finish,
        raw=[item for item in items if may_be_handed_back(item)],
    )


def texts_of(items: list[Any]) -> Iterator[str]:
    for item in items:
        contents = part(item, "content") if text(item, "type") == "message" else None
        for content in contents if isinstance(contents, list) else ():
            yield text(content, "text") or text(content, "refusal")


def may_be_handed_back(item: Any) -> bool:
    """What was not kept at OpenAI can be handed back only whole."""
    return isinstance(item, Mapping) and (item.get("type") != "reasoning" or bool(item.get("encrypted_content")))


class Reading:
    """An answer that comes in pieces: its last event holds it whole."""

    def __init__(self) -> None:
        self.is_over = False
        self._whole: Any = None

    def take(self, event: str, data: Any) -> str:
        """One event; the text it adds."""
        kind = text(data, "type") or event
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self._whole, self.is_over = part(data, "response"), True
        elif kind == "error":
            raise make_failure(data)
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            return text(data, "delta")
        return ""

    def reply(self) -> Reply:
        """All of it."""
        return read(self._whole)


def make_failure(error: Any) -> RetryableError | PermanentError:
    message = (text(error, "message") or "the model failed")[:500]
    code = text(error, "code")
    if code in ("server_error", "rate_limit_exceeded", "vector_store_timeout", ""):
        return RetryableError(message)
    return PermanentError(message)


def read_tokens(usage: Any) -> Tokens | None:
    if not isinstance(usage, Mapping):
        return None
    return Tokens(
        input=count(usage, "input_tokens"),
        output=count(usage, "output_tokens"),
        cached=count(part(usage, "input_tokens_details"), "cached_tokens"),
    )
