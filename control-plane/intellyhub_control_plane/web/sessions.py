"""Access tokens: what a login is given and shows from then on (JWT, HS256)."""

from __future__ import annotations

import time
from functools import lru_cache

import jwt

from intellyhub_control_plane.errors import Unauthenticated
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.keys import Keys, Purpose

__all__ = ["Claims", "issue_access_token", "read_access_token"]

ALGORITHM = "HS256"
EXPIRED = "the access token has expired: log in again"


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What an access token says."""

    user_id: str
    tenant_id: str


def issue_access_token(keys: Keys, claims: Claims, role: str, lifetime_seconds: int) -> str:
    """Sign a token. The gateway reads `tenant` and `role` of it; here the role is looked up again each time."""
    now = int(time.time())
    content = {
        "sub": claims.user_id,
        "tenant": claims.tenant_id,
        "role": role,
        "iat": now,
        "exp": now + lifetime_seconds,
    }
    return jwt.encode(content, keys.derive(Purpose.SESSIONS), algorithm=ALGORITHM)


def read_access_token(keys: Keys, token: str) -> Claims:
    """What a token says. Raises `Unauthenticated` for one that is not ours, or whose time is over."""
    claims, ends = read_signed(keys, token)
    if ends <= time.time():
        raise Unauthenticated(EXPIRED)
    return claims


@lru_cache(maxsize=2048)
def read_signed(keys: Keys, token: str) -> tuple[Claims, int]:
    """What a token says, and until when. A signature that was good once is good for ever: only the time is not."""
    required = ["exp", "iat", "sub", "tenant"]
    try:
        content = jwt.decode(
            token, keys.derive(Purpose.SESSIONS), algorithms=[ALGORITHM], options={"require": required}
        )
    except jwt.ExpiredSignatureError as fault:
        raise Unauthenticated(EXPIRED) from fault
    except jwt.InvalidTokenError as fault:
        raise Unauthenticated("the access token is not one of this platform") from fault
    return Claims(user_id=str(content["sub"]), tenant_id=str(content["tenant"])), int(content["exp"])
