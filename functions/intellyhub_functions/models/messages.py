"""Anthropic's interface Messages, in the version of 2026-10-21, which knows no temperature any more.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/api/migration-2026-10-21
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.models.question import Finish, Message, Question, Reply, Role, Tokens, ToolCall
from intellyhub_functions.models.shapes import count, is_strict, part, text

__all__ = ["PATH", "Reading", "make_body", "make_headers", "read"]

PATH = "/messages"
VERSION = "2026-10-21"
FINISHES = {
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOLS,
    "refusal": Finish.FILTERED,
}
PASSING = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
MAX_TOKENS = 4096
"""Where the flow names none: the interface demands a number."""
MOST_BLOCKS = 256


def make_headers(key: str | None) -> dict[str, str]:
    """What proves who asks."""
    return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})


def make_body(question: Question, *, streams: bool) -> dict[str, Any]:
    """The question as JSON."""
    system = "\n\n".join(message.text for message in question.messages if message.role is Role.SYSTEM)
    body: dict[str, Any] = {
        "model": question.model,
        "max_tokens": question.max_tokens or MAX_TOKENS,
        "messages": list(make_turns(question.messages)),
    }
    if system:
        body["system"] = system
    if question.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in question.tools
        ]
    if question.schema is not None and is_strict(question.schema):
        body["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
    return body | ({"stream": True} if streams else {})


def make_turns(messages: tuple[Message, ...]) -> Iterator[dict[str, Any]]:
    """User and assistant in turn: what several tools gave is one turn of the user."""
    turn: dict[str, Any] | None = None
    for message in messages:
        if message.role is Role.SYSTEM:
            continue
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if turn is None or turn["role"] != role:
            if turn is not None:
                yield turn
            turn = {"role": role, "content": []}
        turn["content"] += make_blocks(message)
    if turn is not None:
        yield turn


def make_blocks(message: Message) -> list[Any]:
    if message.role is Role.TOOL:
        return [{"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}]
    if isinstance(message.raw, list):
        return message.raw
    blocks: list[Any] = [{"type": "text", "text": message.text}] if message.text or not message.calls else []
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": as_object(call.arguments)}
        for call in message.calls
    ]


def as_object(arguments: str) -> Any:
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read(document: Any) -> Reply:
    """An answer that came at once."""
    blocks = part(document, "content")
    blocks = [block for block in blocks if isinstance(block, Mapping)] if isinstance(blocks, list) else []
    return make_reply(blocks, text(document, "stop_reason"), read_tokens(part(document, "usage")))


def make_reply(blocks: list[Any], stop: str, tokens: Tokens | None) -> Reply:
    calls = tuple(
        ToolCall(id=text(block, "id"), name=text(block, "name"), arguments=json.dumps(part(block, "input")))
        for block in blocks
        if text(block, "type") == "tool_use"
    )
    said = "".join(text(block, "text") for block in blocks if text(block, "type") == "text")
    finish = FINISHES.get(stop, Finish.STOP)
    return Reply(text=said, calls=calls, tokens=tokens, finish=finish, raw=blocks or None)


class Reading:
    """An answer that comes in pieces."""

    def __init__(self) -> None:
        self.is_over = False
        self._blocks: dict[int, dict[str, Any]] = {}
        self._written: dict[int, list[str]] = {}
        self._usage: dict[str, Any] = {}
        self._stop = ""

    def take(self, event: str, data: Any) -> str:
        """One event; the text it adds."""
        kind = text(data, "type") or event
        if kind == "message_start":
            self._count(part(part(data, "message"), "usage"))
        elif kind == "content_block_start":
            return self._begin(part(data, "index"), part(data, "content_block"))
        elif kind == "content_block_delta":
            return self._add(part(data, "index"), part(data, "delta"))
        elif kind == "message_delta":
            self._stop = text(part(data, "delta"), "stop_reason") or self._stop
            self._count(part(data, "usage"))
        elif kind == "message_stop":
            self.is_over = True
        elif kind == "error":
            raise make_failure(part(data, "error"))
        return ""

    def _count(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            self._usage.update({name: amount for name, amount in usage.items() if type(amount) is int})

    def _begin(self, index: Any, block: Any) -> str:
        if isinstance(index, int) and isinstance(block, Mapping) and len(self._blocks) < MOST_BLOCKS:
            self._blocks[index] = dict(block)
            self._written[index] = [text(block, "text")]
            return text(block, "text")
        return ""

    def _add(self, index: Any, delta: Any) -> str:
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None:
            return ""
        kind = text(delta, "type")
        if kind in ("text_delta", "input_json_delta"):
            piece = text(delta, "text") or text(delta, "partial_json")
            self._written[index].append(piece)
            return piece if kind == "text_delta" else ""
        for name, key in (("thinking_delta", "thinking"), ("signature_delta", "signature")):
            if kind == name:
                block[key] = text(block, key) + text(delta, key)
        return ""

    def reply(self) -> Reply:
        """All of it."""
        for index, block in self._blocks.items():
            written = "".join(self._written[index])
            if text(block, "type") == "text":
                block["text"] = written
            elif text(block, "type") == "tool_use" and written:
                block["input"] = as_object(written)
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        return make_reply(blocks, self._stop, read_tokens(self._usage) if self._usage else None)


def make_failure(error: Any) -> RetryableError | PermanentError:
    message = (text(error, "message") or "the model failed")[:500]
    return RetryableError(message) if text(error, "type") in PASSING else PermanentError(message)


def read_tokens(usage: Any) -> Tokens | None:
    """What was read from a cache or written into one stands beside `input_tokens` here."""
    if not isinstance(usage, Mapping):
        return None
    cached, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    return Tokens(
        input=count(usage, "input_tokens") + cached + written,
        output=count(usage, "output_tokens"),
        cached=cached,
        written=written,
    )
