"""The workers of all flows: gives them processes, hears how they end, and tells the journal of those that crashed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable

from intellyhub_engine.errors import EngineError
from intellyhub_engine.walls.enclosure import Ground
from intellyhub_engine.walls.probe import Walls
from intellyhub_knative.platform.activator import channel
from intellyhub_knative.platform.activator.door import Door
from intellyhub_knative.platform.activator.hanging import judge_hung
from intellyhub_knative.platform.activator.parent import Child, WarmParent
from intellyhub_knative.platform.activator.pool import Pool, Readiness
from intellyhub_knative.platform.activator.reserve import BARE, Reserve
from intellyhub_knative.platform.activator.tallies import Tallies
from intellyhub_knative.platform.activator.workers import Worker

__all__ = ["Staff"]

LOG = logging.getLogger(__name__)
SPARE_SECONDS = 0.02
"""After the last start: spares are made a little later, when the worker has answered and nobody else is woken."""
LONGEST_SPARE_SECONDS = 5.0
"""Between two spares, where they die unused."""
POLL_SECONDS = 0.01
LAST_SECONDS = 1.0
"""What killed workers get to be reaped, at the end."""

Tell = Callable[[Door, str], tuple[dict[str, object], int]]


class Staff:
    """Lives in the event loop."""

    def __init__(
        self,
        walls: Walls,
        ground: Ground,
        *,
        tell: Tell,
        on_end: Callable[[Door], None],
        orphan: Callable[[str, str | None], None],
        tallies: Tallies,
    ) -> None:
        """`tell(door, owner)`: what a worker of that door is told, openly and (a descriptor) in confidence; raises
        `EngineError`. `on_end(door)`: one of its workers has ended. `orphan(owner, error)`: a worker has died with runs
        in hand; with an error they are to fail."""
        self.parent = WarmParent(walls, ground, on_child=self._take_child, on_exit=self._end)
        self.pool = Pool()
        self._tell = tell
        self._on_end = on_end
        self._orphan = orphan
        self._tallies = tallies
        self._loop = asyncio.get_running_loop()
        self._workers: dict[int, tuple[Door, Worker]] = {}
        self._unborn: list[tuple[Door, Worker]] = []
        self._boot = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._started = 0
        self._spare_seconds = SPARE_SECONDS
        self._reserve = Reserve()
        self._refill: asyncio.TimerHandle | None = None
        self._closing = False

    def open(self) -> None:
        """Start the warm parent."""
        self.parent.start()
        self._fill_pool()

    def everyone(self) -> list[tuple[Door, Worker]]:
        """All workers, those included that wait for a process."""
        return [*self._workers.values(), *self._unborn]

    def find(self, pid: int) -> Worker | None:
        """By process id."""
        found = self._workers.get(pid)
        return found[1] if found is not None else None

    def start(self, door: Door) -> None:
        """One more worker: of a child that waits, else as soon as one is forked."""
        self._started += 1
        worker = Worker(f"worker-{self._boot}-{self._started}", max(door.deployment.concurrency, 1))
        door.workers[worker.owner] = worker
        door.started = time.monotonic()
        self._tallies.started += 1
        self._reserve.note(door.started)
        self._refill_in(SPARE_SECONDS)
        while (child := self.pool.take()) is not None:
            if self._assign(door, worker, child):
                return
        self._unborn.append((door, worker))
        if self.parent.asked < len(self._unborn):
            self.parent.ask()

    def dismiss(self, door: Door) -> None:
        """Let all workers of a door finish and end."""
        self._unborn = [(each, worker) for each, worker in self._unborn if each is not door]
        for worker in list(door.workers.values()):
            if worker.pid is None:
                del door.workers[worker.owner]
            elif not worker.stopping:
                worker.stop()

    def end_hung(self) -> None:
        """Kill workers that take longer than they may, to start, to take somebody, or to run."""
        now = time.monotonic()
        for door, worker in list(self._workers.values()):
            worker.look(now)
            verdict = judge_hung(door, worker, now)
            if verdict is not None and worker.verdict is None:
                self._tallies.hung += 1
                worker.kill(verdict)

    async def close(self, patience_seconds: float) -> None:
        """Let everyone finish what they have in hand; who has not by then is killed, and its runs go on later."""
        self._closing = True
        if self._refill is not None:
            self._refill.cancel()
        self._unborn.clear()
        for _, worker in self._workers.values():
            worker.stop()
        while (child := self.pool.take()) is not None:
            self._let_go(child)
        await self._until_all_ended(patience_seconds)
        for _, worker in list(self._workers.values()):
            worker.kill()
        await self._until_all_ended(LAST_SECONDS)
        self.parent.close()

    async def _until_all_ended(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._workers and time.monotonic() < deadline:  # noqa: ASYNC110 - it is over in milliseconds, once
            await asyncio.sleep(POLL_SECONDS)

    def _refill_in(self, seconds: float) -> None:
        """See to the pool then, and not before."""
        if self._refill is not None:
            self._refill.cancel()
        self._refill = self._loop.call_later(seconds, self._fill_pool)

    def _fill_pool(self) -> None:
        """One step towards as many children as are wanted; the next is taken when it has come to something."""
        self._refill = None
        if self._closing or self._unborn:
            return
        spares, wanted = self.pool.count(Readiness.SPARE, Readiness.PREPARING), self._reserve.wanted(time.monotonic())
        child = self.pool.find(Readiness.BARE if spares < wanted else Readiness.SPARE)
        if spares < wanted and child is not None:
            self._prepare(child)
        elif self.pool.count(Readiness.BARE) + self.parent.asked < BARE:
            self.parent.ask()
        if spares > wanted and child is not None:
            self.pool.remove(child.pid)
            self._let_go(child)
        if wanted > 1:
            self._refill_in(LONGEST_SPARE_SECONDS)

    def _prepare(self, child: Child) -> None:
        """Have a bare child make a spare of itself."""
        with contextlib.suppress(OSError):  # it has died, which is noticed in a moment
            channel.send(child.channel, {"get_ready": True})
        self.pool.add(child, Readiness.PREPARING)
        self._loop.add_reader(child.channel, self._hear_ready, child)

    def _hear_ready(self, child: Child) -> None:
        """It is a spare now; or it is about to end, and has perhaps said why."""
        self._loop.remove_reader(child.channel)
        with contextlib.suppress(OSError):
            received = channel.receive(child.channel)
            if received is not None and "ready" in received[0]:
                self.pool.add(child, Readiness.SPARE)
                self._refill_in(SPARE_SECONDS)
            elif received is not None:
                LOG.error("a spare worker cannot get ready: %s", received[0].get("failed"))

    def _let_go(self, child: Child) -> None:
        """It sees that, and ends."""
        self._loop.remove_reader(child.channel)
        child.close()

    def _take_child(self, child: Child) -> None:
        """A child has been forked: for whoever waits for one, else to be kept."""
        if self._closing:
            child.close()
            return
        if not self._unborn:
            self.pool.add(child)
            self._refill_in(SPARE_SECONDS)
            return
        door, worker = self._unborn.pop(0)
        if not self._assign(door, worker, child):
            self._unborn.insert(0, (door, worker))
            self.parent.ask()
        elif not self._unborn:
            self._refill_in(SPARE_SECONDS)

    def _assign(self, door: Door, worker: Worker, child: Child) -> bool:
        """Make a child a worker; False when the child has died meanwhile."""
        try:
            told, private = self._tell(door, worker.owner)
        except (EngineError, OSError) as fault:
            self._fail(door, worker, str(fault))
            self._let_go(child)
            return True
        try:
            worker.give(child, told, door.listener, private)
        except OSError:
            child.close()
            return False
        finally:
            os.close(private)
        self._spare_seconds = SPARE_SECONDS
        self._workers[child.pid] = door, worker
        self._loop.add_reader(child.channel, self._hear, worker)
        return True

    def _hear(self, worker: Worker) -> None:
        """A worker says why it cannot start; or its channel ended, and its process is about to."""
        try:
            received = channel.receive(worker.channel)
        except BlockingIOError:
            return
        if received is None:
            self._loop.remove_reader(worker.channel)
        elif "failed" in received[0]:
            worker.failure = str(received[0]["failed"])

    def _end(self, pid: int, status: int) -> None:
        """A child has ended."""
        if pid in self._workers:
            self._end_worker(*self._workers.pop(pid), os.waitstatus_to_exitcode(status))
        child = self.pool.remove(pid)
        if child is not None:
            self._let_go(child)
            LOG.error("a spare worker %s before it was needed", describe_exit(os.waitstatus_to_exitcode(status)))
            self._refill_in(self._spare_seconds)
            self._spare_seconds = min(self._spare_seconds * 2, LONGEST_SPARE_SECONDS)

    def _end_worker(self, door: Door, worker: Worker, code: int) -> None:
        door.workers.pop(worker.owner, None)
        self._hear_last(worker)
        vitals = worker.vitals
        if code != 0:
            self._mourn(door, worker, code, alone=vitals.taken <= 1)
        if vitals.requests > 0:
            door.note_success()
        elif code != 0 and not worker.stopping:
            self._fail(door, worker, worker.failure or describe_exit(code))
        worker.close()
        if not self._closing:
            self._on_end(door)

    def _hear_last(self, worker: Worker) -> None:
        with contextlib.suppress(OSError):
            self._hear(worker)
        self._loop.remove_reader(worker.channel)

    def _mourn(self, door: Door, worker: Worker, code: int, *, alone: bool) -> None:
        """It did not end as planned: what it had in hand is free again. The verdict over a hung run is not spoken over
        those that ran beside it: then all of them go on elsewhere, and the hung one ends with its fifth worker."""
        self._tallies.crashed += 1
        reason = worker.verdict or worker.failure or describe_exit(code)
        LOG.warning("the worker %s of %s: %s", worker.pid, door.label, reason)
        self._orphan(worker.owner, worker.verdict if alone else None)

    def _fail(self, door: Door, worker: Worker, reason: str) -> None:
        """A start came to nothing."""
        door.workers.pop(worker.owner, None)
        self._tallies.failed += 1
        pause = door.note_failure(time.monotonic(), reason)
        LOG.error("%s cannot start, try %d, next in %.1f s: %s", door.label, door.failures, pause, reason)


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
