"""JSON-RPC 2.0 messages, read and written (https://www.jsonrpc.org/specification). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import HookAnswer

__all__ = [
    "Call",
    "Code",
    "RpcFault",
    "fault_of",
    "make_fault",
    "make_frame",
    "make_result",
    "pack",
    "read_call",
    "result_of",
]

MAX_ID_CHARACTERS = 256


class Code(IntEnum):
    """What the specification numbers."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603


class Call(NamedTuple):
    """A request, or with an `id` of None a notification, which nobody answers."""

    id: str | int | None
    method: str
    params: Mapping[str, Any]


class RpcFault(Exception):
    """What is answered in place of a result."""

    def __init__(
        self, code: int, message: str, *, call_id: str | int | None = None, data: Any = None, status: int = 200
    ) -> None:
        self.code = int(code)
        self.id = call_id
        self.data = data
        self.status = status
        """Of the HTTP answer."""
        super().__init__(message)

    def of(self, call: Call) -> RpcFault:
        """The same, in answer to a call."""
        self.id = call.id
        return self


def read_call(body: bytes) -> Call | None:
    """The call in a body; None for an answer, which nobody here has asked for. Raises RpcFault."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise RpcFault(Code.PARSE_ERROR, "the body is not JSON", status=400) from None
    if isinstance(document, list):
        raise RpcFault(Code.INVALID_REQUEST, "send one message at a time", status=400)
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        raise RpcFault(Code.INVALID_REQUEST, 'this is no message of JSON-RPC 2.0 ("jsonrpc": "2.0")', status=400)
    if "method" not in document and ("result" in document or "error" in document):
        return None
    named = document.get("id")
    if not is_id(named):
        raise RpcFault(Code.INVALID_REQUEST, "the id must be a text or a whole number", status=400)
    method, params = document.get("method"), document.get("params")
    if not isinstance(method, str) or not method:
        raise RpcFault(Code.INVALID_REQUEST, "the message has no method", call_id=named, status=400)
    if params is not None and not isinstance(params, dict):
        raise RpcFault(Code.INVALID_PARAMS, "the params must be an object", call_id=named)
    return Call(named, method, params or {})


def is_id(value: Any) -> bool:
    """Whether a message may be called so."""
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53)


def pack(document: Any) -> bytes:
    """JSON; what has no form of its own there becomes text."""
    return json.dumps(document, ensure_ascii=False, default=text_of).encode("utf-8", "replace")


def make_result(call: Call, result: Any) -> HookAnswer:
    """The answer to a call."""
    return HookAnswer(body=pack(result_of(call, result)))


def result_of(call: Call, result: Any) -> dict[str, Any]:
    """The message that answers a call."""
    return {"jsonrpc": "2.0", "id": call.id, "result": result}


def make_fault(fault: RpcFault) -> HookAnswer:
    """The answer that there is no result."""
    return HookAnswer(fault.status, pack(fault_of(fault)))


def fault_of(fault: RpcFault) -> dict[str, Any]:
    """The message that says so."""
    error: dict[str, Any] = {"code": fault.code, "message": str(fault)}
    if fault.data is not None:
        error["data"] = fault.data
    return {"jsonrpc": "2.0", "id": fault.id, "error": error}


def make_frame(document: Any) -> bytes:
    """A message of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return b"event: message\ndata: " + pack(document) + b"\n\n"
