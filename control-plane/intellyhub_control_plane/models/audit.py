"""Who changed what, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.record import Document, Record, now

__all__ = ["AuditEntry"]


class AuditEntry(Record, Owned):
    """One change. Nothing in it is secret; entries are never changed."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "tenant_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    actor: Mapped[str] = mapped_column(String(254))
    """An e-mail address: it stays when the account goes."""
    token: Mapped[str | None] = mapped_column(String(120))
    """The API token's name, where one was shown."""
    address: Mapped[str] = mapped_column(String(64), default="")
    action: Mapped[str] = mapped_column(String(64))
    """Noun and past participle: `flow.published`."""
    subject: Mapped[str] = mapped_column(String(512))
    """What was changed: a flow's id, a variable's key."""
    details: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    at: Mapped[datetime] = mapped_column(default=now)
