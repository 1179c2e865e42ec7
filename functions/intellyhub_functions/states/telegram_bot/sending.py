"""Sends texts and files, in as many messages as they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.uploads import Upload
from intellyhub_functions.states.telegram_bot.keyboards import make_markup
from intellyhub_functions.telegram.bot_api import Bot, BotRefused
from intellyhub_functions.telegram.files import find_file
from intellyhub_functions.telegram.text import split_text

__all__ = ["Call", "find_media", "make_media", "read_text", "send", "send_formatted"]

MAX_PAUSE_SECONDS = 60.0
"""How long Telegram may put off the later parts of one text before the step fails."""
MAX_CAPTION_UNITS = 1024
MAX_ALBUM = 10
MEDIA = ("photo", "document", "audio", "voice", "video")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of the Bot API, ready to be made."""

    method: str
    arguments: Mapping[str, Any]
    files: Mapping[str, Upload]


def send(parameters: Mapping[str, Any], step: Step, bot: Bot, chat_id: str) -> list[Mapping[str, Any]]:
    """Send what the parameters hold; the messages that came of it, in order."""
    text = read_text(parameters) or text_of(parameters.get("caption"))
    media = find_media(parameters)
    if not text.strip() and media is None:
        raise PermanentError("message is empty; Telegram sends no empty message")
    calls: list[Call] = []
    if media is not None:
        captioned = len(split_text(text, MAX_CAPTION_UNITS)) <= 1
        calls.append(make_media_call(*media, text if captioned else "", parameters, step))
        text = "" if captioned else text
    texts = split_text(text)
    calls += [Call(method="sendMessage", arguments={"text": part} | marks(parameters), files={}) for part in texts]
    return send_all(calls, parameters, step, bot, chat_id)


def send_all(
    calls: Sequence[Call], parameters: Mapping[str, Any], step: Step, bot: Bot, chat_id: str
) -> list[Mapping[str, Any]]:
    """Make the calls. Only the first answers another message, only the last has the keyboard."""
    markup = make_markup(parameters)
    reply = make_reply(parameters.get("reply_to_message_id"))
    sent: list[Mapping[str, Any]] = []
    for number, call in enumerate(calls):
        more = {
            "chat_id": chat_id,
            "disable_notification": parameters.get("disable_notification") or None,
            "protect_content": parameters.get("protect_content") or None,
            "message_thread_id": parameters.get("message_thread_id"),
            "reply_parameters": reply if number == 0 else None,
            "reply_markup": markup if number == len(calls) - 1 else None,
        }
        ready = Call(method=call.method, arguments={**more, **call.arguments}, files=call.files)
        answer = send_formatted(bot, ready, step) if number == 0 else send_later(bot, ready, step)
        sent += answer if isinstance(answer, list) else [answer]
    return sent


def read_text(parameters: Mapping[str, Any]) -> str:
    """The message, which is the caption of a file."""
    return text_of(parameters.get("message"))


def marks(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """How the text of a message is read and shown."""
    return {
        "parse_mode": parameters.get("parse_mode", "HTML") or None,
        "link_preview_options": {"is_disabled": True} if parameters.get("disable_web_page_preview") else None,
    }


def find_media(parameters: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The kind of file to send and what is written for it. Raises PermanentError where there are several kinds."""
    given = [kind for kind in MEDIA if parameters.get(kind) not in (None, "", [])]
    if len(given) > 1:
        raise PermanentError(f"{' and '.join(given)} are given; one message carries one kind of file")
    return (given[0], parameters[given[0]]) if given else None


def make_media_call(kind: str, written: Any, caption: str, parameters: Mapping[str, Any], step: Step) -> Call:
    """The call that sends one file, or an album of several."""
    mode = parameters.get("parse_mode", "HTML") or None
    if isinstance(written, list | tuple) and len(written) > 1:
        if kind == "voice" or len(written) > MAX_ALBUM:
            raise PermanentError(f"an album has 2 to {MAX_ALBUM} photos, videos, documents or audio files")
        items: list[dict[str, Any]] = []
        files: dict[str, Upload] = {}
        for number, item in enumerate(written):
            entry, uploads = make_media(kind, item, f"file{number}", step)
            items.append(entry | ({"caption": caption, "parse_mode": mode} if number == 0 and caption else {}))
            files |= uploads
        return Call(method="sendMediaGroup", arguments={"media": items}, files=files)
    single = written[0] if isinstance(written, list | tuple) else written
    file = find_file(single, kind, step.workspace, parameters.get("file_name"))
    arguments = {"caption": caption or None, "parse_mode": mode if caption else None}
    if isinstance(file, Upload):
        return Call(method=f"send{kind.title()}", arguments=arguments, files={kind: file})
    return Call(method=f"send{kind.title()}", arguments=arguments | {kind: file}, files={})


def make_media(kind: str, written: Any, field: str, step: Step) -> tuple[dict[str, Any], dict[str, Upload]]:
    """An `InputMedia` and the file that goes along. https://core.telegram.org/bots/api#inputmedia."""
    file = find_file(written, kind, step.workspace)
    if isinstance(file, Upload):
        return {"type": kind, "media": f"attach://{field}"}, {field: file}
    return {"type": kind, "media": file}, {}


def make_reply(message_id: Any) -> dict[str, Any] | None:
    """Which message is answered; None where none is named or the name is no number."""
    number = text_of(message_id).strip()
    return {"message_id": int(number), "allow_sending_without_reply": True} if number.isdigit() else None


def send_formatted(bot: Bot, call: Call, step: Step) -> Any:
    """Make one call; with its text plain where Telegram cannot read its marks."""
    try:
        return bot.call(call.method, call.arguments, files=call.files)
    except BotRefused as refusal:
        if "parse entities" not in refusal.description:
            raise
        mode = call.arguments.get("parse_mode") or "as marked"
        step.log("warning", f"sent as plain text, because it is not {mode}: {refusal.description}")
        plain = without_mode(call.arguments)
        if plain == call.arguments:
            raise
        return bot.call(call.method, plain, files=call.files)


def without_mode(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without `parse_mode`, also within an album."""
    plain = {name: value for name, value in arguments.items() if name != "parse_mode"}
    media = plain.get("media")
    if isinstance(media, list):
        plain["media"] = [without_mode(item) for item in media]
    elif isinstance(media, Mapping):
        plain["media"] = without_mode(media)
    return plain


def send_later(bot: Bot, call: Call, step: Step) -> Any:
    """Make a call after the first; once put off it is made again here, because failing would repeat what was sent."""
    try:
        return send_formatted(bot, call, step)
    except RetryableError as put_off:
        seconds = put_off.retry_after_seconds
        if seconds is None or seconds > MAX_PAUSE_SECONDS or step.cancelled.wait(seconds):
            raise
        return send_formatted(bot, call, step)
