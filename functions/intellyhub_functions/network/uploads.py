"""Files that a step sends over HTTP: read from the workspace, laid into a form."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.files.paths import place
from intellyhub_functions.files.storage import read_up_to

__all__ = ["Upload", "encode_form", "read_upload"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file's name and content, as one part of a form."""

    name: str
    content: bytes

    @property
    def media_type(self) -> str:
        """What its name says it is."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def read_upload(
    written: Any, workspace: Path, *, what: str, limit: int, name: str | None = None, unnamed: str = "file"
) -> Upload | None:
    """A file of the workspace, or bytes that a variable holds; None where there is no such file. Raises PermanentError
    where it cannot be read, is empty or has more bytes than `limit`; `what` is its name in messages."""
    if isinstance(written, bytes):
        return Upload(name=name or unnamed, content=checked(written, what, limit))
    text = str(written).strip()
    path = place(text, workspace)
    if not path.is_file():
        return None
    try:
        content = read_up_to(path, limit + 1)
    except OSError as fault:
        raise PermanentError(f"{what} {text!r} cannot be read: {fault.strerror or fault}") from fault
    return Upload(name=PurePath(name or path.name).name, content=checked(content, f"{what} {text!r}", limit))


def checked(content: bytes, what: str, limit: int) -> bytes:
    """The content, unless it would be refused for its size."""
    if not content:
        raise PermanentError(f"{what} is empty")
    if len(content) > limit:
        raise PermanentError(f"{what} is larger than {limit // (1024 * 1024)} MB, the most that can be sent")
    return content


def encode_form(arguments: Mapping[str, Any], files: Mapping[str, Upload]) -> tuple[bytes, str]:
    """A form with files (RFC 7578) and its content type; what is no text travels as JSON."""
    from urllib3.filepost import encode_multipart_formdata

    fields: list[tuple[str, Any]] = [
        (name, value if isinstance(value, str) else json.dumps(value)) for name, value in arguments.items()
    ]
    fields += [(name, (upload.name, upload.content, upload.media_type)) for name, upload in files.items()]
    return encode_multipart_formdata(fields)
