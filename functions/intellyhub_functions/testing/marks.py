"""Whether Telegram could read a text's marks. https://core.telegram.org/bots/api#formatting-options."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["fault_in_marks"]

TAGS = frozenset(
    "a b blockquote code del em i ins pre s span strike strong tg-emoji tg-spoiler u".split()  # noqa: SIM905 - shorter
)


def fault_in_marks(text: str, parse_mode: str | None) -> str | None:
    """What is wrong with the marks, in Telegram's words; None where nothing is."""
    if parse_mode == "HTML":
        return Tags(text).fault
    if parse_mode == "Markdown":
        unclosed = next((mark for mark in "*_`" if text.count(mark) % 2), None)
        return unclosed and f"Can't find end of the entity starting at byte offset {text.index(unclosed)}"
    return None


class Tags(HTMLParser):
    """Reads HTML as Telegram does: few tags, all of them closed in order. `fault` is the first fault."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.fault: str | None = None
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open:
            self._note(f"Can't find end tag corresponding to start tag {self._open[-1]}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self._note(f'Unsupported start tag "{tag}"')
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self._note(f"Unmatched end tag {tag}")

    def _note(self, fault: str) -> None:
        self.fault = self.fault or fault
