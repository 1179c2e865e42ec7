"""What an sqs listener can never do, told before it listens."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.aws.queue import read_url

__all__ = ["examine"]


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """The queue's address."""
    written = known.get("queue_url")
    if written is not None and read_url(text_of(written).strip())[0] is None:
        message = (
            f"{text_of(written)[:200]!r} is not the address of a queue, such as https://sqs.REGION.amazonaws.com/1/q"
        )
        yield ParameterFault(("queue_url",), message)
