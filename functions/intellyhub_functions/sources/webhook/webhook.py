"""The `webhook` source: a small HTTP server; each accepted request is an event, its caller gets the run's answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.hook import Accept, Direct, HookAnswer, Ran, Received, Refused
from intellyhub_engine.machine.source import Reply, SourceContext
from intellyhub_functions.sources.calls import listen_at
from intellyhub_functions.sources.port import pack
from intellyhub_functions.sources.webhook.hook import WebhookHook
from intellyhub_functions.sources.webhook.rules import make_rules

__all__ = ["listen"]


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Serve until stopped. A caller without a reply after `reply_timeout` gets 202; one whose event was not even
    taken gets 503, and its event is dropped."""
    hook = AtPort(inner=WebhookHook(rules=make_rules(parameters), source=context.address))
    host, port = text_of(parameters.get("host") or "127.0.0.1"), parameters.get("port", 8080)
    yield from listen_at(host, port, hook.inner.rules.path, hook, context, name="webhook", as_ran=as_body)


@dataclass(frozen=True, kw_only=True, slots=True)
class AtPort:
    """The webhook at its own path of a port; its answer is what the flow said."""

    inner: WebhookHook

    @property
    def max_body_bytes(self) -> int:
        return self.inner.max_body_bytes

    def admit(self, head: Received) -> Direct | None:
        if head.path.rstrip("/") != self.inner.rules.path.rstrip("/"):
            raise Refused(404, "nothing is here")
        return self.inner.admit(head)

    def answer(self, received: Received, now_ns: int) -> Direct | Accept:
        direction = self.inner.answer(received, now_ns)
        if isinstance(direction, Direct):
            return direction
        return direction._replace(reply=show, wait_seconds=self.inner.rules.reply_seconds)


def as_body(reply: Reply) -> Ran:
    """What the flow said, or that it ended well."""
    body = {"status": "success"} if reply.body is None and reply.status == 200 else reply.body
    return Ran(reply.status, {}, pack(body))


def show(ran: Ran) -> HookAnswer:
    """The same, for the caller."""
    return HookAnswer(ran.status, ran.body)
