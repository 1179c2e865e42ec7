"""The seam between what is to run and where it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from intellyhub_knative.local.deployments import Deployment
from intellyhub_knative.local.tenants import Tenant

__all__ = ["Target"]


class Target(Protocol):
    """A place where flows run. Every method may be repeated: it brings about a state, whatever was before.

    Raises `OSError` where the place cannot be changed, a full disk among others; then nothing is half done.
    """

    def held(self) -> AbstractContextManager[None]:
        """Keeps all others from changing the place, so that the newest state of the database wins."""

    def deploy(self, deployment: Deployment, texts: Mapping[int, str]) -> None:
        """Make a flow run as it is to run. `texts` has each of its versions by number."""

    def remove(self, tenant_id: str, flow_id: str) -> None:
        """Take a flow away with all its files."""

    def deployments(self) -> Mapping[str, Deployment | None]:
        """What runs there, by flow id; None for what cannot be read any more."""

    def deployment(self, flow_id: str) -> Deployment | None:
        """How one flow runs there."""

    def put_tenant(self, tenant: Tenant) -> None:
        """Tell the place about a tenant."""

    def remove_tenant(self, tenant_id: str) -> None:
        """Take a tenant away, with its flows."""

    def tenants(self) -> Collection[str]:
        """The ids of the tenants that the place knows."""

    def await_ready(self, deployment: Deployment, seconds: float) -> bool:
        """Wait until the current version answers, for so long at most; whether it does."""
