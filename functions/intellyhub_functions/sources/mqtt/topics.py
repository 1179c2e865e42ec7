"""Which topics a listener names, and what is wrong with them (MQTT 5.0, section 4.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["examine", "fault_of", "read_topics"]

MAX_TOPIC_BYTES = 65535
MAX_TOPICS = 100
SHARED = "$share/"


def read_topics(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Topic filter -> qos. Raises PermanentError."""
    written = parameters.get("topic")
    usual = int(parameters.get("qos", 1))
    entries = written if isinstance(written, list | tuple) else ["#" if written is None else written]
    group = text_of(parameters.get("share") or "").strip()
    topics: dict[str, int] = {}
    for entry in entries:
        given = entry if isinstance(entry, Mapping) else {"topic": entry}
        topic, quality = text_of(given.get("topic")), given.get("qos", usual)
        if str(quality) not in ("0", "1", "2"):
            raise PermanentError(f"the qos of {topic[:80]!r} is {quality!r}; it is 0, 1 or 2")
        if group and not topic.startswith(SHARED):
            topic = f"{SHARED}{group}/{topic}"
        fault = fault_of(topic)
        if fault:
            raise PermanentError(fault)
        topics[topic] = int(quality)
    if not 0 < len(topics) <= MAX_TOPICS:
        raise PermanentError(f"the mqtt listener needs between 1 and {MAX_TOPICS} topics")
    return topics


def fault_of(topic: str) -> str | None:
    """What is wrong with a topic filter; None where nothing is."""
    shown, plain = repr(topic[:80]), topic
    if topic.startswith(SHARED):
        group, slash, plain = topic.removeprefix(SHARED).partition("/")
        if not group or not slash or set("+#") & set(group):
            return f"the topic {shown} is shared, but not as $share/GROUP/TOPIC"
    if not plain or "\0" in plain or len(topic.encode("utf-8", "replace")) > MAX_TOPIC_BYTES:
        return f"the topic {shown} is empty, too long, or holds a null character"
    levels = plain.split("/")
    if any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]:
        return f"in the topic {shown}, # has to be the last level, and all of it"
    if any("+" in level and level != "+" for level in levels):
        return f"in the topic {shown}, + has to be all of a level"
    return None


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """What can be known of the topics before it listens."""
    written = known.get("topic")
    entries = written if isinstance(written, list | tuple) else [written]
    for number, entry in enumerate(entries):
        topic = entry.get("topic") if isinstance(entry, Mapping) else entry
        if topic is None or "{" in str(topic):
            continue
        fault = fault_of(text_of(topic))
        if fault:
            yield ParameterFault(("topic", number) if isinstance(written, list | tuple) else ("topic",), fault)
