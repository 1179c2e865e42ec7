"""Installations of plugins under way and over, on a cluster; on one machine they are files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.record import Document, Record, now

__all__ = ["PluginInstallationLog"]


class PluginInstallationLog(Record, Owned):
    """What an installation has told so far."""

    __tablename__ = "plugin_installations"
    __table_args__ = (Index(None, "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """In the order of time."""
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(Document)
    written_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def forget_old(cls, session: Session, tenant_id: str, kept: int) -> None:
        """Delete all of a tenant's but the newest."""
        mine = select(cls.id).where(cls.tenant_id == tenant_id).order_by(cls.id.desc())
        session.execute(delete(cls).where(cls.id.in_(session.scalars(mine.offset(kept)).all())))
