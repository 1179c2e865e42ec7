"""A Telegram message as event data. https://core.telegram.org/bots/api#message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.lists import texts_of

__all__ = ["accepts", "make_event", "type_of"]

EVENT_TYPE = "io.intellyhub.telegram.message"
TYPES = ("text", "voice", "photo", "document", "audio", "video", "location", "contact", "sticker")


def type_of(message: Mapping[str, Any]) -> str:
    """What kind of message it is: the first of TYPES that it has, else `other`."""
    return next((kind for kind in TYPES if kind in message), "other")


def accepts(message: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether chat and kind are among those that the listener names."""
    chats = set(filter(None, texts_of(parameters.get("allowed_chat_ids"))))
    kinds = texts_of(parameters.get("message_types", ["text"]))
    chat = message.get("chat", {})
    known = {text_of(chat.get("id")), f"@{chat.get('username')}"}
    return (not chats or bool(chats & known)) and ("all" in kinds or type_of(message) in kinds)


def make_event(update_id: int, message: Mapping[str, Any], files: Mapping[str, str], context: SourceContext) -> Event:
    """The event of a message; every field is text, as published flows expect. Its id is that of the update."""
    chat, sender = message.get("chat", {}), message.get("from", {})
    text = message.get("text") or message.get("caption") or ""
    fields = {
        "text": text,
        "message": text,
        "chat_id": chat.get("id"),
        "user_id": sender.get("id"),
        "message_id": message.get("message_id"),
        "user_first_name": sender.get("first_name"),
        "user_last_name": sender.get("last_name"),
        "user_username": sender.get("username"),
        "message_type": type_of(message),
        "message_date": message.get("date"),
        "chat_type": chat.get("type"),
        "chat_title": chat.get("title"),
        **files,
    }
    return Event(
        id=str(update_id),
        source=context.address,
        type=EVENT_TYPE,
        subject=text_of(chat.get("id")),
        time=datetime.fromtimestamp(message["date"], UTC).isoformat() if "date" in message else None,
        datacontenttype="application/json",
        data={name: text_of(value) for name, value in fields.items()},
    )
