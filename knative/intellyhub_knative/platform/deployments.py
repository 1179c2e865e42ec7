"""What is to run: one record per flow, the desired state that every process of the platform acts upon.

The control plane writes a record when a version is published, and removes it with the flow; activator, gateway,
broker and sources watch the folder. None of them asks the control plane, so that flows go on while it is away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_knative.platform.records import known_fields, read_records, remove_record, write_record

__all__ = [
    "Container",
    "Delivery",
    "Deployment",
    "Quantities",
    "Rollout",
    "Version",
    "read_deployments",
    "remove_deployment",
    "write_deployment",
]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One published text of a flow. Immutable."""

    number: int
    """Counted from 1 within the flow."""
    digest: str
    """The program's digest, which the journal keeps as a run's `version`."""
    path: str
    """The text's file, absolute."""
    image: str = ""
    """On a cluster: `registry/repository@sha256:...`. Empty until it is built, and always on one machine."""


@dataclass(frozen=True, kw_only=True)
class Quantities:
    """Of a container, as Kubernetes writes them: `250m`, `128Mi`."""

    cpu: str
    memory: str


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a worker's container asks for and may use at most, on a cluster."""

    requests: Quantities = Quantities(cpu="25m", memory="64Mi")
    """Small and always written: without them they would be as large as the limits, and workers that go would hold back
    those that come."""
    limits: Quantities = Quantities(cpu="1", memory="256Mi")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A new version that gets a part of the requests first, on a cluster."""

    stable: int
    """The number of the version that gets the rest; among the deployment's versions."""
    percent: int
    """Of requests, for the current version, at the beginning: 0 to 100."""
    step: int = 0
    """Percent that are added every `interval_seconds` while it works; 0: none, until somebody promotes it."""
    interval_seconds: float = 60.0
    max_failures_percent: float = 20.0
    """Failed runs of the current version, of those that ended since it began, above which it is taken back."""
    began_at: str = ""
    """RFC 3339, UTC: tells one rollout of a version from the next."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How the broker delivers events to a flow; the words and defaults of Knative's DeliverySpec."""

    retry: int = 5
    """Attempts after the first one."""
    backoff_policy: str = "exponential"
    """`exponential` (delay x 2^n) or `linear` (delay x n)."""
    backoff_delay_seconds: float = 0.5
    max_backoff_seconds: float = 300.0
    timeout_seconds: float = 300.0
    """For one attempt."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A flow as it is to run."""

    tenant_id: str
    tenant_slug: str
    flow_id: str
    """32 hexadecimal digits."""
    slug: str
    """Its name in addresses, unique within the tenant."""
    name: str
    versions: tuple[Version, ...]
    """The current one first; after it those whose runs have not ended."""
    active: bool = True
    """False: nothing wakes it, its source is not listened to, its hook answers 404."""
    description: str = ""
    """What the flow does, in its author's words: for those who call it."""
    input_schema: Mapping[str, Any] | None = None
    """JSON Schema of what a caller sends; with it the flow is a tool of its tenant's MCP server."""
    output_schema: Mapping[str, Any] | None = None
    listener: Mapping[str, Any] | None = None
    """The listener block as the author wrote it, placeholders unresolved; its `type` is the catalogue's name."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """The flow's own `variables` block, unresolved: listeners refer to it."""
    filters: tuple[Mapping[str, Any], ...] = ()
    """Which events of the tenant's broker it takes, beside those addressed to it (`flow` extension = `flow_id`): the
    dialects of Knative's Trigger `spec.filters` (exact, prefix, suffix, all, any, not), all of which must match. None:
    only addressed ones."""
    plugins: tuple[InstalledPlugin, ...] = ()
    """Those that it uses, and those of the flows that it calls."""
    layers: Mapping[str, str] = field(default_factory=dict)
    """Requirements of its `python` states (`layers.requirements.key_of`) -> the folder in which they are installed."""
    services: Mapping[str, str] = field(default_factory=dict)
    """What the tenant's services give it by name, such as `REDIS_URL`; placeholders in the texts name variables and
    secrets of the tenant, which come before these."""
    stock: str = ""
    """What `plugins`, `layers` and `services` were chosen from; where that has changed, they are chosen anew."""
    delivery: Delivery = field(default_factory=Delivery)
    concurrency: int = 1
    """Runs at a time in one worker."""
    max_scale: int = 10
    """Workers at a time, below the tenant's `max_pods`."""
    min_scale: int = 0
    """Workers that are kept while nothing happens, on a cluster; 0: it costs nothing while idle."""
    container: Container = field(default_factory=Container)
    rollout: Rollout | None = None
    """None: the current version gets all new events as soon as it is ready."""
    idle_seconds: float = 30.0
    timeout_seconds: float = 300.0
    """A request that takes longer is a hung worker: it is stopped, and the run fails."""

    @property
    def current(self) -> Version:
        """The version that new events get."""
        return self.versions[0]

    def version_of(self, digest: str) -> Version | None:
        """The version of this program, the newest where several have the same text."""
        return next((version for version in self.versions if version.digest == digest), None)

    @property
    def journal_name(self) -> str:
        """What the journal calls this flow (`RunStart.flow`); `<tenant_id>/` begins the names of all of a tenant's."""
        return f"{self.tenant_id}/{self.flow_id}"

    @property
    def address(self) -> str:
        """The `source` attribute of its listener's events."""
        return f"/tenants/{self.tenant_slug}/flows/{self.flow_id}/listener"

    @property
    def hook_path(self) -> str:
        """Where the gateway takes requests for it."""
        return f"/hooks/{self.tenant_slug}/{self.slug}"


def write_deployment(folder: Path, deployment: Deployment) -> None:
    """Create or replace the record."""
    write_record(folder, deployment.flow_id, asdict(deployment))


def remove_deployment(folder: Path, flow_id: str) -> None:
    """Remove the record: whatever runs of the flow is ended."""
    remove_record(folder, flow_id)


def read_deployments(folder: Path) -> Iterator[Deployment]:
    """Every deployment."""
    return map(make_deployment, read_records(folder))


def make_deployment(document: Mapping[str, Any]) -> Deployment:
    """A deployment from its document; keys of newer versions are left out."""
    known = known_fields(Deployment, document)
    known["versions"] = tuple(Version(**known_fields(Version, version)) for version in known["versions"])
    known["plugins"] = tuple(
        InstalledPlugin(**known_fields(InstalledPlugin, plugin)) for plugin in known.get("plugins", ())
    )
    known["filters"] = tuple(known.get("filters", ()))
    known["delivery"] = Delivery(**known_fields(Delivery, known.get("delivery", {})))
    known["container"] = make_container(known.get("container", {}))
    rollout = known.get("rollout")
    known["rollout"] = Rollout(**known_fields(Rollout, rollout)) if rollout else None
    return Deployment(**known)


def make_container(document: Mapping[str, Any]) -> Container:
    """A container from its document; what it does not say is the default."""
    known = known_fields(Container, document)
    return Container(**{name: Quantities(**known_fields(Quantities, each)) for name, each in known.items()})
