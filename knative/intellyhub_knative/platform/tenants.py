"""What the platform's processes know of a tenant. The control plane writes it, everyone else reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.records import known_fields, read_records, remove_record, write_record

__all__ = ["Tenant", "read_tenants", "remove_tenant", "write_tenant"]


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant as a record. Its file is readable by the platform's owner only."""

    tenant_id: str
    """32 hexadecimal digits."""
    slug: str
    """Its name in addresses: `/events/<slug>`, `/hooks/<slug>/<flow>`."""
    max_pods: int
    """Workers at a time, over all its flows: the quota."""
    max_workspace_bytes: int = 1 << 30
    variables: Mapping[str, Any] = field(default_factory=dict)
    """What its flows find by name."""
    sealed_secrets: Mapping[str, str] = field(default_factory=dict)
    """Name -> value, encrypted (`seal.py`, Fernet with the platform's key for `Purpose.SEALING`)."""
    event_token_digests: tuple[str, ...] = ()
    """SHA-256, in hex, of the API tokens with which events may be posted."""
    budget: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What its flows may spend together: `{day, month: {tokens, cost_usd}}`. Its own variables can only lower that."""
    suspended: bool = False
    """Nothing of it starts; its events are refused."""


def write_tenant(folder: Path, tenant: Tenant) -> None:
    """Create or replace the record."""
    write_record(folder, tenant.tenant_id, asdict(tenant))


def remove_tenant(folder: Path, tenant_id: str) -> None:
    """Remove the record."""
    remove_record(folder, tenant_id)


def read_tenants(folder: Path) -> Iterator[Tenant]:
    """Every tenant."""
    return map(make_tenant, read_records(folder))


def make_tenant(document: Mapping[str, Any]) -> Tenant:
    """A tenant from its document; keys of newer versions are left out."""
    known = known_fields(Tenant, document)
    return Tenant(**known | {"event_token_digests": tuple(known.get("event_token_digests", ()))})
