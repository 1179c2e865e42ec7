"""A listener in webhook mode: Telegram is told where to send updates, and asked now and then how that goes.

https://core.telegram.org/bots/api#getwebhookinfo
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import Health, SourceContext
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.telegram.messages import wanted_updates
from intellyhub_functions.telegram.bot_api import DEFAULT_API_URL, Bot, BotRefused
from intellyhub_functions.telegram.registration import register, secret_of

__all__ = ["keep_registered"]

LOOK_SECONDS = 60.0
NAME = "the telegram listener"


def keep_registered(bot: Bot, parameters: Mapping[str, Any], context: SourceContext, place: str) -> None:
    """Keep the bot's webhook at `webhook_url` until the source has to end. The events come through the hook."""
    url = find_address(bot, parameters, context)
    backoff = Backoff(context)
    registered = False
    while not context.stopping.is_set():
        try:
            told = {} if not registered else bot.call("getWebhookInfo", {})
            info = told if isinstance(told, Mapping) else {}
            if info.get("url") != url:
                first = context.cursors.get(place) is None
                drops = first and bool(parameters.get("ignore_old_messages", True))
                secret = secret_of({**parameters, "bot_token": bot.token})
                register(bot, url, secret, wanted_updates(parameters), drop_waiting=drops)
                if first:
                    context.cursors.put(place, 0)
                registered = True
        except RetryableError as failure:
            backoff.fail(failure, NAME)
            continue
        except BotRefused as refusal:
            raise PermanentError(f"{NAME} ends: {refusal}") from refusal
        backoff.succeed()
        context.report(health_of(info, url, context.now_ns() / 1e9))
        context.sleep(LOOK_SECONDS)


def find_address(bot: Bot, parameters: Mapping[str, Any], context: SourceContext) -> str:
    """Where Telegram reaches the flow's hook: `webhook_url`, else what the platform knows. Raises PermanentError."""
    url = text_of(parameters.get("webhook_url") or context.hook_address).strip()
    if not url:
        raise PermanentError("webhook_url is missing, and the platform knows no public address (INTELLYHUB_PUBLIC_URL)")
    if not url.startswith("https://") and bot.api_url == DEFAULT_API_URL:
        raise PermanentError(f"webhook_url is {url!r}, and Telegram sends updates to https addresses only")
    return url


def health_of(info: Mapping[str, Any], url: str, now: float) -> Health:
    """How Telegram fares with the webhook: its last error counts while updates wait and it is new."""
    failed_at, waiting = info.get("last_error_date"), info.get("pending_update_count")
    if waiting and isinstance(failed_at, int) and now - failed_at < 2 * LOOK_SECONDS:
        message = f"Telegram could not deliver: {text_of(info.get('last_error_message'))[:300]}"
        return Health(connected=False, message=message, next_attempt_seconds=LOOK_SECONDS, address=url)
    return Health(connected=True, address=url)
