"""Files that a bot sends: from the workspace, from an address, or by the `file_id` of one that Telegram holds.

https://core.telegram.org/bots/api#sending-files
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.network.uploads import Upload, read_upload

__all__ = ["find_file"]

MAX_BYTES = 50 * 1024 * 1024
MAX_PHOTO_BYTES = 10 * 1024 * 1024
FILE_ID = re.compile(r"[\w-]{20,}")
UNNAMED = {"photo": "photo.jpg", "audio": "audio.mp3", "voice": "voice.ogg", "video": "video.mp4"}


def find_file(written: Any, kind: str, workspace: Path, name: str | None = None) -> Upload | str:
    """What `photo: …` means: an upload, or the address or file_id that Telegram takes itself. Raises PermanentError."""
    text = "" if isinstance(written, bytes) else str(written).strip()
    if text.lower().startswith(("http://", "https://")):
        return text
    limit = MAX_PHOTO_BYTES if kind == "photo" else MAX_BYTES
    unnamed = UNNAMED.get(kind, "file")
    upload = read_upload(written, workspace, what=kind, limit=limit, name=name, unnamed=unnamed)
    if upload is not None:
        return upload
    if FILE_ID.fullmatch(text):
        return text
    raise PermanentError(f"{kind} {text!r} is neither a file of the workspace nor an address nor a file_id")
