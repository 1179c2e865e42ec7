"""What the reconciler's process is told by its environment, beside what all objects have in common."""

from __future__ import annotations

from collections.abc import Mapping

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import read_fields, variable, whole
from intellyhub_knative.manifests.settings import ClusterSettings, read_cluster_settings
from intellyhub_knative.platform.service import DATABASE_URL

__all__ = ["ProcessSettings", "read_process_settings"]


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """docs/cluster.md lists them."""

    database_url: str = variable(DATABASE_URL, "", shown=False)
    """PostgreSQL with the desired records and the statuses; empty: records are files that somebody else writes, and
    statuses are kept in memory."""
    workers: int = variable("INTELLYHUB_RECONCILE_WORKERS", 4, whole(1, 64))
    """Tenants and flows that are looked at at a time."""
    whole_seconds: int = variable("INTELLYHUB_RESYNC_SECONDS", 300, whole(10, 86400))
    """Within which everything is looked at once, whatever was told."""
    farewell_seconds: int = variable("INTELLYHUB_FAREWELL_SECONDS", 30, whole(0, 86400))
    """How long a tenant must be missing before its namespace is deleted."""
    lease: str = variable("INTELLYHUB_LEASE", "reconciler")
    """The Lease, in the platform's namespace, of the one that works."""
    lease_seconds: int = variable("INTELLYHUB_LEASE_SECONDS", 15, whole(3, 600))
    """After so long without a renewal another one takes over."""


def read_process_settings(environment: Mapping[str, str]) -> tuple[ProcessSettings, ClusterSettings]:
    """Both kinds; raises `InputInvalid` with every variable that cannot be used."""
    values, faults = read_fields(ProcessSettings, environment)
    try:
        shared = read_cluster_settings(environment)
    except InputInvalid as fault:
        raise InputInvalid("; ".join([*faults, str(fault)])) from None
    if faults:
        raise InputInvalid("; ".join(faults))
    return ProcessSettings(**values), shared
