"""The values that must not be shown: a tenant's secrets, opened to be masked."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import bindparam, select

from intellyhub_control_plane.models.settings import Secret
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.seal import unseal

__all__ = ["secret_values"]

SEALED = select(Secret.sealed).where(Secret.tenant_id == bindparam("tenant_id")).order_by(Secret.name)


def secret_values(caller: Caller) -> frozenset[str]:
    """Every secret of the caller's tenant, as it was at most a second ago. What is kept unsealed is kept in this
    process's memory only."""
    platform, tenant_id = caller.platform, caller.tenant.id

    def look() -> frozenset[str]:
        sealed = caller.session.scalars(SEALED, {"tenant_id": tenant_id})
        return frozenset(value for token in sealed if (value := opened(token, platform.keys)) is not None)

    return platform.secrets.get(tenant_id, look)


@lru_cache(maxsize=4096)
def opened(token: str, keys: Keys) -> str | None:
    """One value; None for one that was sealed with another key, which no worker can have used either."""
    try:
        return unseal({"secret": token}, keys)["secret"]
    except InputInvalid:
        return None
