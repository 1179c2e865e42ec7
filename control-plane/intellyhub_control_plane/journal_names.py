"""What the journal calls flows: `<tenant_id>/<flow_id>`."""

from __future__ import annotations

__all__ = ["flow_id_of", "journal_name", "prefix_of"]


def journal_name(tenant_id: str, flow_id: str) -> str:
    """The journal's name of a flow."""
    return f"{tenant_id}/{flow_id}"


def prefix_of(tenant_id: str) -> str:
    """What the names of all of a tenant's flows begin with, and no others."""
    return journal_name(tenant_id, "")


def flow_id_of(name: str) -> str:
    """The flow that the journal calls so."""
    return name.rpartition("/")[2]
