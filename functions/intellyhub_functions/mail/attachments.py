"""Files that a mail carries: of the workspace, or given as content."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.files.paths import place
from intellyhub_functions.files.storage import read_up_to

__all__ = ["MAX_BYTES", "attach"]

MAX_BYTES = 25 * 1024 * 1024
"""Of all together; few servers take more."""
MAX_FILES = 100
UNKNOWN = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """One file of a mail."""

    name: str
    content: bytes
    kind: str
    """Its media type."""
    cid: str
    """By which the HTML shows it (`<img src="cid:logo">`); empty: it is attached."""


def attach(message: EmailMessage, written: Any, workspace: Path) -> None:
    """Add what `attachments` names to a message that has its text. Raises PermanentError."""
    given = [written] if isinstance(written, str | Mapping) else list(written or ())
    if len(given) > MAX_FILES:
        raise PermanentError(f"a mail carries at most {MAX_FILES} files, not {len(given)}")
    left = MAX_BYTES
    for entry in given:
        attachment = read_attachment(entry, workspace, left)
        left -= len(attachment.content)
        if left < 0:
            raise PermanentError(f"the files of a mail are larger than {MAX_BYTES} bytes together")
        add(message, attachment)


def add(message: EmailMessage, attachment: Attachment) -> None:
    """Put one file into the message: beside its text, or within its HTML."""
    main, _, sub = attachment.kind.partition("/")
    html = message.get_body(("html",)) if attachment.cid else None
    if html is not None:
        html.add_related(
            attachment.content, maintype=main, subtype=sub, cid=f"<{attachment.cid}>", filename=attachment.name
        )
    else:
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name)


def read_attachment(entry: Any, workspace: Path, most_bytes: int) -> Attachment:
    """An attachment as it is written: a path; or path or content, with name, content_type, encoding and cid."""
    given = entry if isinstance(entry, Mapping) else {"path": entry}
    if given.get("content") is not None:
        content, name = read_content(given), text_of(given.get("name") or "attachment")
    elif given.get("path"):
        content, name = read_file(text_of(given["path"]), workspace, most_bytes)
        name = text_of(given.get("name") or name)
    else:
        raise PermanentError("an attachment is the path of a file, or has a path or content")
    name = "".join(letter for letter in Path(name).name if letter.isprintable()) or "attachment"
    kind = text_of(given.get("content_type") or mimetypes.guess_type(name)[0] or UNKNOWN).partition(";")[0].strip()
    return Attachment(name=name, content=content, kind=known_kind(kind), cid=read_cid(given.get("cid")))


def read_file(path: str, workspace: Path, most_bytes: int) -> tuple[bytes, str]:
    """Content and name of a file; one byte more than fits says that it does not."""
    found = place(path, workspace)
    try:
        return read_up_to(found, most_bytes + 1), found.name
    except OSError as fault:
        raise PermanentError(f"{path!r} cannot be attached: {fault.strerror}") from fault


def read_content(given: Mapping[str, Any]) -> bytes:
    """Content given as text, as bytes, or as base64 where `encoding` says so."""
    content = given["content"]
    if isinstance(content, bytes):
        return content
    if given.get("encoding") != "base64":
        return text_of(content).encode()
    try:
        return base64.b64decode("".join(text_of(content).split()), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise PermanentError("the content of an attachment is not base64") from fault


def known_kind(kind: str) -> str:
    """A media type that a part of bytes can have."""
    main, _, sub = kind.lower().partition("/")
    usable = all(part and part.isascii() and part.replace("-", "").replace("+", "").replace(".", "").isalnum()
                 for part in (main, sub))  # fmt: skip
    return f"{main}/{sub}" if usable and main not in ("message", "multipart") else UNKNOWN


def read_cid(written: Any) -> str:
    """A content id without what would end it."""
    return "".join(letter for letter in text_of(written or "") if letter.isprintable() and letter not in "<> ")
