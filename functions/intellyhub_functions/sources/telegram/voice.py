"""Saves the files of messages, and has voice messages transcribed, where the listener asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.folders import write_into
from intellyhub_functions.sources.telegram.messages import Heard
from intellyhub_functions.states.file.paths import place, shown
from intellyhub_functions.telegram.bot_api import Bot

__all__ = ["save_files"]

ATTEMPTS = 3
MAX_PAUSE_SECONDS = 5.0
EXTENSION = re.compile(r"\.\w{1,10}")
EXTENSIONS = {"voice": ".ogg", "photo": ".jpg"}


def save_files(heard: Heard, bot: Bot, parameters: Mapping[str, Any], context: SourceContext) -> dict[str, str]:
    """The fields that tell of the file that was saved and of what it says. Where that fails it is logged, and the
    event comes without them."""
    voice = heard.kind == "voice"
    wanted = parameters.get("download_voice") or parameters.get("transcribe_voice") if voice else False
    if not heard.file or not (wanted or parameters.get("download_files")):
        return {}
    folder = parameters.get("voice_download_path") if voice else parameters.get("download_path")
    try:
        path = save(heard, str(folder or "workspace"), bot, context)
    except (StepFailed, OSError) as fault:
        context.log("error", f"the file of message {heard.message.get('message_id')} could not be saved: {fault}")
        return {}
    told = {"file_path": shown(path, context.workspace)}
    if voice:
        told |= {"voice_file_path": told["file_path"], "voice_file_name": path.name}
        told |= transcribe(path, parameters, context) if parameters.get("transcribe_voice") else {}
    return told


def save(heard: Heard, folder: str, bot: Bot, context: SourceContext) -> Path:
    """Download a file. Its name is Telegram's, never the sender's."""
    remote, content = download(heard, bot, context)
    identity = re.sub(r"[^\w-]", "_", str(heard.file.get("file_unique_id") or heard.number))[:100]
    extension = PurePosixPath(remote).suffix
    kept = extension if EXTENSION.fullmatch(extension) else EXTENSIONS.get(heard.kind, "")
    path = place(f"{folder}/{heard.kind}_{identity}{kept}", context.workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_into(path.parent, path.name, content)
    return path


def download(heard: Heard, bot: Bot, context: SourceContext) -> tuple[str, bytes]:
    """Where the server has the file, and its content; asked for again a few times where that may help."""
    for _ in range(ATTEMPTS - 1):
        try:
            remote = find_remote(heard, bot)
            return remote, bot.download(remote)
        except RetryableError as fault:
            if context.sleep(min(fault.retry_after_seconds or 1.0, MAX_PAUSE_SECONDS)):
                raise
    remote = find_remote(heard, bot)
    return remote, bot.download(remote)


def find_remote(heard: Heard, bot: Bot) -> str:
    """Where the server has the file. https://core.telegram.org/bots/api#getfile."""
    answer = bot.call("getFile", {"file_id": heard.file.get("file_id")})
    if not isinstance(answer, Mapping) or not isinstance(answer.get("file_path"), str):
        raise PermanentError("Telegram's getFile gave no path")
    return str(answer["file_path"])


def transcribe(path: Path, parameters: Mapping[str, Any], context: SourceContext) -> dict[str, str]:
    """What is said; as published it is the message's text too."""
    from intellyhub_functions.speech.voice import transcribe_voice

    try:
        said = transcribe_voice(path, parameters, context)
    except StepFailed as fault:
        context.log("error", f"a voice message could not be transcribed: {fault}")
        return {}
    return {"voice_transcription": said, "text": said, "message": said}
