"""A Telegram update as event data. https://core.telegram.org/bots/api#update."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.sources.lists import texts_of

__all__ = ["UPDATE_KINDS", "Heard", "MalformedUpdate", "accepts", "make_event", "read_update", "wanted_updates"]

EVENT_TYPE = "io.intellyhub.telegram.message"
MAX_DATE = 2**37
PRESSED = "callback_query"
UPDATE_KINDS = ("message", PRESSED)
FILES = ("voice", "photo", "document", "audio", "video", "animation", "video_note", "sticker")
PLACES = ("location", "contact")
TYPES = ("text", "voice", "photo", "animation", "document", "audio", "video", "video_note", *PLACES, "sticker")
"""In this order: a message with an animation names it as a document too."""
FILE_FIELDS = ("file_id", "file_unique_id", "file_name", "file_size", "mime_type", "duration", "width", "height")


class MalformedUpdate(Exception):
    """An update that is not what the Bot API describes; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What an update says."""

    number: int
    kind: str
    """text, voice, photo, document, audio, video, location, contact, sticker, callback_query, other."""
    message: Mapping[str, Any]
    """The message; for a pressed button the one that bears it."""
    sender: Mapping[str, Any]
    query: Mapping[str, Any]
    """The pressed button; empty for a message."""

    @property
    def file(self) -> Mapping[str, Any]:
        """The file of the message, of a photo the largest size; empty where it has none."""
        found = self.message.get(self.kind) if self.kind in FILES else None
        if isinstance(found, list):
            found = found[-1] if found else None
        return found if isinstance(found, Mapping) else {}


def wanted_updates(parameters: Mapping[str, Any]) -> list[str]:
    """The kinds of updates that the listener needs at all."""
    kinds = kinds_of(parameters)
    pressed = "all" in kinds or PRESSED in kinds
    return [kind for kind in UPDATE_KINDS if pressed or kind != PRESSED]


def kinds_of(parameters: Mapping[str, Any]) -> list[str]:
    names = texts_of(parameters.get("message_types", ["text"]))
    return [PRESSED if name in ("callback", "button") else name for name in names]


def read_update(update: Any) -> Heard | None:
    """What an update says; None where it is neither a message nor a pressed button. Raises MalformedUpdate."""
    if not isinstance(update, Mapping) or not isinstance(update.get("update_id"), int):
        raise MalformedUpdate("it has no update_id")
    query = update.get(PRESSED)
    if query is not None:
        pressed = mapping_of(query, PRESSED)
        message = mapping_of(pressed.get("message") or {}, "message")  # none under messages sent through inline mode
        kind, sender = PRESSED, pressed.get("from")
        if not isinstance(pressed.get("id"), str):
            raise MalformedUpdate("its callback_query has no id")
    elif "message" in update:
        pressed, message = {}, mapping_of(update["message"], "message")
        kind, sender = type_of(message), message.get("from")
    else:
        return None
    if not pressed or message:
        mapping_of(message.get("chat"), "chat")
    return Heard(
        number=update["update_id"],
        kind=kind,
        message=message,
        sender=mapping_of(sender or message.get("sender_chat") or {}, "from"),
        query=pressed,
    )


def mapping_of(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedUpdate(f"its {name} is no object")
    return value


def type_of(message: Mapping[str, Any]) -> str:
    """What kind of message it is: the first of TYPES that it has, else `other`."""
    return next((kind for kind in TYPES if kind in message), "other")


def accepts(heard: Heard, parameters: Mapping[str, Any]) -> bool:
    """Whether chat and kind are among those that the listener names."""
    chats = set(filter(None, texts_of(parameters.get("allowed_chat_ids"))))
    kinds = kinds_of(parameters)
    chat = heard.message.get("chat", {})
    known = {text_of(chat.get("id")), f"@{chat.get('username')}"}
    return (not chats or bool(chats & known)) and ("all" in kinds or heard.kind in kinds)


def make_event(heard: Heard, address: str) -> Event:
    """The event of an update; every field is text, as published flows expect. Its id is the update's number."""
    message, chat, query = heard.message, heard.message.get("chat", {}), heard.query
    said = query.get("data") if query else message.get("text") or message.get("caption")
    text = text_of(said or "")
    date = message.get("date")
    fields = {
        "text": text,
        "message": text,
        "chat_id": chat.get("id"),
        "user_id": heard.sender.get("id"),
        "message_id": message.get("message_id"),
        "user_first_name": heard.sender.get("first_name") or heard.sender.get("title"),
        "user_last_name": heard.sender.get("last_name"),
        "user_username": heard.sender.get("username"),
        "message_type": heard.kind,
        "message_date": date,
        "chat_type": chat.get("type"),
        "chat_title": chat.get("title"),
        **file_fields(heard),
        **place_fields(message),
        **({"callback_query_id": query["id"], "callback_data": query.get("data")} if query else {}),
    }
    return Event(
        id=str(heard.number),
        source=address,
        type=EVENT_TYPE,
        subject=text_of(chat.get("id")),
        time=None if query else time_of(date),  # a press has no time, its message's is another
        datacontenttype="application/json",
        data={name: text_of(value) for name, value in fields.items()},
    )


def time_of(date: Any) -> str | None:
    """A message's time, RFC 3339; None for what is none."""
    if not isinstance(date, int) or not 0 < date < MAX_DATE:
        return None
    return datetime.fromtimestamp(date, UTC).isoformat()


def file_fields(heard: Heard) -> dict[str, Any]:
    """What Telegram tells of the file; a voice message's also under the published names."""
    file = heard.file
    if not file:
        return {}
    told: dict[str, Any] = {name: file[name] for name in FILE_FIELDS if name in file}
    told["caption"] = heard.message.get("caption")
    if heard.kind == "voice":
        names = ("file_size", "duration", "mime_type")
        told |= {f"voice_{name}": file.get(name) for name in names}
        told |= {"voice_file_path": "", "voice_file_name": "", "voice_transcription": ""}
    return told


def place_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """A location's and a contact's own fields."""
    place, contact = message.get("location"), message.get("contact")
    told: dict[str, Any] = {}
    if isinstance(place, Mapping):
        told |= {"latitude": place.get("latitude"), "longitude": place.get("longitude")}
    if isinstance(contact, Mapping):
        told |= {"contact_phone_number": contact.get("phone_number"), "contact_first_name": contact.get("first_name")}
    return told
