"""Keeps the processes of a platform running: starts them in order, starts again what ends, stops them in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from intellyhub_engine.errors import EngineError
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.records import remove_record, write_record
from intellyhub_knative.platform.supervisor.backoff import Backoff
from intellyhub_knative.platform.supervisor.child import Child, Inheritance, describe_end
from intellyhub_knative.platform.supervisor.logbook import Level, LineReader, Logbook, utc_now
from intellyhub_knative.platform.supervisor.services import STOP_ORDER, Service

__all__ = ["Progress", "SettingsRefused", "StartFailed", "Supervisor"]

START_SECONDS = 60.0
"""A process that is not ready after so long has failed."""
START_ATTEMPTS = 3
"""At the first start; afterwards a process is tried for ever."""
REFUSED = 2
"""The exit code of a process that cannot use what it was given: starting it again changes nothing."""
REPORT_AFTER = 3
"""Failures in a row that are worth an error with the last lines."""
KEPT_LINES = 12
PROCESSES = "processes"
OWN_NAME = "supervisor"


class StartFailed(EngineError):
    """A process does not come up; the message holds its last lines."""


class SettingsRefused(StartFailed):
    """A process cannot use its settings."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How the start goes: `seconds` once the process is ready."""

    name: str
    seconds: float | None = None


class Supervisor:
    """One platform's processes. `run` is called once."""

    def __init__(
        self,
        *,
        layout: Layout,
        services: Sequence[Service],
        inheritance: Inheritance,
        logbook: Logbook,
        progress: Callable[[Progress], None] = lambda _: None,
        pid: int,
    ) -> None:
        self.layout = layout
        self.services = services
        self.facts: dict[str, Any] = {}
        """What processes told for a person's eyes."""
        self._inheritance = inheritance
        self._logbook = logbook
        self._progress = progress
        self._children: dict[str, Child] = {}
        self._last_lines: dict[str, deque[str]] = {each.name: deque(maxlen=KEPT_LINES) for each in services}
        self._pids: dict[str, int] = {OWN_NAME: pid}
        self._starting = True
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, stop: asyncio.Event, started: Callable[[Mapping[str, Any]], None]) -> None:
        """Start everything, say so, keep it running until `stop`, stop everything. Raises `StartFailed`."""
        keepers: dict[str, asyncio.Task[None]] = {}
        self._stop_waiter = asyncio.create_task(self._stopping.wait())
        stopped = asyncio.create_task(stop.wait())
        try:
            self._write_processes()
            if await self._start_all(keepers, stopped):
                self._starting = False
                started(self.facts)
                await self._first_of({stopped, *keepers.values()})
        finally:
            stopped.cancel()
            await self._stop_all(keepers)

    def hurry(self) -> None:
        """Stop at once what is still being stopped."""
        self._hurry.set()

    async def _start_all(self, keepers: dict[str, asyncio.Task[None]], stopped: asyncio.Task[bool]) -> bool:
        """Wave by wave. False when it was told to stop meanwhile."""
        for wave in sorted({service.wave for service in self.services}):
            ready = set()
            for service in self.services:
                if service.wave == wave:
                    event = asyncio.Event()
                    keepers[service.name] = asyncio.create_task(self._keep(service, event), name=service.name)
                    ready.add(asyncio.create_task(event.wait()))
            try:
                while any(not task.done() for task in ready):
                    await self._first_of({stopped, *keepers.values(), *(task for task in ready if not task.done())})
                    if stopped.done():
                        return False
            finally:
                for task in ready:
                    task.cancel()
        return True

    async def _first_of(self, tasks: set[asyncio.Task[Any]]) -> None:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a keeper ends with an exception only

    async def _keep(self, service: Service, ready: asyncio.Event) -> None:
        """Start it, and start it again whenever it ends, until the platform stops."""
        backoff = Backoff()
        self._progress(Progress(name=service.name))
        began = time.monotonic()
        while not self._stopping.is_set():
            try:
                child = await Child.start(service, self._inheritance)
            except OSError as fault:
                await self._pause(service, backoff, None, f"cannot be started: {fault.strerror}")
                continue
            self._last_lines[service.name].clear()
            self._set_child(service.name, child)
            if self._stopping.is_set():  # it was told meanwhile
                child.send(signal.SIGTERM)
            code = await self._live(child, ready, began)
            self._set_child(service.name, None)
            if not self._stopping.is_set():
                if self._starting and code == REFUSED and not child.ready.is_set():
                    raise SettingsRefused(f"{service.name} does not start:{self._last_words(service)}")
                await self._pause(service, backoff, child, describe_end(code))

    async def _live(self, child: Child, ready: asyncio.Event, began: float) -> int:
        """From its start to its end."""
        reader = LineReader(child.service.name, utc_now)
        listening = asyncio.create_task(child.listen(lambda received: self._take(child.service.name, reader, received)))
        ending = asyncio.create_task(child.wait())
        becoming_ready = asyncio.create_task(child.ready.wait())
        await asyncio.wait({ending, becoming_ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        becoming_ready.cancel()
        if child.ready.is_set():
            self.facts.update(child.facts)
            if not ready.is_set():
                ready.set()
                self._progress(Progress(name=child.service.name, seconds=time.monotonic() - began))
            else:
                self._logbook.note(f"{child.service.name} is ready again (process {child.pid})")
        elif not ending.done():
            self._logbook.note(f"{child.service.name} is not ready after {START_SECONDS:.0f} s: ending it", Level.ERROR)
            child.send(signal.SIGKILL)
        code = await ending
        await asyncio.wait({listening}, timeout=1.0)  # what it started may hold its outputs open
        listening.cancel()
        return code

    async def _pause(self, service: Service, backoff: Backoff, child: Child | None, end: str) -> None:
        """Say what happened, and wait before it is started again."""
        was_ready = child is not None and child.ready.is_set()
        pause = backoff.next_pause(child.lived_seconds if child is not None and was_ready else 0.0)
        last = self._last_words(service)
        if self._starting and backoff.failures >= START_ATTEMPTS and not was_ready:
            raise StartFailed(f"{service.name} does not start: it {end}; its last lines:{last}")
        if backoff.failures == REPORT_AFTER:
            self._logbook.note(f"{service.name} keeps failing; its last lines:{last}", Level.ERROR)
        pid = f" (process {child.pid})" if child is not None else ""
        self._logbook.note(f"{service.name}{pid} {end}; it is started again in {pause:.1f} s", Level.WARNING)
        await asyncio.wait({self._stop_waiter}, timeout=pause)

    def _last_words(self, service: Service) -> str:
        return "".join(f"\n  {line}" for line in self._last_lines[service.name]) or " none were written"

    def _take(self, name: str, reader: LineReader, received: bytes) -> None:
        for line in reader.feed(received):
            self._last_lines[name].append(line.message)
            self._logbook.write(line)

    def _set_child(self, name: str, child: Child | None) -> None:
        if child is None:
            self._children.pop(name, None)
            self._pids.pop(name, None)
        else:
            self._children[name] = child
            self._pids[name] = child.pid
        self._write_processes()

    def _write_processes(self) -> None:
        try:
            write_record(self.layout.data / "run", PROCESSES, self._pids)
        except OSError as fault:
            self._logbook.note(f"the list of processes cannot be written: {fault.strerror}", Level.WARNING)

    async def _stop_all(self, keepers: Mapping[str, asyncio.Task[None]]) -> None:
        """In their order, each as long as its grace."""
        self._stopping.set()
        for service in sorted(self.services, key=lambda each: rank(each.name)):
            if service.name in keepers:
                await self._stop(service, keepers[service.name])
        await asyncio.gather(*keepers.values(), return_exceptions=True)
        self._stop_waiter.cancel()
        remove_record(self.layout.data / "run", PROCESSES)

    async def _stop(self, service: Service, keeper: asyncio.Task[None]) -> None:
        """SIGTERM, and SIGKILL after its grace or when somebody is in a hurry."""
        if (child := self._children.get(service.name)) is not None:
            child.send(signal.SIGTERM)
        hurrying = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({keeper, hurrying}, timeout=service.grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        if not keeper.done() and (child := self._children.get(service.name)) is not None:
            if not self._hurry.is_set():
                grace = f"{service.grace_seconds:g} s"
                self._logbook.note(f"{service.name} did not stop in {grace}: ending it", Level.WARNING)
            child.send(signal.SIGKILL)
        await asyncio.wait({keeper})


def rank(name: str) -> int:
    """The place in the order of stopping; what is not listed stops first."""
    return STOP_ORDER.index(name) if name in STOP_ORDER else -1
