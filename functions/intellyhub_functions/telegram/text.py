"""Cuts a long text into messages."""

from __future__ import annotations

__all__ = ["MAX_UNITS", "split_text"]

MAX_UNITS = 4096
"""Length of one message in UTF-16 units. https://core.telegram.org/bots/api#sendmessage"""


def split_text(text: str, max_units: int = MAX_UNITS) -> list[str]:
    """The text in pieces of at most `max_units`, cut at line ends or else at blanks where there are some."""
    pieces = []
    while text:
        head = fitting(text, max_units)
        if len(head) < len(text):
            cut = max(head.rfind("\n"), 0) or max(head.rfind(" "), 0)
            head = head[:cut] if cut > len(head) // 2 else head
        pieces.append(head)
        text = text[len(head) :].lstrip("\n ") if len(head) < len(text) else ""
    return pieces


def fitting(text: str, max_units: int) -> str:
    """The longest beginning of at most `max_units`; a character outside the basic plane takes two."""
    encoded = text[:max_units].encode("utf-16-le", "surrogatepass")
    return encoded[: max_units * 2].decode("utf-16-le", "ignore") if len(encoded) > max_units * 2 else text[:max_units]
