"""Who may do what: every request passes here before anything else looks at it."""

from __future__ import annotations

import logging

from flask import g, request
from sqlalchemy import bindparam, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, joinedload

from intellyhub_control_plane.errors import RoleTooLow, Unauthenticated
from intellyhub_control_plane.models.people import Membership
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.models.tokens import PREFIX, ApiToken
from intellyhub_control_plane.platform import Platform, the_platform
from intellyhub_control_plane.web.area import NEEDS, Needs
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.sessions import Claims, read_access_token

__all__ = ["close_session", "guard", "is_signed_in"]

LOG = logging.getLogger(__name__)
MEMBERSHIP = (
    select(Membership)
    .where(Membership.user_id == bindparam("user_id"), Membership.tenant_id == bindparam("tenant_id"))
    .options(joinedload(Membership.user), joinedload(Membership.tenant))
)
"""Asked with every request that writes, and once a second for those that read: built once."""
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def guard() -> None:
    """Let the request through, with `g.caller` set, or raise `Unauthenticated` or `RoleTooLow`. A route that says
    nothing of who may call it is nobody's."""
    if request.endpoint is None or request.method == "OPTIONS":
        return
    needs = NEEDS[request.endpoint]
    if needs is Needs.NOTHING:
        return
    platform = the_platform()
    g.session = session = platform.database.session(writing=False)
    g.caller = caller = identify(platform, session)
    if needs is Needs.PLATFORM:
        if not caller.user.platform_admin:
            raise RoleTooLow("platform administrator", caller.role)
    elif not caller.role.may(needs):
        raise RoleTooLow(needs, caller.role)
    if caller.token is not None and not caller.token.is_touched:
        note_use(platform, caller.token)
    if request.method not in SAFE:
        begin_writing(caller)


def begin_writing(caller: Caller) -> None:
    """From now on the session writes: its next transaction takes the write lock when it first looks at something, not
    before, so that reading a body or a flow's text holds up nobody."""
    caller.session.commit()
    caller.session.bind = caller.platform.database.writing


def note_use(platform: Platform, token: ApiToken) -> None:
    """Keep when an API token was used last. That it cannot be kept, as on a full disk, keeps nobody from reading."""
    try:
        with platform.database.transaction() as session:
            token.touch(session)
    except OperationalError as fault:
        LOG.warning("the use of an API token could not be noted: %s", fault.orig)


def is_signed_in() -> bool:
    """Whether a route that is open to all may tell more. Raises `Unauthenticated` for a token that is not valid."""
    if "Authorization" not in request.headers:
        return False
    platform = the_platform()
    with platform.database.session(writing=False) as session:
        identify(platform, session)
    return True


def identify(platform: Platform, session: Session) -> Caller:
    """Who shows this bearer token. Raises `Unauthenticated`."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        raise Unauthenticated("Missing Authorization Header")
    if scheme.lower() != "bearer" or not value.strip():
        raise Unauthenticated("the Authorization header is not `Bearer TOKEN`")
    value = value.strip()
    token = show_token(session, value) if value.startswith(PREFIX) else None
    claims = claims_of(token) if token else read_access_token(platform.keys, value)
    membership = find_membership(platform, session, claims)
    role = Role(membership.role)
    return Caller(
        platform=platform,
        session=session,
        user=membership.user,
        tenant=membership.tenant,
        role=min(role, Role(token.role), key=lambda each: each.rank) if token else role,
        token=token,
        address=client_address(),
    )


def find_membership(platform: Platform, session: Session, claims: Claims) -> Membership:
    """Who asks, and where. Whoever is put out reads for a second more, and writes no more at once. Raises
    `Unauthenticated`."""

    def look() -> Membership:
        found = session.scalar(MEMBERSHIP, {"user_id": claims.user_id, "tenant_id": claims.tenant_id})
        if found is None or found.user.disabled:
            raise Unauthenticated("the account is not a member of this organisation any more")
        return found

    def look_once() -> Membership:
        found = look()
        for record in (found, found.user, found.tenant):
            session.expunge(record)  # others will read it, in other threads
        return found

    if request.method in SAFE:
        return platform.members.get(f"{claims.user_id} {claims.tenant_id}", look_once)
    return look()


def show_token(session: Session, value: str) -> ApiToken:
    """The API token with this value."""
    token = ApiToken.shown(session, value)
    if token is None:
        raise Unauthenticated("the API token was revoked, or has expired")
    return token


def claims_of(token: ApiToken) -> Claims:
    return Claims(user_id=token.user_id, tenant_id=token.tenant_id)


def client_address() -> str:
    """Where the request came from. The gateway, the only one who can reach us, names its peer last, and before it, if
    the peer is a proxy that it trusts, whom that one names."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    return (hops[-2:][0] if hops else request.remote_addr or "")[:64]


def close_session(_fault: BaseException | None) -> None:
    """End the request's transaction. What was not committed never was."""
    session = g.pop("session", None)
    if session is not None:
        session.close()
