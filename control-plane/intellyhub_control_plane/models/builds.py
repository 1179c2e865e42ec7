"""Builds: what was asked for, what became of it, and what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from intellyhub_control_plane.database.bell import ring
from intellyhub_control_plane.errors import NotNow, TooManyRequests, found
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import Id, Record, make_id, now

__all__ = ["LONGEST_MESSAGE", "Build", "BuildLine", "BuildStage", "BuildStatus"]

LONGEST_MESSAGE = 2000
MOST_QUEUED = 200
KEPT = 50
"""Builds of a flow that are remembered."""
CLAIMING = 0x1A7E111D
"""PostgreSQL's advisory lock of whoever takes a build from the queue: any number, always the same."""


class BuildStatus(StrEnum):
    """How far a build is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (BuildStatus.QUEUED, BuildStatus.RUNNING)


class Build(Record, Owned):
    """The making of an image of one version."""

    __tablename__ = "builds"
    __table_args__ = (Index(None, "status", "created_at"), Index(None, "tenant_id", "created_at", "id"))

    id: Mapped[Id] = mapped_column(primary_key=True, default=make_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    flow_id: Mapped[str] = mapped_column(ForeignKey("flows.id", ondelete="CASCADE"), index=True)
    version: Mapped[int] = mapped_column()
    target: Mapped[str] = mapped_column(String(500), default="")
    """Where the image goes, as its author wrote it; empty: the platform's registry, and the flow runs with it."""
    key: Mapped[str] = mapped_column(String(64), default="")
    """What it is made of, beside the text; a version is not built twice of the same, unless somebody asks."""
    status: Mapped[str] = mapped_column(String(16), default=BuildStatus.QUEUED)
    message: Mapped[str] = mapped_column(String(LONGEST_MESSAGE), default="")
    """Why it failed or was cancelled."""
    image: Mapped[str] = mapped_column(String(500), default="")
    digest: Mapped[str] = mapped_column(String(100), default="")
    size: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes of the image in a registry that has nothing of it."""
    cancelling: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    builder: Mapped[str] = mapped_column(String(120), default="")
    leased_until: Mapped[datetime | None] = mapped_column()
    """While somebody is at it: until when that is believed."""
    not_before: Mapped[datetime | None] = mapped_column()
    """When what may pass is tried again."""
    created_by: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None] = mapped_column()
    ended_at: Mapped[datetime | None] = mapped_column()

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.status in OPEN

    @property
    def was_overtaken(self) -> bool:
        """Whether it was cancelled for a newer one, and not because somebody wanted that."""
        return self.status == BuildStatus.CANCELLED and not self.cancelling

    @classmethod
    def named(cls, session: Session, tenant: Tenant, build_id: str) -> Build:
        """One of the tenant's. Raises `NotFound`."""
        return found(session.scalar(cls.of(tenant).where(cls.id == build_id)), "build", build_id)

    @classmethod
    def ask(cls, session: Session, flow: Flow, version: int, *, target: str, key: str, author: str | None) -> Build:
        """Put one into the queue. Those of older versions that wait for the same place are not needed any more. Raises
        `TooManyRequests`."""
        waiting = select(func.count()).where(cls.tenant_id == flow.tenant_id, cls.status == BuildStatus.QUEUED)
        if (session.scalar(waiting) or 0) >= MOST_QUEUED:
            raise TooManyRequests(f"{MOST_QUEUED} builds wait already", 30)
        same = (cls.flow_id == flow.id, cls.target == target)
        for older in session.scalars(select(cls).where(*same, cls.status == BuildStatus.QUEUED)):
            older.end(BuildStatus.CANCELLED, f"version {version} was asked for meanwhile")
        ended = select(cls).where(cls.flow_id == flow.id, cls.status.not_in(OPEN)).order_by(cls.created_at.desc())
        for old in session.scalars(ended.offset(KEPT)):
            session.delete(old)
        build = cls(
            id=make_id(),
            tenant_id=flow.tenant_id,
            flow_id=flow.id,
            version=version,
            target=target,
            key=key,
            created_by=author,
        )
        session.add(build)
        session.flush()
        ring(session)
        return build

    @classmethod
    def newest_of(cls, session: Session, flow: Flow, version: int) -> Build | None:
        """The newest of a version for the platform itself."""
        same = (cls.flow_id == flow.id, cls.version == version, cls.target == "")
        return session.scalar(select(cls).where(*same).order_by(cls.created_at.desc(), cls.id).limit(1))

    @classmethod
    def of_current(cls, session: Session, tenant: Tenant, flow_ids: Sequence[str]) -> Mapping[str, Build]:
        """The newest of each flow's current version for the platform itself, by flow id."""
        question = cls.of(tenant).join(Flow, (Flow.id == cls.flow_id) & (Flow.current_version == cls.version))
        wanted = question.where(cls.flow_id.in_(flow_ids), cls.target == "")
        found = session.scalars(wanted.order_by(cls.created_at, cls.id.desc()))
        return {build.flow_id: build for build in found}

    @classmethod
    def claim(cls, session: Session, builder: str, moment: datetime, lease_seconds: float) -> Build | None:
        """The next one, for this builder: of the tenant that was served longest ago, and of a flow of which none is
        made just now, so that the newest one's image is the one that is deployed. What a builder left in the middle
        comes too, when its lease is over. Builders ask one after the other (PostgreSQL: an advisory lock)."""
        if session.get_bind().dialect.name == "postgresql":
            session.execute(select(func.pg_advisory_xact_lock(CLAIMING)))
        other, beside = aliased(cls), aliased(cls)
        busy = (
            exists()
            .where(beside.flow_id == cls.flow_id, beside.target == cls.target, beside.id != cls.id)
            .where(beside.status == BuildStatus.RUNNING, beside.leased_until >= moment)
        )
        served = (
            select(func.max(other.started_at)).where(other.tenant_id == cls.tenant_id).correlate(cls).scalar_subquery()
        )
        due = (cls.status == BuildStatus.QUEUED) & or_(cls.not_before.is_(None), cls.not_before <= moment)
        left = (cls.status == BuildStatus.RUNNING) & (cls.leased_until < moment)
        question = (
            select(cls)
            .where(or_(due, left), ~busy)
            .order_by(served.asc().nulls_first(), cls.created_at, cls.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        build = session.scalar(question)
        if build is not None:
            build.status, build.builder, build.attempts = BuildStatus.RUNNING, builder, build.attempts + 1
            build.started_at, build.leased_until = moment, moment + timedelta(seconds=lease_seconds)
            session.flush()
        return build

    @classmethod
    def hand_back(cls, session: Session, builder: str) -> int:
        """What this builder had when it ended in the middle goes back into the queue at once; how many."""
        left = update(cls).where(cls.status == BuildStatus.RUNNING, cls.builder == builder)
        result = session.execute(left.values(status=BuildStatus.QUEUED, leased_until=None))
        return int(getattr(result, "rowcount", 0))

    def cancel(self) -> None:
        """End it, or tell its builder to. Raises `NotNow`."""
        if not self.is_open:
            raise NotNow(f"the build is over: it {'was ' * (self.status == BuildStatus.CANCELLED)}{self.status}")
        if self.status == BuildStatus.QUEUED:
            self.end(BuildStatus.CANCELLED, "cancelled before it began")
        self.cancelling = True

    def end(self, status: BuildStatus, message: str) -> None:
        """It is over."""
        self.status, self.message, self.ended_at = status, message[:LONGEST_MESSAGE], now()
        self.leased_until = None

    def put_off(self, session: Session, message: str, seconds: float) -> None:
        """Try it again later, unless a newer one was asked for meanwhile."""
        newer = Build.target == self.target, Build.created_at > self.created_at
        if session.scalar(select(Build.id).where(Build.flow_id == self.flow_id, *newer).limit(1)) is not None:
            self.end(BuildStatus.CANCELLED, f"{message}; another one was asked for meanwhile")
            return
        self.status, self.message = BuildStatus.QUEUED, message[:LONGEST_MESSAGE]
        self.leased_until, self.not_before = None, now() + timedelta(seconds=seconds)

    def stages(self, session: Session) -> Sequence[BuildStage]:
        """What it has done, in order."""
        question = select(BuildStage).where(BuildStage.build_id == self.id).order_by(BuildStage.position)
        return session.scalars(question).all()

    def lines(self, session: Session, after: int, limit: int) -> Sequence[BuildLine]:
        """What it said after a line."""
        question = select(BuildLine).where(BuildLine.build_id == self.id, BuildLine.number > after)
        return session.scalars(question.order_by(BuildLine.number).limit(limit)).all()


class BuildStage(Record):
    """A stage that has ended, or goes on."""

    __tablename__ = "build_stages"

    build_id: Mapped[str] = mapped_column(ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stage: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    milliseconds: Mapped[int | None] = mapped_column()
    message: Mapped[str] = mapped_column(String(LONGEST_MESSAGE), default="")


class BuildLine(Record):
    """A line that a build said."""

    __tablename__ = "build_lines"
    __table_args__ = (ForeignKeyConstraint(["build_id"], ["builds.id"], ondelete="CASCADE"),)

    build_id: Mapped[Id] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counted from 1."""
    stage: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(default=now)
