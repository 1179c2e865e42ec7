"""The values that must not be shown: a tenant's secrets, opened to be masked."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy.orm import Session

from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.settings import Secret
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.local.keys import Keys
from intellyhub_knative.local.seal import unseal

__all__ = ["secret_values"]


def secret_values(session: Session, tenant: Tenant, keys: Keys) -> frozenset[str]:
    """Every secret of a tenant. What is kept unsealed is kept in this process's memory only."""
    sealed = session.scalars(Secret.of(tenant).order_by(Secret.name).with_only_columns(Secret.sealed))
    return frozenset(value for token in sealed if (value := opened(token, keys)) is not None)


@lru_cache(maxsize=4096)
def opened(token: str, keys: Keys) -> str | None:
    """One value; None for one that was sealed with another key, which no worker can have used either."""
    try:
        return unseal({"secret": token}, keys)["secret"]
    except InputInvalid:
        return None
