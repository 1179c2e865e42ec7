"""Where flows are deployed, whichever it is: what the publisher asks of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from intellyhub_control_plane.plugins.installation import Installations
from intellyhub_control_plane.plugins.store import Store
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Target"]


class Target(Protocol):
    """Every method may be repeated: it brings about a state, whatever was there. Raises `OSError` or `EngineError`
    where it cannot; then nothing is half done that the next pass would not complete."""

    @property
    def layout(self) -> Layout:
        """The data folder of this process."""

    @property
    def has_images(self) -> bool:
        """Whether a version runs as an image of its own, which has to be built first."""

    def held(self) -> AbstractContextManager[None]:
        """Nobody else changes the target meanwhile, in whatever process."""

    def plugins_of(self, tenant_id: str) -> Store:
        """A tenant's plugins, to look at and to change: whoever else has them learns of it."""

    def installations_of(self, tenant_id: str) -> Installations:
        """A tenant's installations of plugins."""

    def text_path(self, tenant_id: str, flow_id: str, number: int) -> Path:
        """Where the text of a version lies."""

    def deploy(self, deployment: Deployment, texts: Mapping[int, str]) -> None:
        """Texts by version number, and the record that names them."""

    def remove(self, tenant_id: str, flow_id: str) -> None:
        """A flow and its texts."""

    def deployments(self) -> Mapping[str, Deployment | None]:
        """All records; None for one that cannot be read."""

    def deployment(self, flow_id: str) -> Deployment | None:
        """One record; None too for one that cannot be read."""

    def put_tenant(self, tenant: Tenant) -> None:
        """A tenant's record."""

    def remove_tenant(self, tenant_id: str) -> None:
        """Its record and everything that is kept for it here."""

    def tenants(self) -> Collection[str]:
        """Whoever has a record."""

    def has_texts(self, deployment: Deployment) -> bool:
        """Whether every text that a record names is there."""

    def await_ready(self, deployment: Deployment, seconds: float) -> bool:
        """Until the current version takes requests; whether it does."""
