"""What watchers must not see: the values of a tenant's secrets."""

from __future__ import annotations

import logging
from collections.abc import Collection

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.seal import unseal
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Concealment"]

LOG = logging.getLogger(__name__)


class Concealment:
    """The secrets of tenants, opened once for each version of a tenant's record."""

    def __init__(self, present: Present, keys: Keys) -> None:
        self._present = present
        self._keys = keys
        self._opened: dict[str, tuple[Tenant, frozenset[str]]] = {}

    def secrets_of(self, journal_name: str) -> Collection[str]:
        """The values that must not be shown of a flow."""
        self._present.look()
        tenant_id = journal_name.partition("/")[0]
        tenant = self._present.desired.tenants.get(tenant_id)
        if tenant is None:
            self._opened.pop(tenant_id, None)
            return frozenset()
        known = self._opened.get(tenant_id)
        if known is None or known[0] is not tenant:
            known = self._opened[tenant_id] = (tenant, self.open(tenant))
        return known[1]

    def open(self, tenant: Tenant) -> frozenset[str]:
        """The values of one tenant's secrets."""
        try:
            return frozenset(unseal(tenant.sealed_secrets, self._keys).values())
        except InputInvalid as fault:
            LOG.warning("a secret of %s cannot be opened, so no flow has it either: %s", tenant.slug, fault)
            return frozenset()
