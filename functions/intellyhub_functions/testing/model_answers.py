"""How the interfaces of language models put an answer into JSON, whole or as events, and what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Chat", "Messages", "Responses", "Spoken", "words_in"]

CREATED = 1_760_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """An answer to be written down."""

    model: str
    text: str
    calls: tuple[tuple[str, str], ...]
    finish: str
    asked: int | None
    """Tokens of the question, a word each; None: they are not told."""

    @property
    def said(self) -> int:
        """Tokens of the answer."""
        return words_in(self.text) + sum(1 + words_in(given) for _, given in self.calls)

    @property
    def pieces(self) -> list[str]:
        """The text, word by word."""
        return re.findall(r"\S+\s*|\s+", self.text)


def words_in(text: str) -> int:
    """How many words a text has."""
    return len(text.split())


def event(name: str | None, data: Any) -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def halves(text: str) -> tuple[str, str]:
    """Arguments come in pieces too."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def bearer(headers: Mapping[str, str]) -> str:
    """The key of a request to OpenAI."""
    return headers.get("authorization", "").removeprefix("Bearer ")


def openai_error(message: str, code: str = "", parameter: str | None = None) -> Any:
    """As https://platform.openai.com/docs/guides/error-codes says."""
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": parameter, "code": code or None}}


def texts_in(content: Any) -> Iterator[str]:
    """The texts of a content: one, or parts of them."""
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            yield from texts_in(part.get("text") or part.get("content"))


class Chat:
    """Chat Completions."""

    key_of = staticmethod(bearer)
    error = staticmethod(openai_error)

    def texts(self, body: Any) -> list[str]:
        """What the question says."""
        return [text for message in body.get("messages", ()) for text in texts_in(message.get("content"))]

    def fault(self, body: Any) -> str | None:
        """What the real one would not take."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            return "Invalid 'messages': empty array."
        open_calls: set[str] = set()
        for message in messages:
            if message["role"] == "tool":
                if message.get("tool_call_id") not in open_calls:
                    return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                open_calls.discard(message["tool_call_id"])
            elif open_calls:
                return "An assistant message with 'tool_calls' must be followed by tool messages."
            open_calls |= {call["id"] for call in message.get("tool_calls") or ()}
        return "there is no answer to a tool call" if open_calls else None

    def finish(self, spoken: Spoken) -> str:
        """Why the answer ends."""
        reasons = {"length": "length", "filtered": "content_filter"}
        return "tool_calls" if spoken.calls else reasons.get(spoken.finish, "stop")

    def usage(self, spoken: Spoken) -> Any:
        """What was used."""
        asked = spoken.asked or 0
        return {
            "prompt_tokens": asked,
            "completion_tokens": spoken.said,
            "total_tokens": asked + spoken.said,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    def calls(self, spoken: Spoken) -> list[Any]:
        """The tools to be used."""
        return [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": given}}
            for index, (name, given) in enumerate(spoken.calls)
        ]

    def whole(self, spoken: Spoken) -> Any:
        """The answer at once."""
        message: dict[str, Any] = {"role": "assistant", "content": spoken.text or None, "refusal": None}
        if spoken.calls:
            message["tool_calls"] = self.calls(spoken)
        choice = {"index": 0, "message": message, "finish_reason": self.finish(spoken), "logprobs": None}
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": CREATED,
            "model": spoken.model,
            "choices": [choice],
        }
        return whole if spoken.asked is None else whole | {"usage": self.usage(spoken)}

    def events(self, spoken: Spoken, *, tells_usage: bool) -> Iterator[bytes]:
        """The answer in pieces."""

        def chunk(delta: Any, finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return event(None, self.frame(spoken) | {"choices": [choice]})

        yield chunk({"role": "assistant", "content": ""})
        for piece in spoken.pieces:
            yield chunk({"content": piece})
        for index, call in enumerate(self.calls(spoken)):
            first, second = halves(call["function"]["arguments"])
            begun = {"name": call["function"]["name"], "arguments": first}
            yield chunk({"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": begun}]})
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": second}}]})
        yield chunk({}, self.finish(spoken))
        if tells_usage and spoken.asked is not None:
            yield event(None, self.frame(spoken) | {"choices": [], "usage": self.usage(spoken)})
        yield event(None, "[DONE]")

    def frame(self, spoken: Spoken) -> dict[str, Any]:
        """What every piece says."""
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": spoken.model}


class Responses:
    """OpenAI's Responses."""

    key_of = staticmethod(bearer)
    error = staticmethod(openai_error)

    def texts(self, body: Any) -> list[str]:
        """What the question says."""
        given = body.get("input")
        if isinstance(given, str):
            return [body.get("instructions") or "", given]
        items = [text for item in given or () for text in texts_in(item.get("content") or item.get("output"))]
        return [body["instructions"], *items] if body.get("instructions") else items

    def fault(self, body: Any) -> str | None:
        """What the real one would not take."""
        given = body.get("input")
        if not given:
            return "One of 'input' or 'previous_response_id' must be provided."
        items = given if isinstance(given, list) else []
        calls = {item.get("call_id") for item in items if item.get("type") == "function_call"}
        answers = {item.get("call_id") for item in items if item.get("type") == "function_call_output"}
        if answers - calls:
            return "No tool call found for function call output with call_id."
        if calls - answers:
            return "No tool output found for function call."
        shape = body.get("text", {}).get("format", {})
        if shape.get("type") == "json_schema" and shape.get("schema", {}).get("type") != "object":
            return "Invalid schema for response_format 'answer': schema must be of type object."
        return None

    def items(self, spoken: Spoken) -> list[Any]:
        """What the model put out."""
        items: list[Any] = []
        if spoken.text or not spoken.calls:
            content = {"type": "output_text", "text": spoken.text, "annotations": [], "logprobs": []}
            items.append(
                {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [content]}
            )
        for index, (name, given) in enumerate(spoken.calls):
            items.append(
                {
                    "id": f"fc_{index}",
                    "type": "function_call",
                    "status": "completed",
                    "call_id": f"call_{index}",
                    "name": name,
                    "arguments": given,
                }
            )
        return items

    def whole(self, spoken: Spoken) -> Any:
        """The answer at once."""
        reasons = {"length": "max_output_tokens", "filtered": "content_filter"}
        why = reasons.get(spoken.finish)
        asked = spoken.asked or 0
        usage = {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": spoken.said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + spoken.said,
        }
        return self.frame(spoken, "incomplete" if why else "completed") | {
            "output": self.items(spoken),
            "incomplete_details": {"reason": why} if why else None,
            "usage": usage if spoken.asked is not None else None,
        }

    def frame(self, spoken: Spoken, status: str) -> dict[str, Any]:
        """What every answer says."""
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "model": spoken.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "top_p": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "store": False,
        }

    def events(self, spoken: Spoken, *, tells_usage: bool) -> Iterator[bytes]:
        """The answer in pieces."""
        number = iter(range(1_000_000))

        def told(kind: str, **more: Any) -> bytes:
            return event(kind, {"type": kind, "sequence_number": next(number), **more})

        yield told("response.created", response=self.frame(spoken, "in_progress"))
        for index, item in enumerate(self.items(spoken)):
            place = {"output_index": index, "item_id": item["id"]}
            if item["type"] == "message":
                yield told(
                    "response.output_item.added",
                    output_index=index,
                    item=item | {"status": "in_progress", "content": []},
                )
                content = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
                yield told("response.content_part.added", content_index=0, part=content, **place)
                for piece in spoken.pieces:
                    yield told("response.output_text.delta", content_index=0, delta=piece, logprobs=[], **place)
                yield told("response.output_text.done", content_index=0, text=spoken.text, logprobs=[], **place)
                yield told("response.content_part.done", content_index=0, part=item["content"][0], **place)
            else:
                begun = item | {"status": "in_progress", "arguments": ""}
                yield told("response.output_item.added", output_index=index, item=begun)
                for piece in halves(item["arguments"]):
                    yield told("response.function_call_arguments.delta", delta=piece, **place)
                yield told("response.function_call_arguments.done", arguments=item["arguments"], **place)
            yield told("response.output_item.done", output_index=index, item=item)
        whole = self.whole(spoken)
        yield told(f"response.{whole['status']}", response=whole)


class Messages:
    """Anthropic's Messages."""

    def key_of(self, headers: Mapping[str, str]) -> str:
        """The key of a request, which must say the version too."""
        key = headers.get("x-api-key") or bearer(headers)
        return key if headers.get("anthropic-version") == "2026-10-21" else ""

    def error(self, message: str, code: str = "", parameter: str | None = None) -> Any:
        """As https://docs.anthropic.com/en/api/errors says."""
        return {"type": "error", "error": {"type": code or "invalid_request_error", "message": message}}

    def texts(self, body: Any) -> list[str]:
        """What the question says."""
        said = [text for message in body.get("messages", ()) for text in texts_in(message.get("content"))]
        return [*texts_in(body.get("system")), *said]

    def fault(self, body: Any) -> str | None:
        """What the real one would not take."""
        if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
            return "max_tokens: Field required"
        if "temperature" in body:
            return "temperature: Extra inputs are not permitted"
        open_calls: set[str] = set()
        role = None
        for message in body.get("messages", ()):
            if message["role"] == role or message["role"] not in ("user", "assistant"):
                return "messages: roles must alternate between 'user' and 'assistant'"
            role = message["role"]
            blocks = message["content"] if isinstance(message["content"], list) else []
            answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
            if open_calls - answered:
                return "messages: `tool_use` ids were found without `tool_result` blocks immediately after"
            if answered - open_calls:
                return "messages: unexpected `tool_use_id` found in `tool_result` blocks"
            open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        return "messages: at least one message is required" if role is None else None

    def blocks(self, spoken: Spoken) -> list[Any]:
        """What the model put out."""
        blocks: list[Any] = [{"type": "text", "text": spoken.text}] if spoken.text or not spoken.calls else []
        return blocks + [
            {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": json.loads(given)}
            for index, (name, given) in enumerate(spoken.calls)
        ]

    def stop(self, spoken: Spoken) -> str:
        """Why the answer ends."""
        reasons = {"length": "max_tokens", "filtered": "refusal"}
        if any(block["type"] == "tool_use" for block in self.blocks(spoken)):
            return "tool_use"
        return reasons.get(spoken.finish, "end_turn")

    def whole(self, spoken: Spoken) -> Any:
        """The answer at once."""
        usage = {"input_tokens": spoken.asked or 0, "output_tokens": spoken.said}
        return self.frame(spoken) | {
            "content": self.blocks(spoken),
            "stop_reason": self.stop(spoken),
            "usage": usage,
        }

    def frame(self, spoken: Spoken) -> dict[str, Any]:
        """What every answer says."""
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": spoken.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": spoken.asked or 0, "output_tokens": 1},
        }

    def events(self, spoken: Spoken, *, tells_usage: bool) -> Iterator[bytes]:
        """The answer in pieces."""

        def told(kind: str, **more: Any) -> bytes:
            return event(kind, {"type": kind, **more})

        yield told("message_start", message=self.frame(spoken))
        yield told("ping")
        for index, block in enumerate(self.blocks(spoken)):
            if block["type"] == "text":
                yield told("content_block_start", index=index, content_block={"type": "text", "text": ""})
                deltas = [{"type": "text_delta", "text": piece} for piece in spoken.pieces]
            else:
                yield told("content_block_start", index=index, content_block=block | {"input": {}})
                written = halves(json.dumps(block["input"]))
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in written]
            for delta in deltas:
                yield told("content_block_delta", index=index, delta=delta)
            yield told("content_block_stop", index=index)
        ended = {"stop_reason": self.stop(spoken), "stop_sequence": None}
        yield told("message_delta", delta=ended, usage={"output_tokens": spoken.said})
        yield told("message_stop")
