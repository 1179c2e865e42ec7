"""One client of the service: greeted, its requests answered in any order, closed when it does not read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from intellyhub_engine.errors import EngineError, JournalError, JournalUnwritable
from intellyhub_engine.journal.groups import Write
from intellyhub_engine.journal.records import RunSuspended
from intellyhub_engine.journal.wire import GREETING_ID, VERSION, Answer, Frames, Kind, make_error, make_frame
from intellyhub_engine.journal.writer import Append, Operation
from intellyhub_knative.platform.journal.access import Scope
from intellyhub_knative.platform.journal.feed import Watch
from intellyhub_knative.platform.journal.house import House
from intellyhub_knative.platform.journal.requests import QUICK, SLOW, STIRRING, WRITES, Request
from intellyhub_knative.platform.journal.store import DatabaseLost

log = logging.getLogger("journal")

__all__ = ["Connection"]

_GREETING_SECONDS = 10.0
_MAX_GREETING_BYTES = 4096
_MAX_UNREAD_BYTES = 32 * 1024 * 1024
"""Answers that may wait for a client to read them; then it is given up."""
_BEHIND_BYTES = 1024 * 1024
_MAX_OPEN_REQUESTS = 1024
"""Of one client; more are read when some are answered."""


class Connection(asyncio.Protocol):
    """Speaks `intellyhub_engine.journal.wire`."""

    def __init__(self, house: House, *, scope: Scope | None = None, lasts_seconds: float | None = None) -> None:
        self._house = house
        self._scope = scope
        """None: it must greet first."""
        self._lasts_seconds = lasts_seconds
        """After that its token has expired; the client comes again with a new one."""
        self._frames = Frames(_MAX_GREETING_BYTES if scope is None else house.max_frame_bytes)
        self._watches: dict[int, Watch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._is_gone = False
        self._lasting: dict[str, Callable[[int, Request], None]] = {
            "watch": self._watch,
            "unwatch": self._unwatch,
            "wait_for_work": self._wait_for_work,
            "tidy": self._tidy,
        }
        """What takes its time, or never ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came; who was not let in before must greet soon."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_BEHIND_BYTES)
        loop = asyncio.get_running_loop()
        if self._scope is None:
            self._deadline: asyncio.TimerHandle | None = loop.call_later(_GREETING_SECONDS, self._miss_greeting)
        else:
            lasts = self._lasts_seconds
            self._deadline = None if lasts is None else loop.call_later(lasts, self.close)
        self._house.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It went; what it wrote stays, what it waited for is forgotten."""
        self._is_gone = True
        self._drained.set()
        self._cancel_deadline()
        self._house.leave(self)
        for watch in self._watches.values():
            self._house.feed.remove(watch)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        try:
            for head, payload in self._frames.feed(data):
                if self._scope is None:
                    self._greet(head)
                else:
                    self._take(head, payload)
        except EngineError as fault:
            log.warning("a client is sent away: %s", fault)
            self._send_away(fault)
        except (TypeError, ValueError, AttributeError) as fault:
            log.warning("a client is sent away: it does not keep to the protocol (%s)", fault)
            self._send_away(JournalError("this is not how a journal is spoken to"))

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered: its requests wait."""
        self._drained.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        self._drained.set()
        if self._open < _MAX_OPEN_REQUESTS:
            self._transport.resume_reading()

    @property
    def flow(self) -> str | None:
        """Whose workers it is, by the journal's name; None for the platform, and for who has not said."""
        return self._scope and self._scope.flow

    @property
    def is_behind(self) -> bool:
        """Whether much of what was sent has not been read."""
        return not self._drained.is_set()

    async def caught_up(self) -> None:
        """Return when the client has read most of it; raise `ConnectionError` when it is gone."""
        await self._drained.wait()
        if self._is_gone:
            raise ConnectionResetError

    def reply(self, frame_id: int, kind: Kind, answer: Answer) -> None:
        """Send an answer, or a part of one."""
        value = make_error(answer.value) if kind is Kind.ERROR else answer.value
        try:
            frame = make_frame([frame_id, kind, value], answer.payload)
        except EngineError as fault:
            frame = make_frame([frame_id, Kind.ERROR, make_error(fault)])
        self._send(frame)

    def reply_all(self, parts: Sequence[tuple[int, Answer]]) -> None:
        """Send parts of several answers at once."""
        self._send(b"".join([make_frame([one, Kind.PART, answer.value], answer.payload) for one, answer in parts]))

    def _send(self, frame: bytes) -> None:
        if self._is_gone or self._transport.is_closing():
            return
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            log.warning("a client that reads nothing is given up")
            self._transport.abort()

    def close(self) -> None:
        """Send what is answered and close."""
        self._transport.close()

    def abort(self) -> None:
        """Close without sending what is left."""
        self._transport.abort()

    def _greet(self, head: Any) -> None:
        frame_id, operation, greeting = head
        if frame_id != GREETING_ID or operation != "greet":
            raise ValueError("a greeting comes first")
        if greeting.get("v") != VERSION:
            raise JournalUnwritable(f"this journal service speaks version {VERSION} of its protocol")
        self._scope = self._house.recognise(str(greeting.get("token")))
        self._cancel_deadline()
        self._frames.max_frame_bytes = self._house.max_frame_bytes
        self.reply(GREETING_ID, Kind.VALUE, Answer({"v": VERSION}))

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _miss_greeting(self) -> None:
        self._send_away(JournalUnwritable("no greeting came"))

    def _send_away(self, fault: EngineError) -> None:
        self.reply(GREETING_ID, Kind.ERROR, Answer(fault))
        self._transport.close()

    def _take(self, head: Any, payload: bytes) -> None:
        frame_id, operation, arguments, again = head
        assert self._scope is not None
        request = Request(self._scope, arguments, payload, bool(again))
        self._open += 1
        if self._open >= _MAX_OPEN_REQUESTS:
            self._transport.pause_reading()
        try:
            if operation in WRITES:
                self._write(frame_id, operation, request)
            elif operation in QUICK and (self._house.store.is_near or operation == "ping"):
                answer = QUICK[operation](self._house.desk, request, self._house.desk.now)
                self._settle(frame_id, Kind.VALUE, answer)
            elif operation in SLOW or operation in QUICK:
                self._start(self._read(frame_id, operation, request))
            elif operation in self._lasting:
                self._lasting[operation](frame_id, request)
            else:
                unknown = f"this journal service knows no operation {operation!r}; is it older than its client?"
                self._settle(frame_id, Kind.ERROR, Answer(JournalError(unknown)))
        except EngineError as fault:
            self._settle(frame_id, Kind.ERROR, Answer(fault))
        except DatabaseLost as fault:
            self._house.lose(fault)
        except Exception as fault:  # noqa: BLE001  (an answer must come, whatever was asked)
            self._settle(frame_id, Kind.ERROR, Answer(name_fault(operation, fault)))

    def _write(self, frame_id: int, operation: str, request: Request) -> None:
        write = WRITES[operation](self._house.desk, request)
        waits = not isinstance(write, Append) or write.durable

        def landed(write: Write) -> None:
            if write.fault is not None:
                fault = write.fault if isinstance(write.fault, EngineError) else name_fault(operation, write.fault)
                self._settle(frame_id, Kind.ERROR, Answer(fault))
                return
            if operation == "begin" and isinstance(write, Operation) and write.answer[1]:
                run_id, parent_id, flow, *_ = request.arguments
                self._house.desk.wards.learn(run_id, flow, parent_id)
            if operation in STIRRING or (isinstance(write, Append) and isinstance(write.closing, RunSuspended)):
                self._house.work.stir()
            if isinstance(write, Append):
                self._settle(frame_id, Kind.VALUE, Answer(write.uncancelled))
            else:
                self._settle(frame_id, Kind.VALUE, Answer(write.answer if isinstance(write, Operation) else None))

        self._house.store.submit(write, landed if waits else None)
        if not waits:
            self._open -= 1

    async def _read(self, frame_id: int, operation: str, request: Request) -> None:
        house = self._house
        try:
            reading = SLOW.get(operation) or QUICK[operation]
            answer = await house.store.read(
                lambda connection: reading(house.desk, request, connection), fresh=operation in SLOW
            )
            self._settle(frame_id, Kind.VALUE, answer)
        except EngineError as fault:
            self._settle(frame_id, Kind.ERROR, Answer(fault))
        except DatabaseLost:
            raise
        except Exception as fault:  # noqa: BLE001  (as above)
            self._settle(frame_id, Kind.ERROR, Answer(name_fault(operation, fault)))

    def _settle(self, frame_id: int, kind: Kind, answer: Answer) -> None:
        self._open -= 1
        if self._open == _MAX_OPEN_REQUESTS - 1 and not self._is_gone and self._drained.is_set():
            self._transport.resume_reading()
        self.reply(frame_id, kind, answer)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if isinstance(fault, DatabaseLost):
            self._house.lose(fault)
        elif fault is not None:
            log.error("a question could not be answered", exc_info=fault)

    def _watch(self, frame_id: int, request: Request) -> None:
        run_id, under, after = request.arguments
        if run_id is not None:
            self._house.desk.wards.permit(request.scope, run_id, self._house.desk.now)
        else:
            request.need_platform()
        watch = Watch(self, frame_id, run_id=run_id, under=under, after=after)
        self._watches[frame_id] = watch
        self._house.feed.add(watch)

    def _unwatch(self, frame_id: int, request: Request) -> None:
        watch = self._watches.pop(request.arguments[0], None)
        if watch is not None:
            self._open -= 1
            self._house.feed.remove(watch)
        self._settle(frame_id, Kind.VALUE, Answer(None))

    def _wait_for_work(self, frame_id: int, request: Request) -> None:
        request.need_platform()
        seen, timeout = request.arguments

        async def wait() -> None:
            try:
                answer = Answer(await self._house.work.wait(seen and tuple(seen), timeout))
            except DatabaseLost:
                raise
            except Exception as fault:  # noqa: BLE001  (as above)
                self._settle(frame_id, Kind.ERROR, Answer(name_fault("wait", fault)))
            else:
                self._settle(frame_id, Kind.VALUE, answer)

        self._start(wait())

    def _tidy(self, frame_id: int, request: Request) -> None:
        request.need_platform()
        kind, *values = request.arguments

        async def tidy() -> None:
            try:
                self._settle(frame_id, Kind.VALUE, Answer(await self._house.tidying.perform(kind, *values)))
            except EngineError as fault:
                self._settle(frame_id, Kind.ERROR, Answer(fault))

        self._start(tidy())


def name_fault(operation: str, fault: Exception) -> JournalError:
    """An error for a client from one that nobody expected."""
    log.error("%s failed", operation, exc_info=fault)
    return JournalError(f"the journal could not do {operation}: {type(fault).__name__}: {fault}")
