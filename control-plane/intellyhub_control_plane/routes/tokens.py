"""`/api/tokens`: API tokens for programs."""

from __future__ import annotations

from datetime import timedelta

from intellyhub_control_plane.errors import RoleTooLow, found
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.models.tokens import ApiToken
from intellyhub_control_plane.shapes.auth import ApiToken as TokenShape
from intellyhub_control_plane.shapes.auth import ApiTokenCreated, ApiTokenList, CreateToken, TokenPath
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate

__all__ = ["tokens"]

tokens = Area("tokens", "API tokens for programs")


@tokens.operation("GET", "/api/tokens", needs=Role.VIEWER, answers={200: ApiTokenList})
def list_tokens(caller: Caller, query: PageQuery) -> ApiTokenList:
    """List one's API tokens."""
    mine = ApiToken.of(caller.tenant).where(ApiToken.user_id == caller.user.id)
    keys = (ApiToken.created_at, ApiToken.id)
    page = paginate(caller.session, mine, keys, limit=query.limit, cursor=query.cursor)
    items = [make_token(token) for (token,) in page.rows]
    return ApiTokenList.of(items, page.next_cursor)


@tokens.operation("POST", "/api/tokens", needs=Role.VIEWER, answers={201: ApiTokenCreated})
def create_token(caller: Caller, body: CreateToken) -> ApiTokenCreated:
    """Make an API token. Its value is shown this once."""
    role = body.role or caller.role
    if not caller.role.may(role):
        raise RoleTooLow(role, caller.role)
    lifetime = timedelta(days=body.expires_in_days) if body.expires_in_days else None
    token, value = ApiToken.issue(
        caller.session, caller.tenant, caller.user, name=body.name, role=role, lifetime=lifetime
    )
    caller.audit("token.created", token.id, name=body.name, role=role)
    caller.publish_tenant()
    return ApiTokenCreated(**make_token(token).model_dump(), token=value)


@tokens.operation("DELETE", "/api/tokens/<token_id>", needs=Role.VIEWER, answers={204: None}, faults=(404,))
def delete_token(caller: Caller, path: TokenPath) -> None:
    """Revoke an API token at once."""
    mine = ApiToken.of(caller.tenant).where(ApiToken.user_id == caller.user.id, ApiToken.id == path.token_id)
    token = found(caller.session.scalar(mine), "token", path.token_id)
    caller.session.delete(token)
    caller.audit("token.revoked", token.id, name=token.name)
    caller.publish_tenant()


def make_token(token: ApiToken) -> TokenShape:
    """A token as the API shows it."""
    return TokenShape(
        id=token.id,
        name=token.name,
        hint=token.hint,
        role=Role(token.role),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )
