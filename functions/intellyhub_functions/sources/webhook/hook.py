"""A webhook on a platform: its rules decide, and its caller gets the run's answer as the worker gave it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.machine.hook import Accept, Direct, Facts, HookAnswer, Ran, Received
from intellyhub_functions.sources.webhook.rules import Challenge, Rules, make_rules

__all__ = ["WebhookHook", "open_hook"]

RELAYED = ("retry-after", "intellyhub-run")
JSON = "application/json"


def open_hook(parameters: Mapping[str, Any], facts: Facts) -> WebhookHook:
    """The hook of resolved parameters. Raises PermanentError where they cannot be followed."""
    return WebhookHook(rules=make_rules(parameters), source=facts.flows[0].source)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookHook:
    """One flow's webhook."""

    rules: Rules
    source: str

    @property
    def max_body_bytes(self) -> int:
        return self.rules.max_body_bytes

    def admit(self, head: Received) -> Direct | None:
        challenge = self.rules.admit(head.method, head.address, head.query)
        return None if challenge is None else show(challenge)

    def answer(self, received: Received, now_ns: int) -> Direct | Accept:
        accepted = self.rules.accept(received, source=self.source, now_ns=now_ns)
        if isinstance(accepted, Challenge):
            return show(accepted)
        if "respond-async" in received.headers.get("prefer", "").lower():
            return Accept(accepted, relay_applied, wait_seconds=0)
        return Accept(accepted, relay, wait_seconds=self.rules.reply_seconds)


def show(challenge: Challenge) -> Direct:
    """The text that has to come back."""
    return Direct(HookAnswer(body=challenge.text.encode(), content_type="text/plain; charset=utf-8"))


def relay(ran: Ran) -> HookAnswer:
    """A worker's answer; where to look for the run is told as the platform's own address."""
    headers = {name: ran.headers[name] for name in RELAYED if name in ran.headers}
    place = ran.headers.get("location", "")
    if place.startswith("/runs/"):
        headers["Location"] = f"/api{place}"
    return HookAnswer(ran.status, without_variables(ran), ran.headers.get("content-type", ""), headers)


def relay_applied(ran: Ran) -> HookAnswer:
    """The same, for who asked not to wait (RFC 7240)."""
    answer = relay(ran)
    return answer._replace(headers={**answer.headers, "Preference-Applied": "respond-async"})


def without_variables(ran: Ran) -> bytes:
    """A worker answers for a flow that gives no `output` with all the variables of its run. They are for its owner, who
    sees them with the run; strangers who call a hook get what the flow wants to say."""
    if ran.status != 200 or b'"variables"' not in ran.body or ran.headers.get("content-type") != JSON:
        return ran.body
    document = json.loads(ran.body)
    if not isinstance(document, dict) or "variables" not in document:
        return ran.body
    del document["variables"]
    return json.dumps(document, ensure_ascii=False).encode()
