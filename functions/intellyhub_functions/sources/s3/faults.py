"""What an s3 listener can never do, told before it listens."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.aws.queue import read_url
from intellyhub_functions.sources.directory.patterns import make_patterns
from intellyhub_functions.sources.lists import texts_of

__all__ = ["KINDS", "examine"]

KINDS = frozenset(("created", "removed"))


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """What is watched, its events, its patterns."""
    queue = text_of(known.get("queue_url")).strip()
    if not queue and not text_of(known.get("bucket")).strip() and not {"queue_url", "bucket"} & set(unknown):
        yield ParameterFault((), "an s3 listener watches a bucket, or a queue_url that gets its notifications")
    if queue and read_url(queue)[0] is None:
        yield ParameterFault(("queue_url",), f"{queue[:200]!r} is not the address of a queue")
    for kind in texts_of(known.get("events")):
        if kind not in KINDS:
            message = f"events name {kind[:40]!r}; known are {', '.join(sorted(KINDS))}"
            yield ParameterFault(("events",), message, did_you_mean(kind, KINDS))
    for name in ("file_patterns", "ignore_patterns"):
        if known.get(name) is not None:
            try:
                make_patterns(known[name], [])
            except PermanentError as fault:
                yield ParameterFault((name,), str(fault))
