"""API tokens: how programs show who sent them."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant, User
from intellyhub_control_plane.models.record import Id, Record, make_id, now
from intellyhub_control_plane.models.roles import Role

__all__ = ["PREFIX", "ApiToken", "digest_of"]

PREFIX = "ihub_"
"""So that scanners for leaked secrets can find them."""
SECRET_BYTES = 30
HINT = 4
TOUCH = timedelta(minutes=1)
"""How exact `last_used_at` is: not every request is worth a write."""


def digest_of(value: str) -> str:
    """What is kept of a token. It holds 240 random bits, so that a plain hash cannot be guessed back."""
    return hashlib.sha256(value.encode()).hexdigest()


class ApiToken(Record, Owned):
    """A token of one person in one tenant, which may do less than its owner and never more."""

    __tablename__ = "api_tokens"

    id: Mapped[Id] = mapped_column(primary_key=True, default=make_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(HINT))
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()
    tenant: Mapped[Tenant] = relationship()

    @classmethod
    def issue(
        cls, session: Session, tenant: Tenant, user: User, *, name: str, role: Role, lifetime: timedelta | None
    ) -> tuple[ApiToken, str]:
        """A new token, and its value, which is kept nowhere."""
        value = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        token = cls(
            id=make_id(),
            tenant_id=tenant.id,
            user_id=user.id,
            name=name,
            digest=digest_of(value),
            hint=value[-HINT:],
            role=role,
            expires_at=now() + lifetime if lifetime else None,
        )
        session.add(token)
        session.flush()
        return token, value

    @classmethod
    def shown(cls, session: Session, value: str) -> ApiToken | None:
        """The living token with this value."""
        token = session.scalar(select(cls).where(cls.digest == digest_of(value)))
        return token if token is not None and not token.has_expired else None

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def may_post_events(self) -> bool:
        """Whether the ingress takes it."""
        return Role(self.role).may(Role.OPERATOR) and not self.has_expired

    @property
    def is_touched(self) -> bool:
        """Whether `last_used_at` is recent enough."""
        return self.last_used_at is not None and now() - self.last_used_at < TOUCH

    def touch(self, session: Session) -> None:
        """It was used at this moment."""
        session.execute(update(ApiToken).where(ApiToken.id == self.id).values(last_used_at=now()))
