"""`/api/auth`: registration, login, who one is."""

from __future__ import annotations

from intellyhub_control_plane.errors import RegistrationClosed, Taken, Unauthenticated
from intellyhub_control_plane.models.attempts import Attempt
from intellyhub_control_plane.models.people import Membership, Tenant, User, normal_email
from intellyhub_control_plane.models.record import make_id
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.platform import Platform, the_platform
from intellyhub_control_plane.settings import Registration
from intellyhub_control_plane.shapes.auth import Login, Me, Register, Session
from intellyhub_control_plane.shapes.auth import Membership as MembershipShape
from intellyhub_control_plane.web.area import Area, Needs
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.guard import client_address
from intellyhub_control_plane.web.passwords import (
    hash_password,
    needs_rehash,
    spend_the_same_time,
    verify_password,
)
from intellyhub_control_plane.web.sessions import Claims, issue_access_token

__all__ = ["auth"]

SECONDS_PER_HOUR = 3600
auth = Area("auth", "Who one is")


@auth.operation("POST", "/api/auth/register", needs=Needs.NOTHING, answers={201: Session}, faults=(403, 409, 429))
def register(body: Register) -> Session:
    """Make an account and its organisation."""
    platform = the_platform()
    if platform.settings.registration is Registration.CLOSED:
        raise RegistrationClosed("accounts are made by the administrator here (INTELLYHUB_REGISTRATION)")
    address = client_address()
    with platform.database.transaction() as session:
        Attempt.check_registration(session, address)
        Attempt.record(session, address, "")
    password_hash = hash_password(body.password)
    with platform.database.transaction() as session:
        if User.with_email(session, body.email) is not None:
            raise Taken("e-mail address", body.email)
        user = User(id=make_id(), email=normal_email(body.email), name=body.name, password_hash=password_hash)
        session.add(user)
        tenant = Tenant.found(
            session,
            body.organisation or body.name or body.email.partition("@")[0],
            user,
            max_pods=platform.settings.max_pods,
            max_flows=platform.settings.max_flows,
        )
        answer = make_session(platform, user, tenant.id)
    platform.publisher.offer_tenant(tenant.id)
    return answer


@auth.operation("POST", "/api/auth/login", needs=Needs.NOTHING, answers={200: Session}, faults=(401, 429))
def login(body: Login) -> Session:
    """Get an access token."""
    platform, address, account = the_platform(), client_address(), normal_email(body.email)
    with platform.database.transaction(writing=False) as session:
        Attempt.check_login(session, address, account)
        user = User.with_email(session, account)
    if not is_password_of(user, body.password):
        with platform.database.transaction() as session:
            Attempt.record(session, address, account)
        raise Unauthenticated("the e-mail address or the password is wrong")
    assert user is not None
    with platform.database.transaction() as session:
        Attempt.forgive(session, address, account)
        if needs_rehash(user.password_hash):
            session.merge(user).password_hash = hash_password(body.password)
    return make_session(platform, user, body.tenant)


@auth.operation("GET", "/api/auth/me", needs=Role.VIEWER, answers={200: Me})
def get_me(caller: Caller) -> Me:
    """Tell who one is."""
    user = User.with_email(caller.session, caller.user.email)
    assert user is not None
    return make_me(user, caller.tenant.id)


def is_password_of(user: User | None, password: str) -> bool:
    """Takes as long for an account that does not exist."""
    if user is None or user.disabled:
        spend_the_same_time(password)
        return False
    return verify_password(user.password_hash, password)


def make_session(platform: Platform, user: User, tenant: str | None) -> Session:
    """An access token for one of the person's organisations: the named one, else the first."""
    wanted = [each for each in user.memberships if tenant in (None, each.tenant_id, each.tenant.slug)]
    if not wanted:
        raise Unauthenticated("the account is not a member of that organisation")
    claims = Claims(user_id=user.id, tenant_id=wanted[0].tenant_id)
    lifetime_seconds = int(platform.settings.access_token_hours * SECONDS_PER_HOUR)
    token = issue_access_token(platform.keys, claims, wanted[0].role, lifetime_seconds)
    return Session(access_token=token, expires_in=lifetime_seconds, user=make_me(user, claims.tenant_id))


def make_me(user: User, tenant_id: str) -> Me:
    """A person, and the organisation they act for."""
    tenants = {each.tenant_id: make_membership(each) for each in user.memberships}
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        platform_admin=user.platform_admin,
        tenant=tenants[tenant_id],
        tenants=list(tenants.values()),
    )


def make_membership(membership: Membership) -> MembershipShape:
    tenant = membership.tenant
    return MembershipShape(id=tenant.id, slug=tenant.slug, name=tenant.name, role=Role(membership.role))
