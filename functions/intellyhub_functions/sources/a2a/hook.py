"""An A2A agent: its card, and JSON-RPC to send it messages and to ask after its tasks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import (
    Accept,
    Callee,
    Direct,
    Direction,
    Facts,
    Find,
    HookAnswer,
    Ran,
    Received,
    Refused,
    Seen,
    Stream,
    read_ran,
)
from intellyhub_functions.rpc.a2a_protocol import CARD_PATHS, OLD, V1, VERSION_HEADER, Dialect, Fault, dialect_of
from intellyhub_functions.rpc.messages import Call, Code, RpcFault, make_fault, make_result, pack, read_call
from intellyhub_functions.sources.a2a.card import make_card
from intellyhub_functions.sources.a2a.messages import as_object, is_wanted, make_event, make_rpc_event
from intellyhub_functions.sources.a2a.tasks import Telling
from intellyhub_functions.sources.callers import Callers, examine, make_callers

__all__ = ["A2aHook", "examine", "open_hook"]

DEFAULT_REPLY_SECONDS = 300.0
MAX_BODY_BYTES = 4 << 20
PLAIN_PATH = "/rpc"
"""Where the published listener took plain calls of any method."""
REFUSED = {
    "ListTasks": Fault.UNSUPPORTED_OPERATION,
    "GetExtendedAgentCard": Fault.CARD_NOT_CONFIGURED,
    "agent/getAuthenticatedExtendedCard": Fault.CARD_NOT_CONFIGURED,
    "CreateTaskPushNotificationConfig": Fault.PUSH_NOT_SUPPORTED,
    "GetTaskPushNotificationConfig": Fault.PUSH_NOT_SUPPORTED,
    "ListTaskPushNotificationConfigs": Fault.PUSH_NOT_SUPPORTED,
    "DeleteTaskPushNotificationConfig": Fault.PUSH_NOT_SUPPORTED,
    "tasks/pushNotificationConfig/set": Fault.PUSH_NOT_SUPPORTED,
    "tasks/pushNotificationConfig/get": Fault.PUSH_NOT_SUPPORTED,
    "tasks/pushNotificationConfig/list": Fault.PUSH_NOT_SUPPORTED,
    "tasks/pushNotificationConfig/delete": Fault.PUSH_NOT_SUPPORTED,
}


def open_hook(parameters: Mapping[str, Any], facts: Facts) -> A2aHook:
    """The agent of one flow. Raises PermanentError for a token without a value."""
    channel = text_of(parameters.get("channel") or "").strip()
    return A2aHook(
        flow=facts.flows[0],
        callers=make_callers(parameters, facts, "a2a"),
        channel=channel or None,
        wanted=parameters.get("filter"),
        reply_seconds=float(parameters.get("reply_timeout", DEFAULT_REPLY_SECONDS)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class A2aHook:
    """One agent."""

    flow: Callee
    callers: Callers
    channel: str | None
    wanted: Any
    reply_seconds: float
    max_body_bytes: int = MAX_BODY_BYTES

    def admit(self, head: Received) -> Direct | None:
        if head.path in CARD_PATHS and head.method in ("GET", "HEAD"):
            card = make_card(self.flow, head.base, public=self.callers.public)
            return Direct(HookAnswer(body=pack(card), headers={"Cache-Control": "max-age=60"}))
        if head.path not in ("/", PLAIN_PATH):
            raise Refused(404, f"nothing is here; the card is at {CARD_PATHS[0]}")
        self.callers.check(head)
        if head.method != "POST":
            raise Refused(405, "send messages by POST", {"Allow": "POST"})
        return None

    def answer(self, received: Received, now_ns: int) -> Direction:
        try:
            call = read_call(received.body)
        except RpcFault as fault:
            return Direct(make_fault(fault))
        if call is None:
            return Direct(make_fault(RpcFault(Code.INVALID_REQUEST, "nothing was asked here", status=400)))
        try:
            return self.act(call, received, now_ns)
        except RpcFault as fault:
            return Direct(make_fault(fault))

    def act(self, call: Call, received: Received, now_ns: int) -> Direction:
        """Raises RpcFault."""
        dialect = dialect_of(call.method)
        if dialect is None:
            if received.path == PLAIN_PATH and call.method not in REFUSED:
                return self.run_plain(call, received, now_ns)
            code = REFUSED.get(call.method, Code.METHOD_NOT_FOUND)
            raise RpcFault(code, f"{call.method[:100]} is not offered here", call_id=call.id)
        check_version(call, received.headers)
        if call.method in (dialect.send, dialect.stream):
            return self.take(call, dialect, received, now_ns)
        return self.look(call, dialect)

    def take(self, call: Call, dialect: Dialect, received: Received, now_ns: int) -> Direct | Accept:
        """A message: an event, and the task that it is."""
        message, options = call.params.get("message"), as_object(call.params.get("configuration"))
        if not isinstance(message, dict) or not isinstance(message.get("parts"), list) or not message.get("messageId"):
            raise RpcFault(Code.INVALID_PARAMS, "the message must have a messageId and parts", call_id=call.id)
        if options.get("taskPushNotificationConfig") or options.get("pushNotificationConfig"):
            raise RpcFault(Fault.PUSH_NOT_SUPPORTED, "nobody is called back from here", call_id=call.id)
        if message.get("taskId"):
            detail = "a task of this agent takes no further messages: send a new one"
            raise RpcFault(Fault.UNSUPPORTED_OPERATION, detail, call_id=call.id)
        metadata = {**as_object(call.params.get("metadata")), **as_object(message.get("metadata"))}
        event = make_event(
            {**message, "metadata": metadata},
            source=self.flow.source,
            channel=self.channel,
            address=received.address,
            now_ns=now_ns,
        )
        telling = Telling(call, dialect, event, message=message)
        if not is_wanted(event, self.channel, self.wanted):
            return Direct(reject(call, dialect, telling))
        streams = call.method == dialect.stream
        at_once = options.get("returnImmediately") is True or options.get("blocking") is False
        return Accept(
            event,
            telling.reply,
            wait_seconds=self.reply_seconds,
            begun=at_once and not streams,
            patient=streams,
            stream=telling.stream if streams else None,
        )

    def look(self, call: Call, dialect: Dialect) -> Find:
        """A question about a task, or the wish to end it."""
        task_id = call.params.get("id")
        if not isinstance(task_id, str) or not task_id:
            raise RpcFault(Code.INVALID_PARAMS, "the id of a task is missing", call_id=call.id)
        watching = Watching(call, dialect)
        return Find(
            task_id,
            ASKED[call.method](watching),
            cancel=call.method == dialect.cancel,
            stream=watching.stream if call.method == dialect.subscribe else None,
        )

    def run_plain(self, call: Call, received: Received, now_ns: int) -> Accept:
        """A plain call; what the flow answers is its result."""
        event = make_rpc_event(
            call.params,
            identity=received.headers.get("idempotency-key") or uuid.uuid4().hex,
            source=self.flow.source,
            channel=self.channel,
            address=received.address,
            now_ns=now_ns,
        )
        return Accept(event, lambda ran: reply_plain(call, ran), wait_seconds=self.reply_seconds)


class Watching:
    """The answers to questions about a task, whose event is known with the run only."""

    def __init__(self, call: Call, dialect: Dialect) -> None:
        self._call = call
        self._dialect = dialect
        self._telling: Telling | None = None

    @property
    def stream(self) -> Stream:
        return Stream(self.begin, self.tell, self.end)

    def begin(self, event: Any) -> bytes:
        self._telling = Telling(self._call, self._dialect, event)
        return self._telling.begin(event)

    def tell(self, kind: str, content: Mapping[str, Any]) -> bytes:
        return b"" if self._telling is None else self._telling.tell(kind, content)

    def end(self, seen: Seen) -> bytes:
        return b"" if self._telling is None else self._telling.end(seen)

    def show(self, seen: Seen | None) -> HookAnswer:
        """How the task stands."""
        if seen is None or seen.event is None:
            return make_fault(RpcFault(Fault.TASK_NOT_FOUND, "there is no such task", call_id=self._call.id))
        return Telling(self._call, self._dialect, seen.event).show(seen)

    def show_canceled(self, seen: Seen | None) -> HookAnswer:
        """How it stands after it was asked to stop."""
        if seen is not None and seen.has_ended and seen.status != "cancelled":
            return make_fault(RpcFault(Fault.TASK_NOT_CANCELABLE, "the task has ended", call_id=self._call.id))
        return self.show(seen)

    def show_ended(self, seen: Seen | None) -> HookAnswer:
        """What there is to watch of a task that has ended."""
        if seen is None:
            return self.show(seen)
        detail = "the task has ended; ask for it"
        return make_fault(RpcFault(Fault.UNSUPPORTED_OPERATION, detail, call_id=self._call.id))


Reply = Callable[[Seen | None], HookAnswer]
ASKED: Mapping[str, Callable[[Watching], Reply]] = {
    V1.get: lambda watching: watching.show,
    OLD.get: lambda watching: watching.show,
    V1.cancel: lambda watching: watching.show_canceled,
    OLD.cancel: lambda watching: watching.show_canceled,
    V1.subscribe: lambda watching: watching.show_ended,
    OLD.subscribe: lambda watching: watching.show_ended,
}


def check_version(call: Call, headers: Mapping[str, str]) -> None:
    """Raises RpcFault for a version that is not spoken here; who names none is known by its methods."""
    version = headers.get(VERSION_HEADER, "").strip()
    if version and not version.startswith((V1.version, OLD.version)):
        raise RpcFault(Fault.VERSION_NOT_SUPPORTED, "versions 1.0 and 0.3 are spoken here", call_id=call.id)


def reject(call: Call, dialect: Dialect, telling: Telling) -> HookAnswer:
    """The answer to a message that the listener does not want: a task that never was."""
    task = telling.task(Seen("failed", None, "the message is none of those that this agent listens to"))
    task["status"]["state"] = dialect.states["rejected"]
    return make_result(call, task if dialect.is_old else {"task": task})


def reply_plain(call: Call, ran: Ran) -> HookAnswer:
    """What the flow answered, as the result."""
    seen = read_ran(ran)
    if seen.status in ("failed", "cancelled"):
        return make_fault(RpcFault(Code.INTERNAL_ERROR, seen.error or seen.status, call_id=call.id))
    return make_result(call, seen.output if seen.has_ended else {"status": seen.status})
