"""Saves voice messages, where the listener asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from intellyhub_engine.errors import StepFailed
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.sources.folders import write_into
from intellyhub_functions.states.file.paths import place, shown
from intellyhub_functions.telegram.bot_api import Bot

__all__ = ["save_voice"]


def save_voice(
    voice: Mapping[str, Any], bot: Bot, parameters: Mapping[str, Any], context: SourceContext
) -> dict[str, str]:
    """Download a voice message; the fields that tell of it. Where that fails, the event comes without a file."""
    fields = {
        "voice_duration": text_of(voice.get("duration")),
        "voice_mime_type": text_of(voice.get("mime_type")),
        "voice_file_size": text_of(voice.get("file_size")),
    }
    try:
        remote = bot.call("getFile", {"file_id": voice["file_id"]})["file_path"]
        name = f"voice_{voice.get('file_unique_id', voice['file_id'])}{PurePosixPath(remote).suffix or '.ogg'}"
        path = place(f"{parameters.get('voice_download_path', 'workspace')}/{name}", context.workspace)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_into(path.parent, path.name, bot.download(remote))
    except (StepFailed, OSError) as fault:
        context.log("error", f"the voice message could not be saved: {fault}")
        return fields
    return fields | {"voice_file_path": shown(path, context.workspace), "voice_file_name": name}
