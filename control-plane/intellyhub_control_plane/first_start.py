"""The first start of a platform: its administrator, their organisation, the example flows."""

from __future__ import annotations

import logging
import secrets
from importlib import resources

from sqlalchemy import select
from sqlalchemy.orm import Session

from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant, User
from intellyhub_control_plane.models.record import make_id
from intellyhub_control_plane.platform import Platform
from intellyhub_control_plane.present.texts import examine_text
from intellyhub_control_plane.web.passwords import hash_password
from intellyhub_engine.frozen import dataclass

__all__ = ["Administrator", "make_first"]

LOG = logging.getLogger(__name__)
TENANT = "main"
PASSWORD_BYTES = 15


@dataclass(frozen=True, kw_only=True)
class Administrator:
    """Who was made. Never in a repr; shown to a person once."""

    email: str
    password: str

    def __repr__(self) -> str:
        return f"Administrator(email={self.email!r})"


def make_first(platform: Platform) -> Administrator | None:
    """Where nobody is there yet: make the administrator, who owns the organisation `main`, and publish the examples in
    it. Gives the administrator where the password was made up. All of it happens, or nothing."""
    settings = platform.settings
    password = settings.admin_password or secrets.token_urlsafe(PASSWORD_BYTES)
    with platform.database.transaction() as session:
        if session.scalar(select(User.id).limit(1)) is not None:
            return None
        user = User(
            id=make_id(),
            email=settings.admin_email,
            name="Administrator",
            password_hash=hash_password(password),
            platform_admin=True,
        )
        session.add(user)
        tenant = Tenant.found(
            session, "Main", user, slug=TENANT, max_pods=settings.max_pods, max_flows=settings.max_flows
        )
        load_examples(session, tenant, user)
    return None if settings.admin_password else Administrator(email=settings.admin_email, password=password)


def load_examples(session: Session, tenant: Tenant, user: User) -> None:
    """Publish the flows of `examples/`. One that does not check is left out: a test sees to that there is none."""
    folder = resources.files("intellyhub_control_plane") / "examples"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".yaml"):
            continue
        slug = file.name.removesuffix(".yaml").replace("_", "-")
        text = file.read_text(encoding="utf-8")
        examined = examine_text(text, slug)
        if not examined.is_valid:
            LOG.error("the example %s is left out: %s", file.name, examined.problems[0].message)
            continue
        flow = Flow.create(session, tenant, name=slug.replace("-", " ").capitalize(), slug=slug)
        flow.publish(session, text, user, listener=examined.listener, variables=examined.variables)
