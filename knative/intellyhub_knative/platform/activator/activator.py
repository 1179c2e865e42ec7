"""Wakes flows: holds their sockets, and decides when a worker is started for those who wait there, and when it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intellyhub_engine.walls.probe import Walls
from intellyhub_knative.platform.activator.briefing import Briefing
from intellyhub_knative.platform.activator.door import Door
from intellyhub_knative.platform.activator.doorbell import Doorbell, is_waited_at
from intellyhub_knative.platform.activator.ground import make_ground
from intellyhub_knative.platform.activator.refusal import refuse_all
from intellyhub_knative.platform.activator.scaling import Standing, Verdict, judge
from intellyhub_knative.platform.activator.staff import Staff
from intellyhub_knative.platform.activator.tallies import Tallies
from intellyhub_knative.platform.activator.workers import Worker
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout

__all__ = ["Activator"]

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.004
"""What a worker gets to take somebody, before there is one more."""
FULL_LOOK_SECONDS = 0.02
"""How often those who wait for another flow's place are looked at; else nobody looks until a worker ends."""
SLICE_SECONDS = 0.1
"""What a flow without a worker waits, and a busy worker of another one has had, before that one is asked to end."""

Key = tuple[str, int]
"""Flow id and version number."""


class Activator:
    """Everything happens in the event loop of the thread that made it."""

    def __init__(
        self,
        layout: Layout,
        keys: Keys,
        desired: Desired,
        walls: Walls,
        *,
        journal: Path,
        orphan: Callable[[str, str | None], None],
    ) -> None:
        """`journal`: the service's socket. `orphan(owner, error)`: a worker has died with runs in hand; `error` where
        they are to fail."""
        self.desired = desired
        self.walls = walls
        self.doors: dict[Key, Door] = {}
        self.tallies = Tallies()
        self.briefing = Briefing(layout, keys, desired, journal=journal)
        self.staff = Staff(
            walls,
            make_ground(layout),
            tell=self.briefing.tell,
            on_end=self._look_round,
            orphan=orphan,
            tallies=self.tallies,
        )
        self._layout = layout
        self._loop = asyncio.get_running_loop()
        self._bell = Doorbell()
        self._closing = False

    def start(self) -> None:
        """Begin: the warm parent, then whatever `refresh` opens."""
        (self._layout.sockets / "flows").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._loop.add_reader(self._bell.fileno(), self._bell.answer)
        self.staff.open()

    async def close(self, patience_seconds: float) -> None:
        """Let all workers finish what they have in hand; who has not by then is killed, and its runs go on later."""
        self._closing = True
        for door in self.doors.values():
            self._silence(door)
        await self.staff.close(patience_seconds)
        self._loop.remove_reader(self._bell.fileno())
        self._bell.close()
        for door in self.doors.values():
            door.close()

    def ensure_open(self, flow_id: str, number: int) -> bool:
        """Whether this version has a socket. The record on the disk is asked when it is not known yet."""
        if (flow_id, number) not in self.doors:
            self.desired.read_flow(flow_id)
            self.refresh()
        return (flow_id, number) in self.doors

    def workers(self) -> list[dict[str, Any]]:
        """Every worker, for `GET /workers`."""
        return [
            {
                "tenant_id": door.tenant_id,
                "flow_id": door.deployment.flow_id,
                "slug": door.deployment.slug,
                "version": door.version.number,
                **worker.describe(),
            }
            for door, worker in self.staff.everyone()
        ]

    def failing(self) -> list[dict[str, Any]]:
        """The flow versions whose workers cannot start, and why."""
        return [
            {"flow_id": flow_id, "version": number, "failures": door.failures, "reason": door.reason}
            for (flow_id, number), door in self.doors.items()
            if door.failures
        ]

    # What is deployed

    def refresh(self) -> None:
        """Open and close doors so that they are what is deployed; end workers that serve what no longer is."""
        wanted: dict[Key, tuple[Deployment, Version]] = {}
        for deployment in self.desired.deployments.values():
            tenant = self.desired.tenants.get(deployment.tenant_id)
            if deployment.active and tenant is not None and not tenant.suspended:
                wanted |= {(deployment.flow_id, each.number): (deployment, each) for each in deployment.versions}
        for key in [key for key in self.doors if key not in wanted]:
            self._close_door(key)
        for key, (deployment, version) in wanted.items():
            if key in self.doors:
                self._change_door(self.doors[key], deployment, version)
            else:
                self._open_door(key, deployment, version)
        self._sweep_sockets()
        self.briefing.forget_others()

    def _open_door(self, key: Key, deployment: Deployment, version: Version) -> None:
        try:
            door = Door(deployment, version, self._layout.flow_socket(*key))
        except OSError as fault:
            LOG.error("the socket of %s cannot be opened: %s", deployment.slug, fault)  # noqa: TRY400
            return
        self.doors[key] = door
        self._bell.add(door.listener, lambda: self._look(door))

    def _close_door(self, key: Key) -> None:
        door = self.doors.pop(key)
        self._silence(door)
        self.staff.dismiss(door)
        door.path.unlink(missing_ok=True)
        door.close()

    def _change_door(self, door: Door, deployment: Deployment, version: Version) -> None:
        """A record as it is now. Workers that were told something else, or serve a superseded version, are let go; who
        still asks for that version gets a new one."""
        before = door.deployment
        door.deployment, door.version = deployment, version
        superseded = before.current.number == version.number != deployment.current.number
        if self.briefing.has_changed(door) or superseded:
            self.staff.dismiss(door)
        if before is not deployment:
            door.note_success()
            self._look(door)

    def _silence(self, door: Door) -> None:
        self._bell.remove(door.listener)
        if door.look is not None:
            door.look.cancel()
            door.look = None

    def _sweep_sockets(self) -> None:
        """Remove what an activator that died left of flows that are gone."""
        wanted = {door.path.name for door in self.doors.values()}
        for path in (self._layout.sockets / "flows").iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    # Who waits

    def _look(self, door: Door) -> None:
        """See to those who wait at a door."""
        if door.look is not None:
            door.look.cancel()
            door.look = None
        if door.closed or self._closing:
            return
        if not is_waited_at(door.listener):
            door.waiting_since = None
            self._bell.arm(door.listener)
            return
        now = time.monotonic()
        door.waiting_since = door.waiting_since or now
        if now < door.paused_until:
            self._pause(door, door.paused_until - now)
            return
        verdict = judge(self._standing(door, now))
        if verdict is Verdict.START:
            self.staff.start(door)
        elif verdict is Verdict.EVICT:
            self._evict(door)
        elif verdict is Verdict.YIELD:
            self._ask_to_yield(door, now)
        if verdict is not Verdict.FULL:
            self._look_later(door, LOOK_SECONDS)
        elif self._others(door):
            self._look_later(door, FULL_LOOK_SECONDS)

    def _look_later(self, door: Door, seconds: float) -> None:
        if door.look is None and not door.closed:
            door.look = self._loop.call_later(seconds, self._look, door)

    def _look_round(self, freed: Door) -> None:
        """A place has become free. Flows without a worker come first, among them the one whose turn is longest ago."""
        doors = {door for door in self.doors.values() if door.tenant_id == freed.tenant_id and door.waiting_since}
        for door in sorted({*doors, freed}, key=lambda door: (bool(door.workers), door.started)):
            self._look(door)

    def _pause(self, door: Door, left_seconds: float) -> None:
        """Its workers cannot start: wait for the next try, or say so to those who wait."""
        if not door.refuses:
            self._look_later(door, left_seconds)
            return
        self.tallies.refused += refuse_all(door.listener, retry_after_seconds=max(round(left_seconds), 1))
        door.waiting_since = None
        self._bell.arm(door.listener)

    def _standing(self, door: Door, now: float) -> Standing:
        coming, free, busy = door.count()
        tenant = self.desired.tenants.get(door.tenant_id)
        others = [worker for _, worker in self._others(door)]
        waited = now - (door.waiting_since or now)
        return Standing(
            coming=coming,
            free=free,
            busy=busy,
            max_scale=door.deployment.max_scale,
            tenant_workers=len(others) + len(door.workers),
            max_pods=tenant.max_pods if tenant is not None else 0,
            idle_elsewhere=any(worker.idle for worker in others),
            ending=any(worker.ending for worker in (*others, *door.workers.values())),
            can_yield=waited >= SLICE_SECONDS and any(has_had_its_slice(worker, now) for worker in others),
            patient=waited >= LOOK_SECONDS,
        )

    def _others(self, door: Door) -> list[tuple[Door, Worker]]:
        """The workers of the tenant's other doors."""
        everyone = self.staff.everyone()
        return [(each, worker) for each, worker in everyone if each is not door and each.tenant_id == door.tenant_id]

    def _evict(self, door: Door) -> None:
        """End the idle worker of another flow that has been at it longest."""
        idle = [worker for _, worker in self._others(door) if worker.idle]
        min(idle, key=lambda worker: worker.created).stop()
        self.tallies.evicted += 1

    def _ask_to_yield(self, door: Door, now: float) -> None:
        """Ask a worker of the flow that has most of them to end after what it has in hand."""
        others = [(each, worker) for each, worker in self._others(door) if has_had_its_slice(worker, now)]
        _, worker = max(others, key=lambda pair: (len(pair[0].workers), -pair[1].created))
        worker.stop()
        self.tallies.evicted += 1


def has_had_its_slice(worker: Worker, now: float) -> bool:
    """Whether a busy worker may be asked to end for the sake of a flow that has none."""
    return worker.pid is not None and not worker.ending and now - worker.created >= SLICE_SECONDS
