"""Services that a tenant's flows use: databases, caches, queues, APIs (FLOW_LANGUAGE.md section 12)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Select,
    String,
    Text,
    delete,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from intellyhub_control_plane.errors import Taken, found
from intellyhub_control_plane.models.names import make_slug, stem_of, unused_slug
from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import Document, Record, now

__all__ = ["Location", "Service", "ServiceCheck", "ServiceStatus"]

CHECKS_KEPT = 100


class Location(StrEnum):
    """Where a service runs."""

    LOCAL = "local"  # beside the platform: an image that a cluster deploys
    REMOTE = "remote"  # somewhere else


class ServiceStatus(StrEnum):
    """How a service was when it was looked at last."""

    UNKNOWN = "unknown"  # not looked at yet, or it says of no address
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Service(Record, Owned):
    """A registered service."""

    __tablename__ = "services"
    __table_args__ = (Index(None, "tenant_id", "type"), Index(None, "checked_at"))

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    """Chosen by its owner, or made from the name."""
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text, default="")
    type: Mapped[str] = mapped_column(String(63))
    """`neo4j`, `redis`, `postgresql`, ..., `generic`."""
    location: Mapped[str] = mapped_column(String(16))
    config: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    """How a local one is deployed: image, replicas, ports, volumes, env, resources, healthCheck."""
    connection: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    """How it is reached; texts name secrets as `{NAME}`."""
    tags: Mapped[list[str]] = mapped_column(Document, default=list)
    cost_estimate: Mapped[str] = mapped_column(String(120), default="")
    status: Mapped[str] = mapped_column(String(16), default=ServiceStatus.UNKNOWN)
    message: Mapped[str] = mapped_column(String(500), default="")
    """What was found when it was looked at."""
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def named(cls, session: Session, tenant: Tenant, name: str) -> Service:
        """The tenant's service with this id. Raises `NotFound`."""
        return found(session.scalar(cls.of(tenant).where(cls.id == name)), "service", name)

    @classmethod
    def matching(cls, tenant: Tenant, location: str | None, kind: str | None) -> Select[Service]:
        """The tenant's services, of a location and a type where these are given."""
        question = cls.of(tenant)
        if location is not None:
            question = question.where(cls.location == location)
        return question if kind is None else question.where(cls.type == kind)

    @classmethod
    def create(cls, session: Session, tenant: Tenant, name: str, wanted: str | None) -> Service:
        """A new one, to be filled. Raises `Taken`."""
        slug = wanted or make_slug(name, "service")
        used = set(session.scalars(select(cls.id).where(cls.tenant_id == tenant.id, cls.id.startswith(stem_of(slug)))))
        if wanted is not None and wanted in used:
            raise Taken("id", wanted)
        service = cls(tenant_id=tenant.id, id=unused_slug(slug, used), name=name, type="", location=Location.REMOTE)
        session.add(service)
        return service

    def note(self, session: Session, *, healthy: bool | None, message: str, milliseconds: float | None) -> None:
        """Keep what was found just now."""
        status = ServiceStatus.UNKNOWN
        if healthy is not None:
            status = ServiceStatus.HEALTHY if healthy else ServiceStatus.UNHEALTHY
        self.status, self.message, self.checked_at = status, message[:500], now()
        session.add(
            ServiceCheck(
                tenant_id=self.tenant_id,
                service_id=self.id,
                status=status,
                message=self.message,
                milliseconds=None if milliseconds is None else round(milliseconds),
            )
        )
        session.flush()
        ServiceCheck.forget_old(session, self)


class ServiceCheck(Record, Owned):
    """One look at a service."""

    __tablename__ = "service_checks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "service_id"],
            ["services.tenant_id", "services.id"],
            name="fk_service_checks_service",
            ondelete="CASCADE",
        ),
        Index(None, "tenant_id", "service_id", "number"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(32))
    service_id: Mapped[str] = mapped_column(String(63))
    status: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(String(500))
    milliseconds: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def about(cls, service: Service) -> Select[ServiceCheck]:
        """The looks at one service."""
        return select(cls).where(cls.tenant_id == service.tenant_id, cls.service_id == service.id)

    @classmethod
    def forget_old(cls, session: Session, service: Service) -> None:
        """Keep the newest hundred."""
        newest_first = cls.about(service).with_only_columns(cls.number).order_by(cls.number.desc())
        oldest: int | None = session.scalar(newest_first.offset(CHECKS_KEPT - 1).limit(1))
        if oldest is not None:
            mine = (cls.tenant_id == service.tenant_id, cls.service_id == service.id)
            session.execute(delete(cls).where(*mine, cls.number < oldest))
