"""Variables and secrets that a tenant's flows find by name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from intellyhub_control_plane.errors import found
from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import Record, now

__all__ = ["Secret", "Variable"]

MAX_NAME = 128


class Variable(Record, Owned):
    """A value for all flows of a tenant."""

    __tablename__ = "variables"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(MAX_NAME), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON, nullable=False)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    @classmethod
    def named(cls, session: Session, tenant: Tenant, key: str) -> Variable:
        """The tenant's variable. Raises `NotFound`."""
        return found(session.scalar(cls.of(tenant).where(cls.key == key)), "variable", key)

    @classmethod
    def put(cls, session: Session, tenant: Tenant, key: str, value: Any) -> Variable:
        """Set it, new or not."""
        variable = session.merge(cls(tenant_id=tenant.id, key=key, value=value, updated_at=now()))
        session.flush()
        return variable


class Secret(Record, Owned):
    """A sealed value. It is opened only where a worker starts, and where values are masked."""

    __tablename__ = "secrets"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    @classmethod
    def named(cls, session: Session, tenant: Tenant, name: str) -> Secret:
        """The tenant's secret. Raises `NotFound`."""
        return found(session.scalar(cls.of(tenant).where(cls.name == name)), "secret", name)

    @classmethod
    def put(cls, session: Session, tenant: Tenant, name: str, sealed: str) -> Secret:
        """Set it, new or not."""
        secret = session.merge(cls(tenant_id=tenant.id, name=name, sealed=sealed, updated_at=now()))
        session.flush()
        return secret
