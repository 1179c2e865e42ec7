"""Keyboards as authors write them. https://core.telegram.org/bots/api#inlinekeyboardmarkup.

A row is a list of buttons; a list without rows has one button a row. A button is its text, `{text: …, …}` as the Bot
API has it, or `{label: answer}` for short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["make_markup"]

MAX_DATA_BYTES = 64
"""https://core.telegram.org/bots/api#inlinekeyboardbutton"""
MAX_BUTTONS = 300


def make_markup(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `reply_markup` that the parameters ask for; None where they ask for none. Raises PermanentError."""
    given = [name for name in ("reply_markup", "inline_keyboard", "keyboard") if parameters.get(name) is not None]
    if parameters.get("remove_keyboard"):
        given.append("remove_keyboard")
    if len(given) > 1:
        raise PermanentError(f"{' and '.join(given)} are given; a message has one keyboard")
    if not given:
        return None
    if given == ["remove_keyboard"]:
        return {"remove_keyboard": True}
    written = parameters[given[0]]
    if given == ["reply_markup"]:
        if not isinstance(written, Mapping):
            raise PermanentError("reply_markup must be a mapping, as the Bot API has it")
        return dict(written)
    if given == ["inline_keyboard"]:
        return {"inline_keyboard": make_rows(written, make_inline_button)}
    return {
        "keyboard": make_rows(written, make_reply_button),
        "resize_keyboard": parameters.get("resize_keyboard", True),
        "one_time_keyboard": parameters.get("one_time_keyboard", False),
    }


def make_rows(written: Any, make_button: Callable[[Any], dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of buttons."""
    if isinstance(written, Mapping) and "text" not in written:
        written = [{label: answer} for label, answer in written.items()]
    listed = written if isinstance(written, list | tuple) else [written]
    rows = [list(row) if isinstance(row, list | tuple) else [row] for row in listed]
    if sum(map(len, rows)) > MAX_BUTTONS:
        raise PermanentError(f"a keyboard has at most {MAX_BUTTONS} buttons")
    return [[make_button(button) for button in row] for row in rows if row]


def make_inline_button(written: Any) -> dict[str, Any]:
    """A button that answers to the bot, or opens an address."""
    button = take_apart(written)
    data = button.pop("data", None)
    if len(button) == 1 and "callback_data" not in button:
        answer = text_of(button["text"] if data is None else data)
        button["url" if answer.startswith(("http://", "https://", "tg://")) else "callback_data"] = answer
    elif data is not None:
        button["callback_data"] = text_of(data)
    size = len(text_of(button.get("callback_data", "")).encode())
    if size > MAX_DATA_BYTES:
        raise PermanentError(f"the button {button['text']!r} answers {size} bytes; Telegram takes {MAX_DATA_BYTES}")
    return button


def make_reply_button(written: Any) -> dict[str, Any]:
    """A button that writes its text."""
    button = take_apart(written)
    button.pop("data", None)
    return button


def take_apart(written: Any) -> dict[str, Any]:
    """`text`, and beside it what else was written; the short form's answer is `data`."""
    if not isinstance(written, Mapping):
        button: dict[str, Any] = {"text": text_of(written)}
    elif "text" in written:
        button = {**written, "text": text_of(written["text"])}
    elif len(written) == 1:
        ((label, answer),) = written.items()
        button = {"text": text_of(label), "data": answer}
    else:
        raise PermanentError("a button needs its text")
    if not button["text"].strip():
        raise PermanentError("a button has no text")
    return button
