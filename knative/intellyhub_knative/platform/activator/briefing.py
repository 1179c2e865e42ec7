"""What workers are told, kept until something of it changes: a woken flow does not wait for it to be made again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from intellyhub_knative.platform.activator.assigning import make_assignment, make_private
from intellyhub_knative.platform.activator.assignment import pack_private
from intellyhub_knative.platform.activator.door import Door
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Briefing"]

NO_BYTES = 0
"""The file size allowed to a tenant whose workspace is full: its flows can read and delete."""
TOLD = ("tenant_slug", "slug", "concurrency", "idle_seconds", "timeout_seconds", "plugins", "layers", "services")
"""The parts of a deployment that a worker is told."""
KNOWN = ("variables", "sealed_secrets", "budget")
"""The parts of a tenant that a worker is told."""


class Brief(NamedTuple):
    """What workers of one door were told, and from what it was made."""

    deployment: Deployment
    tenant: Tenant
    openly: dict[str, object]
    private: bytes


class Briefing:
    """Made from what is deployed now."""

    def __init__(self, layout: Layout, keys: Keys, desired: Desired, *, journal: Path) -> None:
        self.full: set[str] = set()
        """Tenants whose workspace holds more than it may."""
        self._layout = layout
        self._keys = keys
        self._desired = desired
        self._journal = journal
        self._briefs: dict[Door, Brief] = {}

    def tell(self, door: Door, owner: str) -> tuple[dict[str, object], int]:
        """What one more worker is told: openly, and (a memory file, the caller's to close) in confidence. Raises
        `InputInvalid` where a secret cannot be unsealed, OSError where there can be no workspace."""
        brief = self._briefs.get(door)
        if brief is None:
            brief = self._briefs[door] = self._make(door)
        told = {**brief.openly, "owner": owner}
        if door.tenant_id in self.full:
            told["cell"] = {**brief.openly["cell"], "file_bytes": NO_BYTES}  # type: ignore[dict-item]
        return told, pack_private(brief.private)

    def has_changed(self, door: Door) -> bool:
        """Whether workers of this door were told something else than is true now. They will be told anew."""
        brief = self._briefs.get(door)
        if brief is None:
            return False
        tenant = self._desired.tenants.get(door.tenant_id)
        changed = any(getattr(brief.deployment, name) != getattr(door.deployment, name) for name in TOLD)
        changed |= any(getattr(brief.tenant, name) != getattr(tenant, name, None) for name in KNOWN)
        if changed:
            del self._briefs[door]
        return changed

    def forget_others(self) -> None:
        """Forget what workers of closed doors were told."""
        for door in [door for door in self._briefs if door.closed]:
            del self._briefs[door]

    def _make(self, door: Door) -> Brief:
        deployment = door.deployment
        tenant = self._desired.tenants[door.tenant_id]
        self._layout.workspace_of(door.tenant_id).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._layout.programs_of(door.tenant_id).mkdir(mode=0o755, parents=True, exist_ok=True)
        assignment = make_assignment(deployment, door.version, owner="", layout=self._layout, journal=self._journal)
        return Brief(deployment, tenant, assignment.to_message(), make_private(deployment, tenant, self._keys))
