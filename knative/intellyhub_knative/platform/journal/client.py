"""How the platform's processes use the journal service: the same methods for those who block and for those who await.

Both have what `Outbox` promises, and of `Journal` everything but `due`, which here asks for deliveries as in `Outbox`;
runs that are due are asked for by `due_runs`. What a method does is said where it is taken from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from intellyhub_engine.journal import operations
from intellyhub_engine.journal.channel import PATIENCE_SECONDS, Channel
from intellyhub_engine.journal.credentials import Token
from intellyhub_engine.journal.operations import Steps
from intellyhub_engine.journal.records import RunFinished
from intellyhub_engine.journal.remote import perform
from intellyhub_engine.journal.wire import Answer, Call, split
from intellyhub_knative.platform.journal import questions
from intellyhub_knative.platform.journal.frames import Frame, LogLine, first_record, last_index, unfold
from intellyhub_knative.platform.journal.link import Link

__all__ = ["AsyncJournalClient", "Frame", "JournalClient", "LogLine"]

Given = ParamSpec("Given")
Result = TypeVar("Result")


def blocking(make: Callable[Given, Steps[Result]]) -> Callable[Concatenate[JournalClient, Given], Result]:
    """A method of `JournalClient` from an operation."""

    def ask(client: JournalClient, /, *given: Given.args, **named: Given.kwargs) -> Result:
        return client.perform(make(*given, **named))

    update_wrapper(ask, make)
    return ask


def awaited(
    make: Callable[Given, Steps[Result]],
) -> Callable[Concatenate[AsyncJournalClient, Given], Coroutine[Any, Any, Result]]:
    """A method of `AsyncJournalClient` from an operation."""

    async def ask(client: AsyncJournalClient, /, *given: Given.args, **named: Given.kwargs) -> Result:
        return await client.perform(make(*given, **named))

    update_wrapper(ask, make)
    return ask


class JournalClient:
    """Thread-safe; connects with the first call, again after the service was away, and anew in a forked child.
    `address` is a unix socket's path, `http://host:port` or `https://host:port` (`authority`: the file of certificates
    it is known by). Raises `JournalUnwritable` where the service stays away for `patience_seconds`."""

    def __init__(
        self,
        address: str | Path,
        token: Token,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        authority: Path | None = None,
    ) -> None:
        self._channel = Channel(address, token, patience_seconds=patience_seconds, authority=authority)
        self._seen_work: tuple[int, int] | None = None

    begin = blocking(operations.begin)
    record = blocking(operations.record)
    claim = blocking(operations.claim)
    renew = blocking(operations.renew)
    release = blocking(operations.release)
    history = blocking(operations.history)
    request_cancel = blocking(operations.request_cancel)
    cancel_requested = blocking(operations.cancel_requested)
    remembered = blocking(operations.remembered)
    remember = blocking(operations.remember)
    spent = blocking(operations.spent)

    accept = blocking(questions.accept)
    unrouted = blocking(questions.unrouted)
    route = blocking(questions.route)
    due = blocking(questions.due)
    next_due_ns = blocking(questions.next_due_ns)
    settle = blocking(questions.settle)
    dead_letters = blocking(questions.dead_letters)
    redeliver = blocking(questions.redeliver)
    discard = blocking(questions.discard)
    bury = blocking(questions.bury)
    counts = blocking(questions.counts)

    runs = blocking(questions.runs)
    latest = blocking(questions.latest)
    counts_of = blocking(questions.counts_of)
    due_runs = blocking(questions.due_runs)
    waiting_for = blocking(questions.waiting_for)
    waiting_runs = blocking(questions.waiting_runs)
    find_run = blocking(questions.find_run)
    runs_of_event = blocking(operations.runs_of_event)
    woken_runs = blocking(questions.woken_runs)
    entries = blocking(questions.entries)
    logs = blocking(questions.logs)
    orphan = blocking(questions.orphan)
    delete_flow = blocking(questions.delete_flow)
    prune = blocking(questions.prune)

    def wait_for_work(self, timeout: float = 30.0) -> None:
        """Return when events were accepted, deliveries or runs became due, or something was settled since this was
        called the last time; or after `timeout` seconds, at most 60. The first call returns at once."""
        self._seen_work = self.perform(questions.wait_for_work(self._seen_work, timeout))

    def perform(self, steps: Steps[Result]) -> Result:
        """Do what an operation asks for."""
        return perform(self._channel, steps)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


class AsyncJournalClient:
    """As `JournalClient`, for one event loop. Use it there only; connects with the first call."""

    def __init__(
        self,
        address: str | Path,
        token: Token,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        authority: Path | None = None,
    ) -> None:
        self._link = Link(address, token, patience_seconds=patience_seconds, authority=authority)
        self._seen_work: tuple[int, int] | None = None

    begin = awaited(operations.begin)
    record = awaited(operations.record)
    claim = awaited(operations.claim)
    renew = awaited(operations.renew)
    release = awaited(operations.release)
    history = awaited(operations.history)
    request_cancel = awaited(operations.request_cancel)
    cancel_requested = awaited(operations.cancel_requested)
    remembered = awaited(operations.remembered)
    remember = awaited(operations.remember)
    spent = awaited(operations.spent)

    accept = awaited(questions.accept)
    unrouted = awaited(questions.unrouted)
    route = awaited(questions.route)
    due = awaited(questions.due)
    next_due_ns = awaited(questions.next_due_ns)
    settle = awaited(questions.settle)
    dead_letters = awaited(questions.dead_letters)
    redeliver = awaited(questions.redeliver)
    discard = awaited(questions.discard)
    bury = awaited(questions.bury)
    counts = awaited(questions.counts)

    runs = awaited(questions.runs)
    latest = awaited(questions.latest)
    counts_of = awaited(questions.counts_of)
    due_runs = awaited(questions.due_runs)
    waiting_for = awaited(questions.waiting_for)
    waiting_runs = awaited(questions.waiting_runs)
    find_run = awaited(questions.find_run)
    runs_of_event = awaited(operations.runs_of_event)
    woken_runs = awaited(questions.woken_runs)
    entries = awaited(questions.entries)
    logs = awaited(questions.logs)
    orphan = awaited(questions.orphan)
    delete_flow = awaited(questions.delete_flow)
    prune = awaited(questions.prune)

    async def wait_for_work(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109  (the service keeps the time)
        """As `JournalClient.wait_for_work`."""
        self._seen_work = await self.perform(questions.wait_for_work(self._seen_work, timeout))

    async def watch(
        self, run_id: str | None = None, *, under: str | None = None, after: int | None = None
    ) -> AsyncIterator[Frame]:
        """What is recorded: of one run, from its beginning or behind `after`, until it ends; or of all flows whose
        names begin with `under`, from now on or behind `after`, without child runs and without end. Nothing is missing
        and nothing comes twice, also when the service goes away and comes back. Raises `RunNotFound`."""
        place = 0 if after is None and run_id is not None else after

        def from_where() -> tuple[str | None, str | None, int]:
            return run_id, under, -1 if place is None else first_record(place)

        async with self._link.watching(from_where) as parts:
            async for (rows, until), payload in parts:
                for frame in unfold(rows, split(payload), place or 0):
                    place = frame.index
                    yield frame
                    if run_id is not None and isinstance(frame.entry, RunFinished):
                        return
                place = max(place or 0, last_index(until))

    async def perform(self, steps: Steps[Result]) -> Result:
        """Do what an operation asks for."""
        call: Call
        answer: Answer | None = None
        while True:
            try:
                call = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            answer = await self._link.ask(call)

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()
