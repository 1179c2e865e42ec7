"""Answers to requests that may come twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ForeignKey, String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from intellyhub_control_plane.errors import KeyReused
from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import Record, now

__all__ = ["KeptAnswer"]

KEPT = timedelta(hours=24)


class KeptAnswer(Record, Owned):
    """What a request with an `Idempotency-Key` was answered, for a day."""

    __tablename__ = "kept_answers"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    operation: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64))
    """What the request made: a flow's id."""
    at: Mapped[datetime] = mapped_column(default=now, index=True)

    @classmethod
    def find(cls, session: Session, tenant: Tenant, operation: str, key: str, request: bytes) -> str | None:
        """What the same request made before. Raises `KeyReused` when it was another request."""
        kept = session.scalar(cls.of(tenant).where(cls.operation == operation, cls.key == key, cls.at > now() - KEPT))
        if kept is None:
            return None
        if kept.request_digest != sha256(request).hexdigest():
            raise KeyReused(key)
        return kept.subject

    @classmethod
    def keep(cls, session: Session, tenant: Tenant, operation: str, key: str, request: bytes, subject: str) -> None:
        """Remember what a request made, in the transaction that makes it."""
        session.execute(delete(cls).where(cls.tenant_id == tenant.id, cls.at <= now() - KEPT))
        digest = sha256(request).hexdigest()
        session.add(cls(tenant_id=tenant.id, operation=operation, key=key, request_digest=digest, subject=subject))
