"""What a bot can be told to do, a function each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.files.storage import write_whole
from intellyhub_functions.states.telegram_bot.editing import make_edit
from intellyhub_functions.states.telegram_bot.sending import Call, read_text, send, send_formatted
from intellyhub_functions.telegram.bot_api import Bot, BotRefused

__all__ = ["ACTIONS"]

CHAT_ACTION = "typing"
GONE = re.compile("not found|wasn't found")
MAX_ANSWER_CHARACTERS = 200
"""https://core.telegram.org/bots/api#answercallbackquery"""


def perform_send(parameters: Mapping[str, Any], step: Step, bot: Bot) -> Record:
    """Send a text, a file or both."""
    chat_id = find_chat(parameters, step)
    sent = send(parameters, step, bot, chat_id)
    numbers = [message["message_id"] for message in sent]
    return make_result(chat_id, numbers[-1], message_ids=numbers, **find_sent_file(sent))


def perform_edit(parameters: Mapping[str, Any], step: Step, bot: Bot) -> Record:
    """Give a message another text, file, caption or keyboard; one that is so already is left."""
    chat_id, message_id = find_chat(parameters, step), find_message(parameters, step)
    call = make_edit(parameters, step)
    arguments = {"chat_id": chat_id, "message_id": message_id, **call.arguments}
    try:
        send_formatted(bot, Call(method=call.method, arguments=arguments, files=call.files), step)
    except BotRefused as refusal:
        if "not modified" not in refusal.description:
            raise
    return make_result(chat_id, message_id)


def perform_delete(parameters: Mapping[str, Any], step: Step, bot: Bot) -> Record | Outcome:
    """Delete a message; one that is not there any more is a fault of the soft kind."""
    chat_id, message_id = find_chat(parameters, step), find_message(parameters, step)
    try:
        bot.call("deleteMessage", {"chat_id": chat_id, "message_id": message_id})
    except BotRefused as refusal:
        if not GONE.search(refusal.description):
            raise
        if step.attempt == 1:  # a later attempt finds deleted what the one before deleted
            return soften(refusal, chat_id)
    return make_result(chat_id, message_id)


def perform_answer(parameters: Mapping[str, Any], step: Step, bot: Bot) -> Record | Outcome:
    """Answer a pressed button; Telegram takes answers for some minutes only, so a late one is a soft fault."""
    query = text_of(parameters.get("callback_query_id") or step.scope.get("telegram_callback_query_id")).strip()
    if not query:
        raise PermanentError("callback_query_id is missing; the run was not started by a button")
    arguments = {
        "callback_query_id": query,
        "text": read_text(parameters)[:MAX_ANSWER_CHARACTERS] or None,
        "show_alert": parameters.get("show_alert") or None,
        "url": parameters.get("url") or None,
    }
    try:
        bot.call("answerCallbackQuery", arguments)
    except BotRefused as refusal:
        if "query is too old" not in refusal.description:
            raise
        return soften(refusal, None)
    return Record(success=True, callback_query_id=query, timestamp=now())


def perform_chat_action(parameters: Mapping[str, Any], step: Step, bot: Bot) -> Record:
    """Show for five seconds, or until the next message, that the bot is at work."""
    chat_id, shown = find_chat(parameters, step), parameters.get("chat_action") or CHAT_ACTION
    thread = parameters.get("message_thread_id")
    bot.call("sendChatAction", {"chat_id": chat_id, "action": shown, "message_thread_id": thread})
    return Record(success=True, chat_id=chat_id, chat_action=shown, timestamp=now())


def perform_download(parameters: Mapping[str, Any], step: Step, bot: Bot) -> Record:
    """Save a file of the chat in the workspace: the named one, else that of the message received."""
    file_id = text_of(parameters.get("file_id") or step.scope.get("telegram_file_id")).strip()
    if not file_id:
        raise PermanentError("file_id is missing; the run was not started by a message with a file")
    remote = bot.locate(file_id)
    content = bot.download(remote)
    own = re.sub(r"[^\w.-]", "_", PurePosixPath(remote).name)[-100:].lstrip(".") or "file"
    path = place(text_of(parameters.get("path")).strip() or f"workspace/{own}", step.workspace)
    try:
        write_whole(path, content)
    except OSError as fault:
        raise PermanentError(f"the file cannot be written: {fault.strerror or fault}") from fault
    where = shown(path, step.workspace)
    return Record(success=True, file_id=file_id, file_path=where, file_size=len(content), timestamp=now())


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], Step, Bot], Record | Outcome]] = {
    "send": perform_send,
    "edit": perform_edit,
    "delete": perform_delete,
    "answer_callback": perform_answer,
    "chat_action": perform_chat_action,
    "download": perform_download,
}


def find_chat(parameters: Mapping[str, Any], step: Step) -> str:
    """The state's chat, else the one that the triggering message came from, else the one of the environment."""
    found = parameters.get("chat_id") or step.scope.get("telegram_chat_id") or step.scope.get("TELEGRAM_CHAT_ID")
    if not found:
        raise PermanentError("chat_id is missing; set it, or the variable TELEGRAM_CHAT_ID")
    return text_of(found).strip()


def find_message(parameters: Mapping[str, Any], step: Step) -> int:
    """The state's message, else the one whose button was pressed."""
    pressed = step.scope.get("telegram_message_id") if step.scope.get("telegram_callback_query_id") else None
    number = text_of(parameters.get("message_id") or pressed).strip()
    if not number.isdigit():
        raise PermanentError("message_id is missing or no number; a sent message's is in its result")
    return int(number)


def make_result(chat_id: str, message_id: Any, **more: Any) -> Record:
    return Record(success=True, message_id=message_id, chat_id=chat_id, timestamp=now(), **more)


def find_sent_file(sent: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The `file_id` of what was sent, by which it can be sent again without uploading it."""
    for message in sent:
        for kind in ("document", "audio", "voice", "video", "photo"):
            held = message.get(kind)
            largest = held[-1] if isinstance(held, list) and held else held
            if isinstance(largest, Mapping) and "file_id" in largest:
                return {"file_id": largest["file_id"]}
    return {}


def soften(refusal: BotRefused, chat_id: str | None) -> Outcome:
    """A fault that takes the error edge where there is one, and is a warning else."""
    return Outcome(value=Record(success=False, error=str(refusal), chat_id=chat_id), fault=str(refusal))


def now() -> str:
    return datetime.now(UTC).isoformat()
