"""The `telegram-bot` state: sends, edits and deletes messages, answers buttons, or gives the message received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import StepFailed
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.states.telegram_bot.actions import ACTIONS
from intellyhub_functions.telegram.bot_api import Bot, open_bot

__all__ = ["perform"]


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Do what `action` says; gives `{success, message_id, chat_id, timestamp}`. A failure's result is `{success,
    error}`."""
    if receives(parameters):
        return received(step)
    try:
        return ACTIONS[parameters.get("action") or "send"](parameters, step, make_bot(parameters, step))
    except StepFailed as failure:
        failure.result = Record(success=False, error=str(failure), chat_id=parameters.get("chat_id"))
        raise


def receives(parameters: Mapping[str, Any]) -> bool:
    """Whether the state stands for the message received (FLOW_LANGUAGE section 4.7)."""
    given = {name for name, value in parameters.items() if value not in (None, "", [])}
    return "message_types" in given and not given & {"chat_id", "message"}


def received(step: Step) -> TextRecord:
    """The triggering message; its text form is its text."""
    data = step.event.data if step.event is not None and isinstance(step.event.data, Mapping) else {}
    entries = {name: value for name, value in data.items() if name != "message"}
    entries["text"] = text_of(step.scope.get("telegram_message_text", data.get("text")))
    entries["chat_id"] = step.scope.get("telegram_chat_id", data.get("chat_id"))
    return TextRecord(entries, "text")


def make_bot(parameters: Mapping[str, Any], step: Step) -> Bot:
    """The state's bot, else the listener's, else that of the environment."""
    return open_bot(
        {**parameters, "bot_token": parameters.get("bot_token") or step.listener.get("bot_token")},
        step.scope,
        timeout_seconds=parameters.get("timeout", 30),
        deadline_seconds=step.timeout_seconds,
        cancelled=step.cancelled,
    )
