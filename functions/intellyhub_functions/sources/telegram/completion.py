"""Saves the file that an event names, and has a voice message written down, where the listener asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import RetryableError, StepFailed
from intellyhub_engine.events import Event
from intellyhub_engine.machine.step import Step

if TYPE_CHECKING:
    from intellyhub_functions.telegram.bot_api import Bot

__all__ = ["complete", "complete_sent"]

ATTEMPTS = 3
MAX_PAUSE_SECONDS = 5.0
CALL_SECONDS = 30.0
EXTENSION = re.compile(r"\.\w{1,10}")
EXTENSIONS = {"voice": ".ogg", "photo": ".jpg"}


def complete_sent(event: Event, parameters: Mapping[str, Any], step: Step) -> Event:
    """In the worker, an event that came through the hook: nothing could be fetched there. One that was asked for has
    its file."""
    if parameters.get("mode") != "webhook" or not wants_file(event, parameters):
        return event
    from intellyhub_functions.telegram.bot_api import open_bot

    return complete(event, parameters, open_bot(parameters, step.scope, timeout_seconds=CALL_SECONDS), step)


def complete(event: Event, parameters: Mapping[str, Any], bot: Bot, step: Step) -> Event:
    """The event with what tells of the file that was saved, and of what it says. Where that fails it is logged, and the
    event stays without."""
    if not wants_file(event, parameters):
        return event
    from intellyhub_functions.files.paths import shown

    is_voice = event.data["message_type"] == "voice"
    folder = parameters.get("voice_download_path" if is_voice else "download_path")
    try:
        path = save(event, str(folder or "workspace"), bot, step)
    except (StepFailed, OSError) as fault:
        step.log("error", f"the file of message {event.data['message_id']} could not be saved: {fault}")
        return event
    told = {"file_path": shown(path, step.workspace)}
    if is_voice:
        told |= {"voice_file_path": told["file_path"], "voice_file_name": path.name}
        told |= transcribe(path, parameters, step) if parameters.get("transcribe_voice") else {}
    return replace(event, data={**event.data, **told})


def wants_file(event: Event, parameters: Mapping[str, Any]) -> bool:
    """Whether the event names a file that the listener asks for."""
    if not isinstance(event.data, Mapping) or not event.data.get("file_id"):
        return False
    names = ("download_voice", "transcribe_voice") if event.data["message_type"] == "voice" else ()
    return any(parameters.get(name) for name in (*names, "download_files"))


def save(event: Event, folder: str, bot: Bot, step: Step) -> Path:
    """Download a file. Its name is Telegram's, never the sender's."""
    from intellyhub_functions.files.paths import place
    from intellyhub_functions.files.storage import write_whole

    kind = event.data["message_type"]
    remote, content = download(event.data["file_id"], bot, step)
    identity = re.sub(r"[^\w-]", "_", event.data.get("file_unique_id") or event.id)[:100]
    extension = PurePosixPath(remote).suffix
    kept = extension if EXTENSION.fullmatch(extension) else EXTENSIONS.get(kind, "")
    path = place(f"{folder}/{kind}_{identity}{kept}", step.workspace)
    write_whole(path, content)
    return path


def download(file_id: str, bot: Bot, step: Step) -> tuple[str, bytes]:
    """Where the server has the file, and its content; asked for again a few times where that may help."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            remote = bot.locate(file_id)
            return remote, bot.download(remote)
        except RetryableError as fault:
            pause = min(fault.retry_after_seconds or 1.0, MAX_PAUSE_SECONDS)
            if attempt == ATTEMPTS or step.cancelled.wait(pause):
                raise
    raise AssertionError("an attempt counts from 1")


def transcribe(path: Path, parameters: Mapping[str, Any], step: Step) -> dict[str, str]:
    """What is said; as published it is the message's text too."""
    from intellyhub_functions.speech.voice import transcribe_voice

    try:
        said = transcribe_voice(path, parameters, step)
    except StepFailed as fault:
        step.log("error", f"a voice message could not be transcribed: {fault}")
        return {}
    return {"voice_transcription": said, "text": said, "message": said}
