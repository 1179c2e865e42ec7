"""The `s3` source: one event for every object that appeared or was replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_engine.machine.watch import Watcher
from intellyhub_functions.aws.queue import Message
from intellyhub_functions.aws.reception import Reception
from intellyhub_functions.sources.patterns import read_kinds
from intellyhub_functions.sources.s3.change import Wanted, make_event
from intellyhub_functions.sources.s3.faults import KINDS
from intellyhub_functions.sources.s3.notices import read_notices
from intellyhub_functions.sources.sqs.sqs import open_queue

__all__ = ["listen"]


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Receive the bucket's notifications where a queue is named, else look at the bucket now and then."""
    if text_of(parameters.get("queue_url")).strip():
        return receive(parameters, context)
    from intellyhub_functions.sources.s3.listing import Listing

    return Watcher(Listing)(parameters, context)


def receive(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """The events of the notifications in a queue; a notification is deleted when all of them are stored."""
    wanted = Wanted(parameters)
    kinds = read_kinds(parameters.get("events", ["created"]), KINDS)

    def read(message: Message) -> list[Event]:
        changes = read_notices(message.body)
        return [make_event(change, context) for change in changes if change.kind in kinds and wanted.fits(change)]

    queue = open_queue(parameters, context)
    return Reception(queue, read, parameters, context, called="the s3 listener").events()
