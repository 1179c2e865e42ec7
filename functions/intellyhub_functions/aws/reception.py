"""Events out of a queue: hidden from others while they are being stored, deleted when they are stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.aws.queue import Message, Queue
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.interruption import call_until

__all__ = ["Reception", "Unreadable"]

PARTING_SECONDS = 1.0
"""What a source that has to end gives SQS to take deletions and messages back."""
LEAST_SECONDS = 0.5
"""Between two requests that find nothing."""
RENEWALS = 3
"""How often a message is hidden anew within the time that it is hidden for."""
MAX_STORED = 1000
"""Ids of messages kept that are stored and could not be deleted."""


class Unreadable(Exception):
    """A message is not what it should be; says why."""


class Reception:
    """The messages of one queue as events of one listener."""

    def __init__(
        self,
        queue: Queue,
        read: Callable[[Message], Sequence[Event]],
        parameters: Mapping[str, Any],
        context: SourceContext,
        *,
        called: str,
    ) -> None:
        self._queue = queue
        self._read = read
        self._context = context
        self._called = called
        self._most = int(parameters.get("max_messages", 10))
        self._visibility_seconds = int(parameters.get("visibility_timeout", 60))
        self._max_receptions = int(parameters.get("max_receives", 5))
        self._place = f"sqs {queue.url}"
        stored = context.cursors.get(self._place) or []
        self._stored: dict[str, None] = dict.fromkeys(stored)
        """Ids of messages that are stored and not yet deleted."""
        self._in_contact = False

    def events(self) -> Generator[Event, None, None]:
        """One event after the other, until stopped. Raises PermanentError where the queue refuses for good."""
        backoff = Backoff(self._context)
        while not self._context.stopping.is_set():
            began = time.monotonic()
            try:
                messages = call_until(self._receive, self._context.stopping) or []
            except RetryableError as failure:
                self._in_contact = False  # so that the next try tells soon whether it is there again
                backoff.fail(failure, self._called)
                continue
            except PermanentError as refusal:
                raise PermanentError(f"{self._called} ends: {refusal}") from refusal
            backoff.succeed()
            self._in_contact = True
            if messages:
                yield from self._give(messages)
            elif (rest := LEAST_SECONDS - (time.monotonic() - began)) > 0:
                self._context.sleep(rest)  # the server does not wait for messages

    def _receive(self) -> list[Message]:
        """Messages; where nobody waits for them any more they are given back at once."""
        messages = self._queue.receive(self._most, self._visibility_seconds, waits=self._in_contact)
        if messages and self._context.stopping.is_set():
            self._queue.hide([message.receipt for message in messages], 0)
        return messages

    def _give(self, messages: Sequence[Message]) -> Iterator[Event]:
        with Hold(self._queue, messages, self._visibility_seconds, self._part, self._context) as hold:
            for message in messages:
                if self._context.stopping.is_set():
                    return
                if message.id in self._stored:
                    hold.finish(message)
                    continue
                try:
                    events = self._read(message)
                except Unreadable as fault:
                    self._put_aside(message, fault, hold)
                    continue
                yield from events
                hold.finish(message)

    def _put_aside(self, message: Message, fault: Unreadable, hold: Hold) -> None:
        """Leave it for the queue's dead letters; where there are none, delete it when it has come often enough."""
        told = f"{self._queue.name}: the message {message.id} cannot be read: {fault}"
        if message.receptions < self._max_receptions or self._queue_has_dead_letters():
            hold.leave(message)
            self._context.log("error", f"{told}; it stays in the queue ({message.receptions}. reception)")
            return
        hold.finish(message)
        self._context.log("error", f"{told}; it is deleted, because the queue has no dead letters")

    def _queue_has_dead_letters(self) -> bool:
        try:
            return self._queue.has_dead_letters()
        except RetryableError as failure:
            self._context.log("warning", str(failure))
            return True

    def _part(self, stored: Sequence[Message], unused: Sequence[Message]) -> None:
        """Delete what is stored, give back the rest. Ids of what could not be deleted are kept: it comes again."""
        failed = {message.receipt for message in stored}
        try:
            failed = set(self._queue.delete([message.receipt for message in stored])) if stored else set()
            if unused:
                self._queue.hide([message.receipt for message in unused], 0)
        except StepFailed as failure:
            self._context.log("warning", f"{failure}; messages that are stored come again and are left out then")
        before = dict(self._stored)
        for message in stored:
            self._stored.pop(message.id, None)
            if message.receipt in failed:
                self._stored[message.id] = None
        if self._stored != before:
            self._stored = dict.fromkeys(list(self._stored)[-MAX_STORED:])
            self._context.cursors.put(self._place, list(self._stored))


class Hold:
    """Keeps messages from others while the context lasts, however long; then `part` gets what was finished, and what
    was neither finished nor left."""

    def __init__(
        self,
        queue: Queue,
        messages: Sequence[Message],
        visibility_seconds: int,
        part: Callable[[Sequence[Message], Sequence[Message]], None],
        context: SourceContext,
    ) -> None:
        self._queue = queue
        self._pending = {message.receipt: message for message in messages}
        self._finished: list[Message] = []
        self._visibility_seconds = visibility_seconds
        self._part = part
        self._context = context
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._extend, daemon=True)

    def __enter__(self) -> Hold:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._ended.set()
        pending = list(self._pending.values())
        if not self._context.stopping.is_set():
            self._part(self._finished, pending)
            return
        parting = threading.Thread(target=self._part, args=(self._finished, pending), daemon=True)
        parting.start()
        parting.join(PARTING_SECONDS)

    def finish(self, message: Message) -> None:
        """It is stored."""
        self._finished.append(self._pending.pop(message.receipt))

    def leave(self, message: Message) -> None:
        """It comes again when its time has run out."""
        self._pending.pop(message.receipt)

    def _extend(self) -> None:
        while not self._ended.wait(self._visibility_seconds / RENEWALS):
            held = [*list(self._pending), *(message.receipt for message in list(self._finished))]
            try:
                self._queue.hide(held, self._visibility_seconds)
            except StepFailed as failure:
                self._context.log("warning", f"{failure}; others may see messages that are being stored")
