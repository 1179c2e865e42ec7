"""The `telegram` source: asks the Bot API for updates by long polling. https://core.telegram.org/bots/api#getupdates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.interruption import call_until
from intellyhub_functions.sources.telegram.messages import accepts, make_event
from intellyhub_functions.sources.telegram.voice import save_voice
from intellyhub_functions.telegram.bot_api import Bot, BotRefused, find_api_url

__all__ = ["listen"]

MAX_UPDATES = 100
CALL_SECONDS = 10.0
"""For a call beyond the time that Telegram holds it open."""


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """One event per accepted message. The place is the next update's number: Telegram forgets what is before it."""
    token = text_of(parameters.get("bot_token") or context.settings.get("TELEGRAM_BOT_TOKEN"))
    bot = Bot(token=token, api_url=find_api_url(parameters, context.settings), timeout_seconds=CALL_SECONDS)
    place = f"telegram {hashlib.sha256(token.encode()).hexdigest()[:16]}"
    backoff = Backoff(context)
    while not context.stopping.is_set():
        try:
            offset = context.cursors.get(place)
            if offset is None:
                offset = first_offset(bot, parameters)
                context.cursors.put(place, offset)
            updates = ask(bot, offset, parameters, context)
        except RetryableError as failure:
            backoff.fail(failure, "the telegram listener")
            continue
        except BotRefused as refusal:
            if refusal.code != 409:  # 409: another process asks for the same bot's updates
                raise PermanentError(f"the telegram listener ends: {refusal}") from refusal
            backoff.fail(RetryableError(str(refusal)), "the telegram listener")
            continue
        backoff.succeed()
        for update in updates:
            yield from give(update, bot, parameters, context)
            context.cursors.put(place, update["update_id"] + 1)
        context.sleep(0 if updates else parameters.get("polling_interval", 2))


def first_offset(bot: Bot, parameters: Mapping[str, Any]) -> int:
    """Where to begin at the first contact: after what waits already, unless that is wanted too."""
    if not parameters.get("ignore_old_messages", True):
        return 0
    waiting = bot.call("getUpdates", {"offset": -1, "limit": 1, "timeout": 0})
    return int(waiting[-1]["update_id"]) + 1 if waiting else 0


def ask(bot: Bot, offset: int, parameters: Mapping[str, Any], context: SourceContext) -> list[Any]:
    """The updates from `offset` on; waits for one as long as `timeout` says."""
    seconds = parameters.get("timeout", 30)
    arguments = {"offset": offset, "limit": MAX_UPDATES, "timeout": seconds, "allowed_updates": ["message"]}
    answer = call_until(lambda: bot.call("getUpdates", arguments, extra_seconds=seconds), context.stopping)
    return list(answer or ())


def give(update: Mapping[str, Any], bot: Bot, parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """The event of an update, if it holds a message that the parameters accept."""
    message = update.get("message")
    if not message or not accepts(message, parameters):
        return
    files = {}
    if "voice" in message and parameters.get("download_voice"):
        files = save_voice(message["voice"], bot, parameters, context)
    yield make_event(update["update_id"], message, files, context)
