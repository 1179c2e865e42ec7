"""The desired state and what became of it, as rows that a cluster's platform shares. On one machine they are files, and
these tables stay empty. Written and read by `intellyhub_knative.platform.desired_records`, and by nothing else."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from intellyhub_control_plane.models.record import Record

__all__ = ["ClusterStatus", "DesiredRecord"]


class DesiredRecord(Record):
    """A tenant, a deployment or a file that every pod of the platform has."""

    __tablename__ = "desired_record"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    id: Mapped[str] = mapped_column(String(400), primary_key=True)
    document: Mapped[str] = mapped_column(Text())
    """JSON."""
    revision: Mapped[int] = mapped_column(BigInteger())


class ClusterStatus(Record):
    """What the reconciler says of a flow or a tenant."""

    __tablename__ = "cluster_status"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    id: Mapped[str] = mapped_column(String(400), primary_key=True)
    document: Mapped[str] = mapped_column(Text())
    """JSON."""
    revision: Mapped[int] = mapped_column(BigInteger())
