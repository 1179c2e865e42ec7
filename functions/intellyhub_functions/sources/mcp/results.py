"""What a run is to the client that called the tool: its result, and what is told meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Callee, HookAnswer, Ran, Seen, Stream, read_ran
from intellyhub_functions.rpc.messages import Call, make_frame, make_result, pack, result_of
from intellyhub_functions.sources.mcp.tools import has_output

__all__ = ["Answering"]

GOES_ON = "The run has not ended yet and goes on. Calling again would start another one."


class Answering:
    """The answer to one call of a tool."""

    def __init__(self, call: Call, flow: Callee, *, modern: bool) -> None:
        self._call = call
        self._flow = flow
        self._modern = modern
        meta = call.params.get("_meta")
        self._token = meta.get("progressToken") if isinstance(meta, Mapping) else None
        self._counted = itertools.count(1)

    @property
    def stream(self) -> Stream:
        """For a client that takes one: the connection stays alive, and progress is told where it is asked for."""
        asked = isinstance(self._token, str | int)
        return Stream(begin, self.tell if asked else None, self.end)

    def reply(self, ran: Ran) -> HookAnswer:
        """The whole answer."""
        return make_result(self._call, self.result(read_ran(ran)))

    def end(self, seen: Seen) -> bytes:
        """The last message of a stream."""
        return make_frame(result_of(self._call, self.result(seen)))

    def tell(self, kind: str, content: Mapping[str, Any]) -> bytes:
        """Log lines, and states that have been passed, as progress."""
        if kind == "log":
            message = content.get("message")
        elif kind == "step" and content.get("status") != "running":
            message = f"{content.get('state')}: {content.get('status')}"
        else:
            return b""
        params = {"progressToken": self._token, "progress": next(self._counted), "message": text_of(message)[:1000]}
        return make_frame({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    def result(self, seen: Seen) -> dict[str, Any]:
        """The tool's result. A client that was promised an object gets one, or hears that there is none."""
        result = self.content(seen)
        if self._modern:
            result["resultType"] = "complete"
        if seen.run_id:
            result["_meta"] = {"io.intellyhub/runId": seen.run_id}
        return result

    def content(self, seen: Seen) -> dict[str, Any]:
        if seen.status == "failed":
            return make_error_result(seen.error or "the flow failed")
        if seen.status == "cancelled":
            return make_error_result("the run was cancelled")
        if not seen.has_ended:
            return make_error_result(GOES_ON)
        output = seen.output
        if isinstance(output, dict):
            text = pack(output).decode()
            return {"content": [{"type": "text", "text": text}], "structuredContent": output, "isError": False}
        if has_output(self._flow):
            return make_error_result("the flow gave no object, which its `output` says it would")
        text = "done" if output is None else output if isinstance(output, str) else pack(output).decode()
        return {"content": [{"type": "text", "text": text}], "isError": False}


def begin(event: Event) -> bytes:
    """Nothing: a run that ends at once has a plain answer."""
    return b""


def make_error_result(message: str) -> dict[str, Any]:
    """A result by which a model sees what went wrong."""
    return {"content": [{"type": "text", "text": message}], "isError": True}
