"""The `telegram` source: asks the Bot API for updates by long polling. https://core.telegram.org/bots/api#getupdates.

In webhook mode the events come through `hook`, and it only sees to it that Telegram sends them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.machine.source import SourceContext
from intellyhub_engine.machine.step import Step
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.interruption import call_until
from intellyhub_functions.sources.telegram.completion import complete
from intellyhub_functions.sources.telegram.messages import (
    MalformedUpdate,
    accepts,
    make_event,
    read_update,
    wanted_updates,
)
from intellyhub_functions.sources.telegram.registered import keep_registered
from intellyhub_functions.telegram.bot_api import Bot, BotRefused, open_bot
from intellyhub_functions.telegram.registration import unregister

__all__ = ["listen"]

MAX_UPDATES = 100
CALL_SECONDS = 10.0
"""For a call beyond the time that Telegram holds it open."""
COMPLETION_SECONDS = 300.0
"""For having one voice message written down."""
NAME = "the telegram listener"


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """One event per accepted update. The place is the next update's number: Telegram forgets what is before it."""
    bot = open_bot(parameters, context.settings, timeout_seconds=CALL_SECONDS)
    place = f"telegram {hashlib.sha256(bot.token.encode()).hexdigest()[:16]}"
    if parameters.get("mode") == "webhook":
        keep_registered(bot, parameters, context, place)
        return
    backoff = Backoff(context)
    while not context.stopping.is_set():
        try:
            offset = context.cursors.get(place)
            if offset is None:
                offset = first_offset(bot, parameters)
                context.cursors.put(place, offset)
            updates = ask(bot, offset, parameters, context)
        except RetryableError as failure:
            backoff.fail(failure, NAME)
            continue
        except BotRefused as refusal:
            backoff.fail(yield_to_other(refusal, bot, context), NAME)
            continue
        backoff.succeed()
        for update in updates:
            event = make_event_of(update, bot, parameters, context)
            if context.stopping.is_set():  # perhaps in the middle of a download: it comes again, whole
                return
            if event is not None:
                yield event
            context.cursors.put(place, update["update_id"] + 1)
        context.sleep(0 if updates else parameters.get("polling_interval", 2))


def yield_to_other(refusal: BotRefused, bot: Bot, context: SourceContext) -> RetryableError:
    """What may pass of a refusal: another process that asks for the same bot's updates, or a webhook that takes them;
    a webhook is taken away. Everything else raises PermanentError."""
    if refusal.code != 409:
        raise PermanentError(f"{NAME} ends: {refusal}") from refusal
    if "webhook" in refusal.description:
        context.log("warning", "the bot's updates went to a webhook, which is taken away: this listener asks for them")
        try:
            unregister(bot)
        except (BotRefused, RetryableError) as fault:
            return RetryableError(f"the bot's webhook cannot be taken away: {fault}")
    return RetryableError(str(refusal))


def first_offset(bot: Bot, parameters: Mapping[str, Any]) -> int:
    """Where to begin at the first contact: after what waits already, unless that is wanted too."""
    if not parameters.get("ignore_old_messages", True):
        return 0
    waiting = read_answer(bot.call("getUpdates", {"offset": -1, "limit": 1, "timeout": 0}))
    return int(waiting[-1]["update_id"]) + 1 if waiting else 0


def ask(bot: Bot, offset: int, parameters: Mapping[str, Any], context: SourceContext) -> list[Mapping[str, Any]]:
    """The updates from `offset` on; waits for one as long as `timeout` says."""
    seconds = parameters.get("timeout", 30)
    kinds = wanted_updates(parameters)
    arguments = {"offset": offset, "limit": MAX_UPDATES, "timeout": seconds, "allowed_updates": kinds}
    answer = call_until(lambda: bot.call("getUpdates", arguments, extra_seconds=seconds), context.stopping)
    return read_answer(answer)


def read_answer(answer: Any) -> list[Mapping[str, Any]]:
    """Updates that can be passed over one by one, which takes their numbers. Raises RetryableError."""
    updates = [] if answer is None else answer
    numbered = isinstance(updates, list) and all(
        isinstance(update, dict) and isinstance(update.get("update_id"), int) for update in updates
    )
    if not numbered:
        raise RetryableError("Telegram's getUpdates gave an answer that is no list of updates")
    found: list[Mapping[str, Any]] = updates
    return found


def make_event_of(
    update: Mapping[str, Any], bot: Bot, parameters: Mapping[str, Any], context: SourceContext
) -> Event | None:
    """The event of an update that the parameters accept; a malformed one is skipped, and said to be."""
    try:
        heard = read_update(update)
    except MalformedUpdate as fault:
        context.log("error", f"update {update['update_id']} is skipped: {fault}")
        return None
    if heard is None or not accepts(heard, parameters):
        return None
    return complete(make_event(heard, context.address), parameters, bot, make_step_of(context))


def make_step_of(context: SourceContext) -> Step:
    """The surroundings of a source as those of a step, which engines of speech work for."""
    return Step(
        run_id="",
        flow=context.flow,
        state="listener",
        seq=0,
        attempt=1,
        scope=Scope({}, outer=context.settings),
        timeout_seconds=COMPLETION_SECONDS,
        cancelled=context.stopping,
        workspace=context.workspace,
        log=context.log,
    )
