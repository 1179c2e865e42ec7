"""The Bot API's rules on messages: what it refuses, and what it makes of what it takes.

Written from https://core.telegram.org/bots/api (sendMessage, sendPhoto …, editMessageText …, answerCallbackQuery).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from intellyhub_functions.telegram.text import MAX_UNITS
from intellyhub_functions.testing.forms import SentFile
from intellyhub_functions.testing.marks import fault_in_marks

__all__ = ["CHAT_ACTIONS", "MEDIA", "Refusal", "check_markup", "check_text", "make_file", "make_message", "read_json"]

MAX_CAPTION_UNITS = 1024
MAX_CALLBACK_BYTES = 64
MEDIA = {f"send{kind.title()}": kind for kind in ("photo", "document", "audio", "voice", "video")}
CHAT_ACTIONS = frozenset(
    (
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    )
)


class Refusal(Exception):
    """A call that Telegram refuses."""

    def __init__(self, description: str, code: int = 400) -> None:
        self.description = description
        self.code = code
        super().__init__(description)


def read_json(value: Any) -> Any:
    """An argument that travels as JSON in a form."""
    return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value


def check_text(text: str, mode: Any, *, caption: bool = False) -> None:
    """Raise Refusal for an empty text, one too long or one whose marks do not close."""
    if not caption and not text.strip():
        raise Refusal("Bad Request: message text is empty")
    if len(text.encode("utf-16-le")) // 2 > (MAX_CAPTION_UNITS if caption else MAX_UNITS):
        raise Refusal(f"Bad Request: message {'caption ' if caption else ''}is too long")
    fault = fault_in_marks(text, mode)
    if fault:
        raise Refusal(f"Bad Request: can't parse entities: {fault}")


def check_markup(markup: Any) -> Any:
    """The keyboard, as Telegram reads it; raises Refusal for buttons that can do nothing."""
    read = read_json(markup)
    if read is None:
        return None
    if not isinstance(read, Mapping):
        raise Refusal("Bad Request: object expected as reply markup")
    for row in read.get("inline_keyboard", ()):
        for button in row:
            if not button.get("text"):
                raise Refusal('Bad Request: can\'t parse inline keyboard button: Field "text" must be of type String')
            if len(button) < 2:
                raise Refusal("Bad Request: Text buttons are unallowed in the inline keyboard")
            if not 0 < len(button.get("callback_data", "x").encode()) <= MAX_CALLBACK_BYTES:
                raise Refusal("Bad Request: BUTTON_DATA_INVALID")
    return read


def make_file(kind: str, written: Any, files: Mapping[str, SentFile], held: dict[str, bytes]) -> dict[str, Any]:
    """What a message tells of its file: uploaded, known by its file_id, or fetched from an address."""
    name = written.removeprefix("attach://") if isinstance(written, str) else kind
    if name in files:
        content, title = files[name].content, files[name].name
        identity = f"{kind}-{len(held):020d}"
        held[identity] = content
    elif isinstance(written, str) and written in held:
        content, title, identity = held[written], written, written
    elif isinstance(written, str) and re.match("https?://", written):
        content, title, identity = b"", written.rpartition("/")[2], f"{kind}-fetched-{len(held):020d}"
        held[identity] = content
    else:
        raise Refusal("Bad Request: wrong file identifier/HTTP URL specified")
    if name in files and not content:
        raise Refusal("Bad Request: file must be non-empty")
    told = {"file_id": identity, "file_unique_id": identity[-12:], "file_size": len(content)}
    return told if kind == "photo" else {**told, "file_name": title}


def make_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A kept message as a `Message` object."""
    told = {"message_id": message["message_id"], "date": int(time.time())}
    told["chat"] = {"id": message.get("chat_id"), "type": "private"}
    for name in ("text", "caption", *MEDIA.values()):
        if name in message:
            told[name] = message[name]
    if "photo" in told:
        told["photo"] = [told["photo"]]
    markup = message.get("reply_markup") or {}
    if "inline_keyboard" in markup:
        told["reply_markup"] = markup
    return told
