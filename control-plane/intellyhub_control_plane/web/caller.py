"""Who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.models.roles import Role
from intellyhub_engine.frozen import dataclass

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from intellyhub_control_plane.models.people import Tenant, User
    from intellyhub_control_plane.models.tokens import ApiToken
    from intellyhub_control_plane.platform import Platform

__all__ = ["Caller"]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A person or a program, in one of its tenants."""

    platform: Platform
    session: Session
    """Its transaction: committed when the route returns, unless the route did so itself."""
    user: User
    tenant: Tenant
    """Both in no session, and up to a second old, where the request only reads."""
    role: Role
    """The membership's, or the API token's where that may less."""
    token: ApiToken | None = None
    """The API token it showed; None for a login."""
    address: str = ""
    """Where the request came from, an IP address."""

    def publish_tenant(self) -> None:
        """Commit, then tell the platform's processes of the tenant's variables, secrets and tokens."""
        self.session.commit()
        self.platform.secrets.forget()
        self.platform.publisher.offer_tenant(self.tenant.id)

    def audit(self, action: str, subject: str, **details: Any) -> None:
        """Record a change in the transaction that makes it."""
        self.session.add(
            AuditEntry(
                tenant_id=self.tenant.id,
                actor=self.user.email,
                token=self.token.name if self.token else None,
                address=self.address,
                action=action,
                subject=subject,
                details=details,
            )
        )
