"""The `sqs` source: each message of a queue is one event; it is deleted when the event is stored."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.aws.queue import Message, Queue, find_queue_account
from intellyhub_functions.aws.reception import Reception, Unreadable

__all__ = ["listen", "open_queue"]

EVENT_TYPE = "io.intellyhub.sqs.message"


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Generator[Event, None, None]:
    """One event per message. The queue itself keeps the place."""
    form = parameters.get("format", "auto")

    def read(message: Message) -> list[Event]:
        return [make_event(message, read_body(message.body, form), queue, context)]

    queue = open_queue(parameters, context)
    return Reception(queue, read, parameters, context, called="the sqs listener").events()


def open_queue(parameters: Mapping[str, Any], context: SourceContext) -> Queue:
    """The queue that the parameters name, with their account."""
    url = text_of(parameters.get("queue_url")).strip()
    if not url:
        raise PermanentError("queue_url is missing; it is the address of the queue")
    account = find_queue_account(parameters, context.settings, url)
    return Queue(url, account, wait_seconds=int(parameters.get("wait_seconds", 20)))


def read_body(body: str, form: str) -> Any:
    """The body as JSON or text; `auto` takes as JSON what is an object or a list. Raises Unreadable."""
    if form == "text":
        return body
    if form == "auto" and not body.lstrip().startswith(("{", "[")):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:
        if form == "auto":
            return body
        raise Unreadable(f"it is not JSON: {fault}") from fault


def make_event(message: Message, body: Any, queue: Queue, context: SourceContext) -> Event:
    """The event of a message; its id is the message's, so that a repetition is known as one."""
    sent_at = time_of(message.system.get("SentTimestamp"))
    return Event(
        id=message.id,
        source=context.address,
        type=EVENT_TYPE,
        time=sent_at,
        datacontenttype="application/json",
        data={
            "body": body,
            "text": message.body,
            "message_id": message.id,
            "attributes": dict(message.attributes),
            "sent_at": sent_at,
            "receive_count": message.receptions,
            "group_id": message.system.get("MessageGroupId"),
            "deduplication_id": message.system.get("MessageDeduplicationId"),
            "queue_url": queue.url,
        },
    )


def time_of(written: str | None) -> str | None:
    """A moment that SQS gives in milliseconds, as RFC 3339."""
    if not written or not written.isdigit() or len(written) > 14:
        return None
    return datetime.fromtimestamp(int(written) / 1000, UTC).isoformat()
