"""One connection to the journal service, shared by the tasks of an event loop, kept through the service's restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EngineError, JournalError, JournalUnwritable
from intellyhub_engine.journal.address import (
    HEAD_END,
    MAX_HEAD_BYTES,
    PING,
    PING_SECONDS,
    SILENT_SECONDS,
    Address,
    is_remote,
    make_upgrade,
    parse_address,
    read_upgrade,
)
from intellyhub_engine.journal.credentials import Token, current_token
from intellyhub_engine.journal.distance import make_context, notice_loss
from intellyhub_engine.journal.wire import (
    GREETING_ID,
    Answer,
    Call,
    Frames,
    Kind,
    make_frame,
    make_greeting,
    raise_error,
    read_welcome,
    refuse_end,
)

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Link"]

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.25
_GREETING_SECONDS = 5.0
_RECEIVED_BYTES = 256 * 1024
_MAX_UNREAD_PARTS = 1000
"""Of one watcher; what it does not take holds up those who share the connection, so it begins anew from its place."""


class Pending:
    """A call without its answer."""

    def __init__(self, call: Call, answer: asyncio.Future[Answer]) -> None:
        self.call = call
        self.answer = answer


class Watcher:
    """Someone to whom parts are sent, and how to ask for what comes behind the last."""

    def __init__(self, arguments: Callable[[], tuple[Any, ...]]) -> None:
        self.arguments = arguments
        self.frame_id = 0
        self.parts: asyncio.Queue[Answer | EngineError | None] = asyncio.Queue()
        """None: the connection was lost, ask again."""


class Link:
    """Calls are sent again when the connection was lost before their answer came: all of them may be repeated."""

    def __init__(
        self, address: str | Path, token: Token, *, patience_seconds: float, authority: Path | None = None
    ) -> None:
        self.address = str(address)
        self._token = token
        self._is_far = is_remote(address)
        self._context = make_context(parse_address(str(address)), authority) if self._is_far else None
        self._patience_seconds = patience_seconds
        self._pending: dict[int, Pending] = {}
        self._watchers: dict[int, Watcher] = {}
        self._last_id = GREETING_ID
        self._writer: asyncio.StreamWriter | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, call: Call) -> Answer:
        """The answer. Raises the service's error, and `JournalUnwritable` where it stays away."""
        call = call._replace(waits=True)
        if call.operation == "record" and call.arguments[2] is False:
            run_id, owner, _, mark = call.arguments
            call = call._replace(arguments=(run_id, owner, True, mark))  # here every answer is awaited
        frame_id = self._next_id()
        frame = make_frame([frame_id, call.operation, call.arguments, False], call.payload)
        pending = Pending(call, asyncio.get_running_loop().create_future())
        self._pending[frame_id] = pending
        self._send(frame)
        try:
            return await pending.answer
        finally:
            self._pending.pop(frame_id, None)

    @asynccontextmanager
    async def watching(self, arguments: Callable[[], tuple[Any, ...]]) -> AsyncIterator[AsyncIterator[Answer]]:
        """Parts as they come; `arguments` says from where, when the watching begins and begins again."""
        watcher = Watcher(arguments)
        self._begin(watcher)
        try:
            yield self._parts(watcher)
        finally:
            self._end(watcher)

    async def close(self) -> None:
        """Close the connection; who still waits hears so."""
        self._closed = True
        writer = self._writer
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if writer is not None:
            with suppress(OSError):
                await writer.wait_closed()
        self._disappoint(JournalError(f"the journal at {self.address} is closed"))

    async def _parts(self, watcher: Watcher) -> AsyncIterator[Answer]:
        while True:
            part = await watcher.parts.get()
            if part is None:
                self._begin(watcher)
            elif isinstance(part, EngineError):
                raise part
            else:
                yield part
                if watcher.frame_id not in self._watchers and watcher.parts.empty():
                    self._begin(watcher)

    def _begin(self, watcher: Watcher) -> None:
        watcher.frame_id = self._next_id()
        self._watchers[watcher.frame_id] = watcher
        self._send(make_frame([watcher.frame_id, "watch", watcher.arguments(), False]))

    def _end(self, watcher: Watcher) -> None:
        if self._watchers.pop(watcher.frame_id, None) is not None and self._writer is not None:
            self._send(make_frame([self._next_id(), "unwatch", (watcher.frame_id,), False]))

    def _next_id(self) -> int:
        if self._closed:
            raise JournalError(f"the journal at {self.address} is closed")
        self._last_id += 1
        return self._last_id

    def _send(self, frame: bytes) -> None:
        """Send now, or leave it to the one who connects."""
        if self._writer is not None:
            if not self._writer.transport.is_closing():  # else the keeper is about to hear of it, and sends it again
                self._writer.write(frame)
        elif self._keeper is None or self._keeper.done():
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        """Be connected as long as someone waits for something."""
        while True:
            reader = await self._connect()
            if reader is None:
                return
            frames = Frames()
            try:
                while received := await self._receive_some(reader):
                    for (frame_id, kind, value), payload in frames.feed(received):
                        self._receive(frame_id, kind, Answer(value, payload))
            except (OSError, JournalError, ValueError, TypeError):
                pass  # the stream is of no more use
            finally:
                self._drop()
            if not self._pending and not self._watchers:
                return

    def _receive(self, frame_id: int, kind: int, answer: Answer) -> None:
        if frame_id in self._watchers:
            self._pass_on(self._watchers[frame_id], kind, answer)
        elif frame_id in self._pending and not (future := self._pending[frame_id].answer).done():
            if kind == Kind.ERROR:
                future.set_exception(make_exception(answer.value))
            else:
                future.set_result(answer)

    def _pass_on(self, watcher: Watcher, kind: int, answer: Answer) -> None:
        if kind == Kind.ERROR:
            watcher.parts.put_nowait(make_exception(answer.value))
            self._watchers.pop(watcher.frame_id, None)
        elif watcher.parts.qsize() < _MAX_UNREAD_PARTS:
            watcher.parts.put_nowait(answer)
        else:
            self._end(watcher)  # asks again when it has taken what is there

    def _drop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers.values():
            watcher.parts.put_nowait(None)

    async def _connect(self) -> asyncio.StreamReader | None:
        """Connect, greet, and send what has no answer. None, when everyone was told that it cannot be done."""
        deadline, pause = time.monotonic() + self._patience_seconds, _FIRST_PAUSE_SECONDS
        while True:
            try:
                reader, writer = await asyncio.wait_for(self._greet(), _GREETING_SECONDS)
                self._resend(writer)
            except OSError as fault:  # TimeoutError too
                if time.monotonic() + pause > deadline:
                    self._disappoint(
                        JournalUnwritable(f"the journal service at {self.address} does not answer ({fault})")
                    )
                    return None
            except EngineError as fault:
                self._disappoint(
                    JournalUnwritable(f"the journal service at {self.address} does not let this process in: {fault}")
                )
                return None
            else:
                return reader
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _resend(self, writer: asyncio.StreamWriter) -> None:
        """Send what has no answer. Raises OSError where the connection is gone already."""
        if writer.transport.is_closing():
            raise ConnectionResetError("the connection ended after the greeting")
        for frame_id, pending in self._pending.items():
            call = pending.call
            writer.write(make_frame([frame_id, call.operation, call.arguments, True], call.payload))
        for frame_id, watcher in self._watchers.items():
            writer.write(make_frame([frame_id, "watch", watcher.arguments(), False]))
        self._writer = writer

    async def _receive_some(self, reader: asyncio.StreamReader) -> bytes:
        """What comes; empty at the end. Raises `TimeoutError` where a service in a network does not even answer a
        ping."""
        if not self._is_far:
            return await reader.read(_RECEIVED_BYTES)
        with suppress(TimeoutError):
            return await asyncio.wait_for(reader.read(_RECEIVED_BYTES), PING_SECONDS)
        self._send(PING)
        return await asyncio.wait_for(reader.read(_RECEIVED_BYTES), SILENT_SECONDS)

    async def _greet(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        token = current_token(self._token)
        if self._is_far:
            return await ask_in(parse_address(self.address), token, self._context)
        reader, writer = await asyncio.open_unix_connection(self.address)
        try:
            writer.write(make_greeting(token))
            frames = Frames()
            answers: list[tuple[Any, bytes]] = []
            while not answers:
                answers = frames.feed(refuse_end(await reader.read(4096)))
            read_welcome(answers)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    def _disappoint(self, fault: EngineError) -> None:
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(type(fault)(str(fault)))
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers.values():
            watcher.parts.put_nowait(type(fault)(str(fault)))


async def ask_in(
    address: Address, token: str, context: SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection over HTTP. Raises `JournalUnwritable` for a refusal, `OSError`."""
    request = make_upgrade(address, token)
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context, limit=MAX_HEAD_BYTES)
    try:
        notice_loss(writer.get_extra_info("socket"))
        writer.write(request)
        try:
            head = await reader.readuntil(HEAD_END)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            raise ConnectionResetError(f"it does not answer the request ({fault})") from fault
        read_upgrade(head.removesuffix(HEAD_END))
    except BaseException:
        writer.close()
        raise
    return reader, writer


def make_exception(value: Any) -> EngineError:
    """The error that an answer carries."""
    try:
        raise_error(value)
    except EngineError as fault:
        return fault
    raise AssertionError("raise_error raises")
