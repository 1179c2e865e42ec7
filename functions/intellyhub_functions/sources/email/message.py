"""A message as it came from the server, taken apart: headers, text, files. Whatever the bytes, something comes out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from email.utils import getaddresses

from intellyhub_engine.frozen import dataclass
from intellyhub_functions.sources.email.texts import decode_body, decode_words, text_of_html

__all__ = ["File", "Letter", "address_of", "read_headers", "read_letter"]

MAX_TEXT_CHARACTERS = 150_000
"""Of the text and of the HTML, each: an event has to stay one that can be stored."""
MAX_PARTS = 500
HEADERS = ("from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to")


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a message."""

    name: str
    """As the sender wrote it: not a name for a file system."""
    kind: str
    content: bytes
    cid: str
    """By which the HTML shows it; empty where it does not."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message."""

    headers: dict[str, str]
    """By lower-case name, decoded; those of HEADERS, empty where the message has none."""
    text: str
    """The plain text; that of the HTML where there is no other."""
    html: str
    files: tuple[File, ...]


def read_headers(raw: bytes) -> dict[str, str]:
    """The headers of HEADERS out of a header block."""
    return headers_of(BytesHeaderParser(policy=compat32).parsebytes(raw))


def read_letter(raw: bytes) -> Letter:
    """Take a message apart."""
    message = BytesParser(policy=compat32).parsebytes(raw)
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    files = []
    for part in itertools.islice(parts_of(message), MAX_PARTS):
        kind = part.get_content_type()
        if kind in texts and not is_file(part):
            texts[kind].append(decode_body(content_of(part), charset_of(part)))
        elif kind == "message/rfc822" or not part.is_multipart():
            files.append(file_of(part, kind))
    html = "\n".join(texts["text/html"])[:MAX_TEXT_CHARACTERS]
    plain = "\n".join(texts["text/plain"])[:MAX_TEXT_CHARACTERS]
    text = plain if plain.strip() else text_of_html(html)
    return Letter(headers=headers_of(message), text=text, html=html, files=tuple(files))


def headers_of(message: Message) -> dict[str, str]:
    """The headers; of several with one name the first, as for most readers of mail."""
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        found.setdefault(str(name).lower(), value)
    return {name: decode_words(found.get(name, "")) for name in HEADERS}


def parts_of(message: Message) -> Iterator[Message]:
    """The parts that hold something, in order; a message within the message is one of them, whole."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if part.get_content_type() != "message/rfc822" and isinstance(inner, list):
            waiting.extend(reversed([piece for piece in inner if isinstance(piece, Message)]))
        else:
            yield part


def is_file(part: Message) -> bool:
    """Whether a part of text is meant as a file."""
    return part.get_content_disposition() == "attachment" or bool(name_of(part))


def file_of(part: Message, kind: str) -> File:
    """The file that a part is."""
    cid = decode_words(str(part.get("content-id") or "")).strip("<>")
    return File(name=name_of(part), kind=kind, content=content_of(part), cid=cid)


def name_of(part: Message) -> str:
    """The file's name, in any of the ways that it is written (RFC 2231, RFC 2047)."""
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError):  # an encoding that is none
        return ""
    return decode_words(name) if name else ""


def charset_of(part: Message) -> str | None:
    """The encoding that a part names."""
    try:
        return part.get_content_charset()
    except (ValueError, LookupError, TypeError):
        return None


def content_of(part: Message) -> bytes:
    """The bytes of a part; what is not encoded as it says comes as it is."""
    inner = part.get_payload()
    if isinstance(inner, list):  # a message within the message
        return b"\n".join(bytes(piece) for piece in inner if isinstance(piece, Message))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else str(inner or "").encode("utf-8", "surrogateescape")


def address_of(header: str) -> str:
    """The first bare address of a header."""
    found = [address for _, address in getaddresses([header]) if address]
    return found[0] if found else ""
