"""Git repositories whose flows are published when they change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from intellyhub_control_plane.database.bell import ring
from intellyhub_control_plane.errors import QuotaExceeded, found
from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import Document, Id, Record, make_id, now

__all__ = ["FlowRepository", "RepositoryPull"]

MOST = 50
KEPT = 100
"""Pulls that are remembered."""


class FlowRepository(Record, Owned):
    """A branch of a repository, and which flow each of its files is."""

    __tablename__ = "flow_repositories"
    __table_args__ = (Index(None, "tenant_id", "created_at", "id"),)

    id: Mapped[Id] = mapped_column(primary_key=True, default=make_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(500))
    """Credentials in it are names of secrets in braces."""
    branch: Mapped[str] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(String(200), default="")
    """The folder in it; empty: all of it."""
    sealed_secret: Mapped[str] = mapped_column(Text)
    """With which its server signs what it tells us."""
    flows: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    """File -> `{"flow_id": ..., "digest": ...}`: what was published from it."""
    revision: Mapped[str] = mapped_column(String(64), default="")
    """The commit that was pulled last."""
    wanted_at: Mapped[datetime | None] = mapped_column(index=True)
    """Since when it is to be looked at again; None: nothing is new."""
    wanted_by: Mapped[str] = mapped_column(String(32), default="")
    """What asked for that: `push`, `sync` or `connect`."""
    pulling_until: Mapped[datetime | None] = mapped_column()
    """While somebody is at it: until when that is believed."""
    created_by: Mapped[str] = mapped_column(String(32))
    """Who connected it, a user's id: flows are published in their name."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    synced_at: Mapped[datetime | None] = mapped_column()

    @classmethod
    def named(cls, session: Session, tenant: Tenant, repository_id: str) -> FlowRepository:
        """One of the tenant's. Raises `NotFound`."""
        return found(session.scalar(cls.of(tenant).where(cls.id == repository_id)), "repository", repository_id)

    @classmethod
    def check_room(cls, session: Session, tenant: Tenant) -> None:
        """Raises `QuotaExceeded`."""
        if len(session.scalars(cls.of(tenant).with_only_columns(cls.id)).all()) >= MOST:
            raise QuotaExceeded("repositories", MOST)

    def want(self, cause: str) -> None:
        """Have it looked at. Asked twice, it is looked at once; asked while it is looked at, once more."""
        self.wanted_at, self.wanted_by = self.wanted_at or now(), cause
        if (session := object_session(self)) is not None:
            ring(session)

    @classmethod
    def claim(cls, session: Session, moment: datetime, lease_seconds: float) -> FlowRepository | None:
        """One that is to be looked at and that nobody is at, or that somebody was at who was killed. What was asked for
        is taken as done: whoever asks again meanwhile is served once more, so that the newest commit wins."""
        asked, left = cls.wanted_at <= moment, cls.pulling_until < moment
        question = select(cls).where(or_(asked & cls.pulling_until.is_(None), left))
        row = session.scalar(question.order_by(cls.wanted_at, cls.id).limit(1).with_for_update(skip_locked=True))
        if row is not None:
            row.wanted_at, row.pulling_until = None, moment + timedelta(seconds=lease_seconds)
            session.flush()
        return row

    def pulls(self, session: Session, limit: int = KEPT) -> Sequence[RepositoryPull]:
        """What came of it, the newest first."""
        question = select(RepositoryPull).where(RepositoryPull.repository_id == self.id)
        return session.scalars(question.order_by(RepositoryPull.number.desc()).limit(limit)).all()

    def note(self, session: Session, pull: RepositoryPull) -> None:
        """Remember what came of a look; the oldest is forgotten."""
        session.add(pull)
        session.flush()
        older = select(RepositoryPull).where(RepositoryPull.repository_id == self.id)
        for old in session.scalars(older.order_by(RepositoryPull.number.desc()).offset(KEPT)):
            session.delete(old)


class RepositoryPull(Record):
    """One look at a repository."""

    __tablename__ = "repository_pulls"
    __table_args__ = (Index(None, "repository_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    repository_id: Mapped[str] = mapped_column(ForeignKey("flow_repositories.id", ondelete="CASCADE"))
    revision: Mapped[str] = mapped_column(String(64), default="")
    cause: Mapped[str] = mapped_column(String(32))
    """`push`, `sync` or `connect`."""
    message: Mapped[str] = mapped_column(String(2000), default="")
    """Why it could not be pulled."""
    ok: Mapped[bool] = mapped_column()
    results: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    """`{file, flow_id, slug, version, result, message}` of each file that changed."""
    at: Mapped[datetime] = mapped_column(default=now)
