"""What an edit changes. https://core.telegram.org/bots/api#updating-messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.states.telegram_bot.keyboards import make_markup
from intellyhub_functions.states.telegram_bot.sending import Call, find_media, make_media, read_text

__all__ = ["make_edit"]


def make_edit(parameters: Mapping[str, Any], step: Step) -> Call:
    """The call that changes what the parameters name."""
    text, media, caption = read_text(parameters), find_media(parameters), parameters.get("caption")
    mode = parameters.get("parse_mode", "HTML") or None
    markup = {"reply_markup": make_markup(parameters)}
    if media is not None:
        entry, files = make_media(*media, "file", step)
        entry |= {"caption": text, "parse_mode": mode} if text else {}
        return Call(method="editMessageMedia", arguments=markup | {"media": entry}, files=files)
    if caption is not None:
        arguments = markup | {"caption": text_of(caption), "parse_mode": mode}
        return Call(method="editMessageCaption", arguments=arguments, files={})
    if text.strip():
        preview = {"is_disabled": True} if parameters.get("disable_web_page_preview") else None
        arguments = markup | {"text": text, "parse_mode": mode, "link_preview_options": preview}
        return Call(method="editMessageText", arguments=arguments, files={})
    if not any(parameters.get(name) is not None for name in ("reply_markup", "inline_keyboard")):
        raise PermanentError("nothing to edit: give a message, a caption, a file or a keyboard")
    return Call(method="editMessageReplyMarkup", arguments=markup, files={})
