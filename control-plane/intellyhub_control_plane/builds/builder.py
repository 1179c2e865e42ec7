"""Takes builds from the queue, one at a time: whoever is killed in the middle leaves a lease that ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from intellyhub_control_plane.builds.needs import Needed, engine_mark, find_needed
from intellyhub_control_plane.builds.settings import BuildSettings
from intellyhub_control_plane.builds.telling import Places, Teller
from intellyhub_control_plane.errors import NotFound, Unreachable
from intellyhub_control_plane.models.builds import Build, BuildStatus
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.platform import Platform
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_knative.builds.order import Order
from intellyhub_knative.builds.pipeline import Built, Means, build
from intellyhub_knative.builds.stages import Stage, StageFailed, Told
from intellyhub_knative.images.errors import BuildCancelled, RegistryUnreachable
from intellyhub_knative.images.patience import Watch
from intellyhub_knative.images.store import Store

__all__ = ["Builder"]

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 45.0
LOOK_SECONDS = 3.0
"""How often the lease is renewed and it is asked whether the build is still wanted."""
MOST_ATTEMPTS = 3
RETRY_SECONDS = 20.0
BEHIND_SECONDS, BEHIND_LOOK_SECONDS = 5.0, 0.1
"""How long this pod's mirror is waited for before the build is put off."""
STOPPED = "the builder was stopped"
OTHER_ENGINE = "the builder has another engine image than the API: INTELLYHUB_ENGINE_IMAGE must be the same for both"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A build that was claimed, without its row."""

    id: str
    tenant_id: str
    flow_id: str
    version: int
    target: str
    key: str
    attempts: int

    @property
    def for_platform(self) -> bool:
        """Whether the flow is to run with it; else somebody wants the image elsewhere."""
        return not self.target


class PodBehind(Exception):
    """This pod does not have yet what the build was asked for with: its mirror is behind, or all has changed since."""


class OtherEngine(Exception):
    """The build was asked for by an API that has another engine image: one of the two is just being replaced."""


class Attendance:
    """What a thread beside the work knows: whether it is still wanted, and still ours."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.cancelled = threading.Event()
        self.lost = threading.Event()
        self.done = threading.Event()

    def is_over(self) -> bool:
        """Whether the work is to end."""
        return self.cancelled.is_set() or self.lost.is_set() or self.stop.is_set()


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Works for one platform."""

    platform: Platform
    settings: BuildSettings
    stop: threading.Event
    """Set: the build at hand goes back into the queue, and no other is begun."""

    @property
    def store(self) -> Store:
        """Layers that builds share."""
        return Store(folder=self.platform.layout.data / "images")

    def begin(self) -> None:
        """What this builder had when it was killed, or could not write the end of, is done first."""
        with self.platform.database.transaction() as session:
            left = Build.hand_back(session, self.settings.builder)
        if left:
            LOG.warning("%d builds were left in the middle and are taken up again", left)

    def work_off(self) -> int:
        """Take builds until there is none; how many there were."""
        self.begin()
        count = 0
        while not self.stop.is_set() and (job := self.claim()) is not None:
            self.work(job)
            count += 1
        return count

    def claim(self) -> Job | None:
        """The next one."""
        with self.platform.database.transaction() as session:
            while (row := Build.claim(session, self.settings.builder, now(), LEASE_SECONDS)) is not None:
                if row.attempts <= MOST_ATTEMPTS:
                    return make_job(row)
                row.end(BuildStatus.FAILED, f"its builder ended in the middle of it {MOST_ATTEMPTS} times")
                row.attempts = MOST_ATTEMPTS
        return None

    def work(self, job: Job) -> None:
        """One build, from beginning to end; its row says what came of it."""
        places = Places(engine=self.settings.engine, data=self.platform.layout.data)
        teller = Teller(self.platform.database, job.id, places.without)
        with self.attended(job) as attendance:
            try:
                teller.begin()
                status, message, built = self.outcome(job, teller, attendance)
                if places.without(message) != message:
                    LOG.warning("the build %s: %s", job.id, message)
                self.end(job, attendance, status, places.without(message), built)
            except (StaleDataError, IntegrityError):
                LOG.info("the build %s was deleted with its flow", job.id)
        self.store.trim(self.settings.cache_bytes)

    def outcome(self, job: Job, teller: Teller, attendance: Attendance) -> tuple[BuildStatus | None, str, Built | None]:
        """What came of it; no status: it is to be tried again."""
        try:
            built = self.make(job, teller, attendance)
            return BuildStatus.SUCCEEDED, "", built
        except BuildCancelled:
            if self.stop.is_set():
                return None, STOPPED, None
            return BuildStatus.CANCELLED, "cancelled", None
        except StageFailed as fault:
            passing = isinstance(fault.__cause__, RegistryUnreachable | OSError) and job.attempts < MOST_ATTEMPTS
            return None if passing else BuildStatus.FAILED, f"{fault.stage}: {fault}", None
        except PodBehind:
            return None, "plugins or called flows have changed: they are on their way to the builder", None
        except OtherEngine:
            return None, OTHER_ENGINE, None
        except NotFound as fault:
            return BuildStatus.FAILED, str(fault), None
        except Exception:
            LOG.exception("the build %s failed", job.id)
            return BuildStatus.FAILED, "the platform made a mistake; the builder's log says which", None
        finally:
            teller.flush()

    def make(self, job: Job, teller: Teller, attendance: Attendance) -> Built:
        """Gather what is needed, and build. Raises `StageFailed`, `BuildCancelled`, `NotFound`, `PodBehind`,
        `OtherEngine`."""
        if missing := self.settings.missing(job.target):
            raise StageFailed(Stage.IMAGE, missing)
        if job.for_platform and not job.key.startswith(engine_mark(self.settings.engine)):
            raise OtherEngine
        needed = self.await_needed(job, attendance)
        built = build(self.make_order(job, needed), self.make_means(job.tenant_id), teller, attendance.is_over)
        if job.for_platform:
            with Told(teller, attendance.is_over).stage(Stage.DEPLOY) as remark:
                self.deploy(job, needed.key, built)
                remark.message = "the flow's record names the image"
        return built

    def await_needed(self, job: Job, attendance: Attendance) -> Needed:
        """What is needed, which is what the build was asked for with as soon as this pod's mirror has it; in the last
        attempt whatever there is. Raises `BuildCancelled`, `NotFound`, `PodBehind`."""
        deadline = time.monotonic() + BEHIND_SECONDS
        while True:
            needed = self.find_needed(job)
            if needed.key == job.key or not job.for_platform or job.attempts >= MOST_ATTEMPTS:
                return needed
            if time.monotonic() > deadline:
                raise PodBehind
            if attendance.is_over():
                raise BuildCancelled("cancelled")
            attendance.cancelled.wait(BEHIND_LOOK_SECONDS)

    def find_needed(self, job: Job) -> Needed:
        """As this pod has it. Raises `NotFound`."""
        with self.platform.database.transaction(writing=False) as session:
            tenant = session.get(Tenant, job.tenant_id)
            flow = session.get(Flow, job.flow_id)
            if tenant is None or flow is None:
                raise NotFound("flow", job.flow_id)
            return find_needed(session, self.platform.layout, tenant, flow, job.version, self.settings.engine)

    def make_order(self, job: Job, needed: Needed) -> Order:
        """What is to be built."""
        flow = needed.flow
        target = job.target or f"{self.settings.registry}/{flow.slug}-{flow.id[:16]}:v{job.version}"
        return Order(
            title=flow.slug,
            text=needed.version.text.encode(),
            name=flow.journal_name,
            called=needed.called,
            called_names=needed.called_names,
            plugins=needed.plugins,
            labels={
                "intellyhub.dev/flow": flow.slug,
                "intellyhub.dev/flow-id": flow.id,
                "intellyhub.dev/version": str(job.version),
            },
            engine=self.settings.engine,
            destination=target,
            mocks_plugins=True,
        )

    def make_means(self, tenant_id: str) -> Means:
        """Layers that builds share, and the tenant's own packages."""
        plugins = self.platform.publisher.target.plugins_of(tenant_id)

        def provide(lines: tuple[str, ...], bounds: tuple[str, ...], watch: Watch) -> Any:
            try:
                return replace(plugins, tell=watch.progress).packages(lines, bounds)
            except Unreachable as fault:
                raise OSError(str(fault)) from fault  # it passes

        def equip(plugin: InstalledPlugin, watch: Watch) -> InstalledPlugin:
            row = plugins.row(plugin.name)
            return replace(plugins, tell=watch.progress).equipped(row) if row is not None else plugin

        return Means(
            store=self.store,
            provide=provide,
            equip=equip,
            access=self.settings.access,
        )

    def deploy(self, job: Job, key: str, built: Built) -> None:
        """The version has its image now: its record says so. What cannot be done now, the next pass of the API does.
        Raises `BuildCancelled` where somebody else has the build by now, `NotFound`."""
        with self.platform.database.transaction() as session:
            row = session.get(Build, job.id, with_for_update=True)
            if row is None or not self.has(row):
                raise BuildCancelled("somebody else makes it by now")
            flow = session.get(Flow, job.flow_id)
            if flow is None:
                raise NotFound("flow", job.flow_id)
            version = flow.version(session, job.version)
            version.image, version.image_key = built.reference, key
        self.platform.publisher.offer_flow(job.tenant_id, job.flow_id)

    def has(self, row: Build) -> bool:
        """Whether a build is this builder's."""
        return row.builder == self.settings.builder and row.status == BuildStatus.RUNNING

    def end(
        self, job: Job, attendance: Attendance, status: BuildStatus | None, message: str, built: Built | None
    ) -> None:
        """Write what came of it, unless somebody else has it by now."""
        with self.platform.database.transaction() as session:
            row = session.get(Build, job.id, with_for_update=True)
            if row is None or attendance.lost.is_set() or not self.has(row):
                return
            if built is not None:
                row.image, row.digest, row.size = built.reference, built.digest, built.size
            if status is None and message in (STOPPED, OTHER_ENGINE):
                row.put_off(session, message, 0 if message == STOPPED else RETRY_SECONDS)
                row.attempts -= 1
            elif status is None:
                row.put_off(session, message, RETRY_SECONDS * job.attempts)
            else:
                row.end(status, message)

    @contextmanager
    def attended(self, job: Job) -> Iterator[Attendance]:
        """Beside the work a thread renews the lease, and hears whether the build is still wanted."""
        attendance = Attendance(self.stop)
        thread = threading.Thread(target=self.attend, args=(job, attendance), name=f"build-{job.id[:8]}", daemon=True)
        thread.start()
        try:
            yield attendance
        finally:
            attendance.done.set()
            thread.join()

    def attend(self, job: Job, attendance: Attendance) -> None:
        """The thread."""
        while not attendance.done.wait(LOOK_SECONDS if not attendance.cancelled.is_set() else LEASE_SECONDS / 3):
            try:
                with self.platform.database.transaction() as session:
                    row = session.get(Build, job.id, with_for_update=True)
                    if row is None or not self.has(row):
                        attendance.lost.set()
                        return
                    row.leased_until = now() + timedelta(seconds=LEASE_SECONDS)
                    if row.cancelling:
                        attendance.cancelled.set()
            except Exception:
                LOG.exception("the lease of the build %s could not be renewed, and will be tried again", job.id)


def make_job(row: Build) -> Job:
    """What is to be done."""
    return Job(
        id=row.id,
        tenant_id=row.tenant_id,
        flow_id=row.flow_id,
        version=row.version,
        target=row.target,
        key=row.key,
        attempts=row.attempts,
    )
