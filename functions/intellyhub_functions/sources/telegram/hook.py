"""Updates that Telegram sends by itself: whether one is genuine, and the event that it is. Pure."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.hook import Accept, Direct, Facts, HookAnswer, Ran, Received, Refused
from intellyhub_functions.sources.telegram.messages import MalformedUpdate, accepts, make_event, read_update
from intellyhub_functions.telegram.registration import secret_of

__all__ = ["SECRET_HEADER", "TelegramHook", "is_genuine", "make_hook_event", "open_hook"]

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - the header's name
"""https://core.telegram.org/bots/api#setwebhook"""
MAX_UPDATE_BYTES = 1024 * 1024


def open_hook(parameters: Mapping[str, Any], facts: Facts) -> TelegramHook | None:
    """The hook of a listener in webhook mode; None for one that asks for its updates."""
    if parameters.get("mode") != "webhook":
        return None
    return TelegramHook(parameters=parameters, source=facts.flows[0].source)


@dataclass(frozen=True, kw_only=True)
class TelegramHook:
    """One bot's updates."""

    parameters: Mapping[str, Any]
    source: str
    max_body_bytes: int = MAX_UPDATE_BYTES

    def admit(self, head: Received) -> Direct | None:
        """Only Telegram knows the secret. Raises Refused."""
        if head.method != "POST":
            raise Refused(405, "Telegram sends updates with POST", {"Allow": "POST"})
        if not is_genuine(head.headers, secret_of(self.parameters)):
            raise Refused(401, "the secret token of the webhook is missing or wrong")
        return None

    def answer(self, received: Received, now_ns: int) -> Direct | Accept:
        """The update's event, stored before Telegram is answered. One that cannot be read is answered 200 too:
        otherwise Telegram would send it again and again, and everything behind it would wait."""
        try:
            event = make_hook_event(received.body, self.parameters, self.source)
        except MalformedUpdate as fault:
            return tell("skipped", f"the update is malformed: {fault}")
        if event is None:
            return tell("skipped", "the listener does not ask for this")
        return Accept(event, confirm, wait_seconds=0)


def tell(status: str, reason: str) -> Direct:
    return Direct(HookAnswer(body=json.dumps({"status": status, "reason": reason}).encode()))


def confirm(ran: Ran) -> HookAnswer:
    """200 for what is stored; else 503, so that Telegram sends it again."""
    if ran.status == 429 or ran.status >= 500:
        return HookAnswer(503, b'{"status": "busy"}')
    return HookAnswer(body=b'{"status": "accepted"}')


def is_genuine(headers: Mapping[str, str], secret: str) -> bool:
    """Whether the request has the secret that Telegram was told; header names are lower-case. No secret is never
    enough."""
    given = headers.get(SECRET_HEADER, "")
    return bool(secret) and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def make_hook_event(body: bytes, parameters: Mapping[str, Any], address: str) -> Event | None:
    """The event of an update that was sent; None where the flow has no use for it. Raises MalformedUpdate."""
    try:
        update = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise MalformedUpdate("it is no JSON") from fault
    heard = read_update(update)
    return make_event(heard, address) if heard is not None and accepts(heard, parameters) else None
