"""A cluster: rows that every pod of the platform mirrors, and that the reconciler makes objects of.

Texts are compiled in this pod's own folder, for what they say of themselves; what counts are the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy import text as sql

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.plugins.store import Store
from intellyhub_control_plane.target.local import LocalTarget
from intellyhub_control_plane.target.shared_installations import SharedInstallations
from intellyhub_control_plane.target.shared_plugins import SharedPlugins
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.deployments import Deployment, make_deployment
from intellyhub_knative.platform.desired_records import Kind, RecordStore
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["KnativeTarget"]

LOCK = 0x1A7E111C
"""PostgreSQL's advisory lock of whoever publishes: any number, always the same."""


@dataclass(frozen=True, kw_only=True)
class KnativeTarget:
    """As promised by `Target`. Raises `RecordsUnavailable` where the database cannot be asked."""

    files: LocalTarget
    store: RecordStore
    database: Database

    @property
    def layout(self) -> Layout:
        """This pod's."""
        return self.files.layout

    @property
    def has_images(self) -> bool:
        """Every version is an image."""
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """An advisory lock, which ends with its transaction: of all pods."""
        with self.database.engine.begin() as connection:
            connection.execute(sql("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            yield

    def plugins_of(self, tenant_id: str) -> Store:
        """Rows, which this pod has a mirror of."""
        store = self.files.plugins_of(tenant_id)
        name = self.row_of(store.folder)
        keeping = SharedPlugins(records=self.store, database=self.database, folder=store.folder, name=name)
        return replace(store, keeping=keeping)

    def installations_of(self, tenant_id: str) -> SharedInstallations:
        """Rows."""
        return SharedInstallations(database=self.database, tenant_id=tenant_id)

    def text_path(self, tenant_id: str, flow_id: str, number: int) -> Path:
        """The same in every pod: all have the same data folder."""
        return self.files.text_path(tenant_id, flow_id, number)

    def deploy(self, deployment: Deployment, texts: Mapping[int, str]) -> None:
        """Texts first, then the record that names them, then those away that nobody names. Packages are in images: what
        of them is installed in this pod is nothing to others."""
        deployment = replace(self.files.describe(deployment, texts), layers={})
        rows = {self.row_of(Path(version.path)): texts[version.number] for version in deployment.versions}
        rows[self.row_of(self.files.slug_path(deployment))] = texts[deployment.current.number]
        for row, text in rows.items():
            self.store.write(Kind.FILE, row, {"text": text})
        self.store.write(Kind.DEPLOYMENT, deployment.flow_id, asdict(deployment))
        self.remove_files(self.row_of(Path(deployment.current.path).parent), keep=rows)
        self.files.drop_other_texts(deployment)

    def remove(self, tenant_id: str, flow_id: str) -> None:
        """The record first: the reconciler takes away what stands on the cluster."""
        deployment = self.deployment(flow_id)
        self.store.remove(Kind.DEPLOYMENT, flow_id)
        if deployment is not None:
            self.store.remove(Kind.FILE, self.row_of(self.files.slug_path(deployment)))
        self.remove_files(self.row_of(self.layout.flows_of(tenant_id) / flow_id))
        self.files.remove(tenant_id, flow_id)

    def deployments(self) -> Mapping[str, Deployment | None]:
        """All rows."""
        return {flow_id: read(document) for flow_id, document in self.store.records(Kind.DEPLOYMENT).items()}

    def deployment(self, flow_id: str) -> Deployment | None:
        """One row."""
        document = self.store.read(Kind.DEPLOYMENT, flow_id)
        return None if document is None else read(document)

    def put_tenant(self, tenant: Tenant) -> None:
        """Its row, and its folders in this pod."""
        self.files.make_folders(tenant.tenant_id)
        self.store.remove(Kind.GONE, tenant.tenant_id)
        self.store.write(Kind.TENANT, tenant.tenant_id, asdict(tenant))

    def remove_tenant(self, tenant_id: str) -> None:
        """Its row, its texts and its plugins. The reconciler deletes its namespace: that it is to, a row says."""
        self.store.write(Kind.GONE, tenant_id, {})
        self.store.remove(Kind.TENANT, tenant_id)
        for folder in (self.layout.flows_of(tenant_id), self.layout.plugins_of(tenant_id)):
            self.remove_files(self.row_of(folder))
        self.files.remove_tenant(tenant_id)

    def tenants(self) -> Collection[str]:
        """Whoever has a row."""
        return sorted(self.store.ids(Kind.TENANT))

    def has_texts(self, deployment: Deployment) -> bool:
        """Whether the mirror of this pod has them, as those of all others."""
        return self.files.has_texts(deployment)

    def await_ready(self, deployment: Deployment, seconds: float) -> bool:
        """Nobody waits: a version is built first, and then started. Its status tells."""
        return False

    def row_of(self, path: Path) -> str:
        """The id of a file's row: its path below the data folder."""
        return path.relative_to(self.layout.data).as_posix()

    def remove_files(self, folder: str, keep: Collection[str] = ()) -> None:
        """Remove the rows of the files below a folder."""
        for row in self.store.ids(Kind.FILE):
            if row.startswith(f"{folder}/") and row not in keep:
                self.store.remove(Kind.FILE, row)


def read(document: Mapping[str, object]) -> Deployment | None:
    """A deployment; None for a row that cannot be understood, so that it is written again."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        return make_deployment(document)
    return None
