"""People, the organisations they belong to, and what they may do there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, selectinload

from intellyhub_control_plane.models.names import make_slug, stem_of, unused_slug
from intellyhub_control_plane.models.record import Id, Record, make_id, now
from intellyhub_control_plane.models.roles import Role

__all__ = ["Membership", "Tenant", "User", "normal_email"]


def normal_email(text: str) -> str:
    """An address in the one form in which it is kept."""
    return text.strip().lower()


class User(Record):
    """A person."""

    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True, default=make_id)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In small letters."""
    name: Mapped[str] = mapped_column(String(120), default="")
    password_hash: Mapped[str] = mapped_column(String(255))
    platform_admin: Mapped[bool] = mapped_column(default=False)
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)

    memberships: Mapped[list[Membership]] = relationship(
        back_populates="user", order_by="Membership.created_at", cascade="all, delete-orphan", passive_deletes=True
    )

    @classmethod
    def with_email(cls, session: Session, email: str) -> User | None:
        """The person with this address, however it is written, with the organisations they belong to."""
        question = select(cls).where(cls.email == normal_email(email))
        return session.scalar(question.options(selectinload(cls.memberships).joinedload(Membership.tenant)))


class Tenant(Record):
    """An organisation. Owns flows, runs and everything else."""

    __tablename__ = "tenants"

    id: Mapped[Id] = mapped_column(primary_key=True, default=make_id)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    max_pods: Mapped[int]
    max_flows: Mapped[int]
    suspended: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def found(
        cls, session: Session, name: str, owner: User, *, max_pods: int, max_flows: int, slug: str = ""
    ) -> Tenant:
        """Make an organisation that `owner` owns. Its slug is made from its name where none is given."""
        wanted = slug or make_slug(name, "tenant")
        free = unused_slug(wanted, set(session.scalars(select(cls.slug).where(cls.slug.startswith(stem_of(wanted))))))
        tenant = cls(id=make_id(), slug=free, name=name, max_pods=max_pods, max_flows=max_flows)
        session.add(tenant)
        session.add(Membership(tenant=tenant, user=owner, role=Role.OWNER))
        session.flush()
        return tenant


class Membership(Record):
    """A person in an organisation."""

    __tablename__ = "memberships"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[User] = relationship(back_populates="memberships")
    tenant: Mapped[Tenant] = relationship()
