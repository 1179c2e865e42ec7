"""A run as the task that another agent sees."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import HookAnswer, Ran, Seen, Stream, read_ran
from intellyhub_functions.rpc.a2a_protocol import Dialect, Part, make_parts, read_parts
from intellyhub_functions.rpc.messages import Call, make_frame, make_result, result_of
from intellyhub_functions.sources.a2a.messages import as_object

__all__ = ["Telling"]

STATES = {
    "accepted": "submitted",
    "running": "working",
    "waiting": "working",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "canceled",
}


class Telling:
    """What one caller is told of one task, in its version's words."""

    def __init__(self, call: Call, dialect: Dialect, event: Event, *, message: Mapping[str, Any] | None = None) -> None:
        self._call = call
        self._dialect = dialect
        self._event = event
        self._message = message

    @property
    def stream(self) -> Stream:
        """For a caller who wants to see how it goes on."""
        return Stream(self.begin, self.tell, self.end)

    @property
    def ids(self) -> dict[str, str]:
        """The task's and its conversation's."""
        return {"taskId": self._event.id, "contextId": self.context_id}

    @property
    def context_id(self) -> str:
        return text_of(as_object(self._event.data).get("context_id") or self._event.id)

    def reply(self, ran: Ran) -> HookAnswer:
        """The task, in answer to a message."""
        task = self.task(read_ran(ran))
        return make_result(self._call, task if self._dialect.is_old else {"task": task})

    def show(self, seen: Seen) -> HookAnswer:
        """The task, in answer to a question about it."""
        return make_result(self._call, self.task(seen))

    def task(self, seen: Seen) -> dict[str, Any]:
        """The task as it stands."""
        task: dict[str, Any] = {"id": self._event.id, "contextId": self.context_id, "status": self.status(seen)}
        if seen.status == "succeeded" and seen.output is not None:
            task["artifacts"] = [self.artifact(seen.output)]
        if seen.run_id:
            task["metadata"] = {"runId": seen.run_id}
        if self._message is not None:
            task["history"] = [self.repeat(self._message)]
        return {"kind": "task", **task} if self._dialect.is_old else task

    def status(self, seen: Seen, text: str | None = None) -> dict[str, Any]:
        """Its state; where it failed, why."""
        state = self._dialect.states[STATES.get(seen.status, "working")]
        status: dict[str, Any] = {"state": state, "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
        said = text if text is not None else seen.error
        if said:
            name = f"{self._event.id}-{seen.status}"
            status["message"] = self._dialect.message(name, self._dialect.agent, [Part(text=said[:10_000])], **self.ids)
        return status

    def artifact(self, output: Any) -> dict[str, Any]:
        """What the flow gave."""
        part = Part(data=output) if isinstance(output, dict | list) else Part(text=text_of(output))
        return {"artifactId": "result", "name": "result", "parts": make_parts([part], self._dialect)}

    def repeat(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message that made the task."""
        name = text_of(message.get("messageId") or "")
        return self._dialect.message(name, self._dialect.user, read_parts(message.get("parts")), **self.ids)

    def begin(self, event: Event) -> bytes:
        """The task, before anything has happened."""
        task = self.task(Seen("accepted"))
        return self.frame(task if self._dialect.is_old else {"task": task})

    def tell(self, kind: str, content: Mapping[str, Any]) -> bytes:
        """What the flow logs on its way."""
        if kind != "log" or content.get("level") == "debug":
            return b""
        return self.frame(self.update(self.status(Seen("running"), text_of(content.get("message"))), last=False))

    def end(self, seen: Seen) -> bytes:
        """The answer, and how it ended; nothing where it goes on."""
        if not seen.has_ended:
            return b""
        pieces = b""
        if seen.status == "succeeded" and seen.output is not None:
            artifact = {**self.ids, "artifact": self.artifact(seen.output), "lastChunk": True}
            pieces = self.frame(
                {"kind": "artifact-update", **artifact} if self._dialect.is_old else {"artifactUpdate": artifact}
            )
        return pieces + self.frame(self.update(self.status(seen), last=True))

    def update(self, status: Mapping[str, Any], *, last: bool) -> dict[str, Any]:
        """A change of its state."""
        said = {**self.ids, "status": status}
        return {"kind": "status-update", "final": last, **said} if self._dialect.is_old else {"statusUpdate": said}

    def frame(self, result: Any) -> bytes:
        """A message of the stream."""
        return make_frame(result_of(self._call, result))
