"""Rows that belong to a tenant, and where every question about them begins."""

from __future__ import annotations

from typing import Self

from sqlalchemy import ForeignKey, Select, select
from sqlalchemy.orm import Mapped, mapped_column

from intellyhub_control_plane.models.people import Tenant

__all__ = ["Owned"]


class Owned:
    """A row of a tenant's."""

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))

    @classmethod
    def of(cls, tenant: Tenant) -> Select[Self]:
        """This tenant's rows, and no others."""
        return select(cls).where(cls.tenant_id == tenant.id)
