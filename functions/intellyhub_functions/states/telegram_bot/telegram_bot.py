"""The `telegram-bot` state: sends a message, or gives the one that started the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.telegram.bot_api import Bot, BotRefused, find_api_url
from intellyhub_functions.telegram.text import split_text

__all__ = ["perform"]

MAX_PAUSE_SECONDS = 60.0
"""How long Telegram may put off the later parts of one text before the step fails."""


def perform(parameters: Mapping[str, Any], step: Step) -> Record:
    """Send; gives `{success, message_id, chat_id, timestamp}`. A failure's result is `{success, error}`."""
    if receives(parameters):
        return received(step)
    try:
        return deliver(parameters, step)
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


def deliver(parameters: Mapping[str, Any], step: Step) -> Record:
    """Send the text, in as many messages as it takes."""
    text = text_of(parameters.get("message"))
    if not text.strip():
        raise PermanentError("message is empty; Telegram sends no empty message")
    bot = Bot(
        token=find_token(parameters, step),
        api_url=find_api_url(parameters, step.scope),
        timeout_seconds=parameters.get("timeout", 30),
        deadline_seconds=step.timeout_seconds,
        cancelled=step.cancelled,
    )
    chat_id = find_chat(parameters, step)
    sent: list[Any] = []
    for part in split_text(text):
        arguments = make_arguments(parameters, chat_id, part, first=not sent)
        sent.append(send_part(bot, arguments, step) if not sent else send_later_part(bot, arguments, step))
    return Record(
        success=True,
        message_id=sent[-1]["message_id"],
        message_ids=[message["message_id"] for message in sent],
        chat_id=chat_id,
        timestamp=datetime.now(UTC).isoformat(),
    )


def find_token(parameters: Mapping[str, Any], step: Step) -> str:
    """The state's token, else the listener's, else the one of the environment."""
    names = step.scope
    found = parameters.get("bot_token") or step.listener.get("bot_token")
    return text_of(found or names.get("TELEGRAM_BOT_TOKEN") or names.get("TELEGRAM_TOKEN")).strip()


def find_chat(parameters: Mapping[str, Any], step: Step) -> str:
    """The state's chat, else the one that the triggering message came from, else the one of the environment."""
    found = parameters.get("chat_id") or step.scope.get("telegram_chat_id") or step.scope.get("TELEGRAM_CHAT_ID")
    if not found:
        raise PermanentError("chat_id is missing; set it, or the variable TELEGRAM_CHAT_ID")
    return text_of(found).strip()


def make_arguments(parameters: Mapping[str, Any], chat_id: str, text: str, *, first: bool) -> dict[str, Any]:
    """The arguments of sendMessage. Only the first part answers another message."""
    return {
        "chat_id": chat_id,
        "text": text,
        "parse_mode": parameters.get("parse_mode", "HTML") or None,
        "disable_notification": parameters.get("disable_notification") or None,
        "link_preview_options": {"is_disabled": True} if parameters.get("disable_web_page_preview") else None,
        "reply_parameters": make_reply(parameters.get("reply_to_message_id")) if first else None,
    }


def make_reply(message_id: Any) -> dict[str, Any] | None:
    """Which message is answered; None where none is named or the name is no number."""
    number = text_of(message_id).strip()
    return {"message_id": int(number), "allow_sending_without_reply": True} if number.isdigit() else None


def send_part(bot: Bot, arguments: dict[str, Any], step: Step) -> Any:
    """Send one message; as plain text where Telegram cannot read its marks."""
    try:
        return bot.call("sendMessage", arguments)
    except BotRefused as refusal:
        if arguments["parse_mode"] is None or "parse entities" not in refusal.description:
            raise
        step.log("warning", f"sent as plain text, because it is not {arguments['parse_mode']}: {refusal.description}")
        return bot.call("sendMessage", arguments | {"parse_mode": None})


def send_later_part(bot: Bot, arguments: dict[str, Any], step: Step) -> Any:
    """Send a part after the first; once put off it is sent again here, because failing would repeat what was sent."""
    try:
        return send_part(bot, arguments, step)
    except RetryableError as put_off:
        seconds = put_off.retry_after_seconds
        if seconds is None or seconds > MAX_PAUSE_SECONDS or step.cancelled.wait(seconds):
            raise
        return send_part(bot, arguments, step)
