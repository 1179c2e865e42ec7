"""Segments of a transcript: made from single words, written as subtitles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["group_words", "write_subtitles"]

MAX_CHARACTERS = 84
"""Of one segment: two lines of 42, as broadcasters have them."""
MAX_PAUSE_SECONDS = 1.0
ENDS = (".", "!", "?", "…", "。")


def group_words(words: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """ElevenLabs' words (`text`, `start`, `end`, `type`) as segments: one ends with a sentence, before a pause, or when
    it is long enough to read."""
    groups: list[list[Mapping[str, Any]]] = []
    fresh = True
    for word in words:
        if not isinstance(word, Mapping) or word.get("type", "word") == "spacing" or word.get("start") is None:
            continue
        if fresh or not groups or breaks_before(word, groups[-1]):
            groups.append([])
        groups[-1].append(word)
        fresh = str(word.get("text", "")).endswith(ENDS)
    return tuple(
        {
            "id": number,
            "start": float(group[0]["start"]),
            "end": float(group[-1].get("end") or group[-1]["start"]),
            "text": " ".join(str(word.get("text", "")).strip() for word in group),
        }
        for number, group in enumerate(groups)
    )


def breaks_before(word: Mapping[str, Any], group: list[Mapping[str, Any]]) -> bool:
    """Whether a word begins a segment after these."""
    length = sum(len(str(each.get("text", ""))) + 1 for each in group) + len(str(word.get("text", "")))
    pause = float(word["start"]) - float(group[-1].get("end") or group[-1]["start"])
    return length > MAX_CHARACTERS or pause > MAX_PAUSE_SECONDS


def write_subtitles(segments: Iterable[Mapping[str, Any]], kind: str) -> str:
    """The segments as SubRip (`srt`) or WebVTT (`vtt`, https://www.w3.org/TR/webvtt1/)."""
    mark = "," if kind == "srt" else "."
    blocks = ["WEBVTT"] if kind == "vtt" else []
    for number, segment in enumerate(segments, 1):
        times = f"{clock(segment.get('start'), mark)} --> {clock(segment.get('end'), mark)}"
        text = "\n".join(line for line in str(segment.get("text", "")).strip().splitlines() if line.strip())
        text = text.replace("-->", "→")
        blocks.append(f"{number}\n{times}\n{text}" if kind == "srt" else f"{times}\n{text}")
    return "\n\n".join(blocks) + "\n" if blocks else ""


def clock(seconds: Any, mark: str) -> str:
    """`00:01:02,345`."""
    milliseconds = round(max(float(seconds or 0), 0.0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
