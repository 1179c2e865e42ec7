"""Repositories of plugins that a tenant knows. What is installed is kept as files (`plugins/store.py`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.record import Document, Record, now

__all__ = ["PluginRepository"]


class PluginRepository(Record, Owned):
    """A repository, and what it offered when it was looked at last."""

    __tablename__ = "plugin_repositories"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Of its address: the beginning of its SHA-256."""
    url: Mapped[str] = mapped_column(String(500))
    key: Mapped[str | None] = mapped_column(String(100))
    """The minisign public key that must have signed its plugins; null where none must."""
    listings: Mapped[list[dict[str, Any]]] = mapped_column(Document)
    """Every plugin in it, as `plugins.repositories.Listing`."""
    synced_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def all_of(cls, session: Session, tenant: Tenant) -> Sequence[PluginRepository]:
        """The tenant's, in the order in which names are looked up."""
        return session.scalars(cls.of(tenant).order_by(cls.url)).all()

    @classmethod
    def put(
        cls, session: Session, tenant: Tenant, url: str, key: str | None, listings: list[dict[str, Any]]
    ) -> PluginRepository:
        """Keep what it offers now."""
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        row = cls(tenant_id=tenant.id, id=name, url=url, key=key, listings=listings, synced_at=now())
        kept = session.merge(row)
        session.flush()
        return kept
