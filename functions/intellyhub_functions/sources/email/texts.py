"""Text out of mail: headers and bodies in whatever encoding they are, or say that they are."""

from __future__ import annotations

import binascii
import codecs
from email.errors import HeaderParseError
from email.header import decode_header
from html.parser import HTMLParser

from intellyhub_functions.network.answers import NO_CHARSETS

__all__ = ["decode_body", "decode_words", "text_of_html"]

MAX_HEADER_CHARACTERS = 20_000
BLOCKS = frozenset(
    "address blockquote br div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre section table tr ul".split()  # noqa: SIM905 - shorter
)
UNSEEN = frozenset(("head", "script", "style", "title", "template"))


def decode_words(raw: str | bytes) -> str:
    """A header's text on one line, its encoded words (RFC 2047) decoded. Bytes beyond ASCII, which a header should
    not have, are read as what they look like."""
    if isinstance(raw, str):
        raw = raw.encode("ascii", "surrogateescape") if is_smuggled(raw) else raw.encode("utf-8", "replace")
    text = decode_body(raw[: 4 * MAX_HEADER_CHARACTERS], None)
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError, binascii.Error):
        pieces = [(text, None)]
    decoded = "".join(piece if isinstance(piece, str) else decode_body(piece, charset) for piece, charset in pieces)
    return " ".join(decoded.split())[:MAX_HEADER_CHARACTERS]


def is_smuggled(text: str) -> bool:
    """Whether bytes beyond ASCII are hidden in it, as the standard library does."""
    return all(letter.isascii() or "\udc80" <= letter <= "\udcff" for letter in text)


def decode_body(raw: bytes, charset: str | None) -> str:
    """Bytes as text: in the encoding that they name; where that is unknown or wrong in UTF-8, else in Windows-1252."""
    for name in (charset, "utf-8"):
        try:
            known = codecs.lookup(name or "utf-8").name
            if known not in NO_CHARSETS and not (known == "ascii" and name != "utf-8" and not raw.isascii()):
                return raw.decode(known).replace("\0", "")
        except (LookupError, ValueError, binascii.Error):
            continue
    return raw.decode("cp1252", "replace").replace("\0", "")


def text_of_html(html: str) -> str:
    """The words of an HTML text, a line for each block."""
    reader = Words()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).splitlines())
    return "\n".join(line for line in lines if line)


class Words(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in UNSEEN
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(self._unseen - (tag in UNSEEN), 0)
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data.replace("\n", " ").replace("\r", " "))

    def _break(self, tag: str) -> None:
        if tag in BLOCKS:
            self.pieces.append("\n")
