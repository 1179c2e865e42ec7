"""Fetches a recording: from the workspace, or from an address."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.files.storage import read_up_to
from intellyhub_functions.network.exchange import AnswerTooLarge, Request, Response, name_of, send
from intellyhub_functions.speech.sounds import MEDIA_TYPES, Recording, extension_of

__all__ = ["fetch_recording"]

MEGABYTE = 1024 * 1024
TYPES = {kind: extension for extension, kind in reversed(MEDIA_TYPES.items())} | {
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/x-m4a": "m4a",
    "audio/x-flac": "flac",
    "video/webm": "webm",
}
"""Media types of answers, with the ending that engines know them by."""


def fetch_recording(written: str, folder: str, step: Step, *, max_bytes: int, timeout_seconds: float) -> Recording:
    """The recording that `written` names: an http(s) address, a path under the workspace, or a name in `folder`.
    Raises PermanentError where it is missing, empty, too large or of no known format."""
    if re.match(r"https?://", written, re.IGNORECASE):
        recording = download(written, step, max_bytes, timeout_seconds)
    else:
        recording = read(written, folder, step, max_bytes)
    if not recording.content:
        raise PermanentError(f"{recording.filename} is empty")
    if recording.extension not in MEDIA_TYPES:
        known = ", ".join(sorted(MEDIA_TYPES))
        raise PermanentError(f"{recording.filename} has no ending of a known format; known are {known}")
    return recording


def read(written: str, folder: str, step: Step, max_bytes: int) -> Recording:
    """A file of the workspace."""
    path = place(written, step.workspace)
    if not path.exists():
        inside = place(f"{folder}/{written}", step.workspace)
        path = inside if inside.exists() else path
    name = shown(path, step.workspace)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise too_large(name, size, max_bytes)
        return Recording(filename=path.name, content=read_up_to(path, max_bytes))
    except OSError as fault:
        raise PermanentError(f"{name}: {(fault.strerror or str(fault)).lower()}") from fault


def download(url: str, step: Step, max_bytes: int, timeout_seconds: float) -> Recording:
    """What an address gives."""
    request = Request(
        method="GET",
        url=url,
        timeout_seconds=timeout_seconds,
        deadline_seconds=step.timeout_seconds,
        cancelled=step.cancelled,
        max_body_bytes=max_bytes,
    )
    try:
        response = send(request)
    except AnswerTooLarge as fault:
        raise too_large(name_of(url), None, max_bytes) from fault
    if response.status != 200:
        message = f"{name_of(url)} answered {response.status}"
        raise RetryableError(message) if response.status >= 500 else PermanentError(message)
    return Recording(filename=name_for(response, url), content=response.body)


def name_for(response: Response, url: str) -> str:
    """A file name whose ending says the format: that of the address where it does, else that of the media type."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name or "recording"
    if extension_of(name) in MEDIA_TYPES:
        return name
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return f"{name}.{TYPES[kind]}" if kind in TYPES else name


def too_large(name: str, size: int | None, max_bytes: int) -> PermanentError:
    """Says so in the words that published flows look for (FLOW_LANGUAGE section 4.8), too."""
    measured = "" if size is None else f"{size / MEGABYTE:.1f} MB, "
    return PermanentError(f"{name} is too large (File troppo grande: {measured}limit {max_bytes / MEGABYTE:g} MB)")
