"""What an s3 listener can never do, told before it listens."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.aws.queue import read_url
from intellyhub_functions.sources.patterns import faults_of_kinds, faults_of_patterns

__all__ = ["KINDS", "examine"]

KINDS = frozenset(("created", "removed"))


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """What is watched, its events, its patterns."""
    queue = text_of(known.get("queue_url")).strip()
    if not queue and not text_of(known.get("bucket")).strip() and not {"queue_url", "bucket"} & set(unknown):
        yield ParameterFault((), "an s3 listener watches a bucket, or a queue_url that gets its notifications")
    if queue and read_url(queue)[0] is None:
        yield ParameterFault(("queue_url",), f"{queue[:200]!r} is not the address of a queue")
    if known.get("events") is not None:
        yield from faults_of_kinds(known["events"], KINDS)
    yield from faults_of_patterns(known)
