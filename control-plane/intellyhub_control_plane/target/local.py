"""This machine: files that the platform's processes watch."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from intellyhub_control_plane.plugins.installation import LocalInstallations
from intellyhub_control_plane.plugins.store import Store
from intellyhub_control_plane.present.texts import catalogue_of
from intellyhub_control_plane.target.equipment import open_store
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.program_cache import cache_path, load_program
from intellyhub_knative.platform.deployments import (
    Deployment,
    make_deployment,
    remove_deployment,
    write_deployment,
)
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.records import is_written, read_record, record_names, sync_folder
from intellyhub_knative.platform.tenants import Tenant, remove_tenant, write_tenant

__all__ = ["LocalTarget"]

PAUSE_SECONDS = 0.01
INSTALLATIONS = ".installations"


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """The data folder of the local platform. Every method may be repeated: it brings about a state, whatever was there.

    Raises `OSError` where the folder cannot be changed, a full disk among others; then nothing is half done.
    """

    layout: Layout

    @property
    def has_images(self) -> bool:
        """A worker reads the text itself."""
        return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds a lock file, which ends with the process."""
        self.layout.deployments.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.layout.deployments / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def plugins_of(self, tenant_id: str) -> Store:
        """Its folder is all there is."""
        return open_store(self.layout, tenant_id)

    def installations_of(self, tenant_id: str) -> LocalInstallations:
        """Beside its plugins."""
        return LocalInstallations(folder=self.layout.plugins_of(tenant_id) / INSTALLATIONS)

    def text_path(self, tenant_id: str, flow_id: str, number: int) -> Path:
        """Where the text of a version lies."""
        return self.layout.flows_of(tenant_id) / flow_id / f"{number}.yaml"

    def deploy(self, deployment: Deployment, texts: Mapping[int, str]) -> None:
        """Texts first, then the compiled program, then the record that names them."""
        deployment = self.describe(deployment, texts)
        if not is_written(self.layout.deployments, deployment.flow_id, asdict(deployment)):
            write_deployment(self.layout.deployments, deployment)
        put_text(self.slug_path(deployment), texts[deployment.current.number])
        self.drop_other_texts(deployment)

    def describe(self, deployment: Deployment, texts: Mapping[int, str]) -> Deployment:
        """Write the texts and compile the current one; the deployment with what its program says of itself."""
        tenant_id, flow_id = deployment.tenant_id, deployment.flow_id
        for number, text in texts.items():
            put_text(self.text_path(tenant_id, flow_id, number), text)
        programs = self.layout.programs_of(tenant_id)
        catalogue = catalogue_of(deployment.plugins)
        path = Path(deployment.current.path)
        program = load_program(path, catalogue, name=deployment.journal_name, cache_dir=programs)
        return replace(
            deployment,
            description=program.description,
            input_schema=program.input_schema,
            output_schema=program.output_schema,
        )

    def drop_other_texts(self, deployment: Deployment) -> None:
        """Those of versions that are not deployed any more."""
        kept = {Path(version.path) for version in deployment.versions}
        for path in Path(deployment.current.path).parent.glob("*.yaml"):
            if path not in kept:
                self.drop_text(deployment.tenant_id, path)

    def remove(self, tenant_id: str, flow_id: str) -> None:
        """The record first, so that nothing wakes any more."""
        deployment = self.deployment(flow_id)
        remove_deployment(self.layout.deployments, flow_id)
        if deployment is not None:
            self.slug_path(deployment).unlink(missing_ok=True)
        folder = self.layout.flows_of(tenant_id) / flow_id
        for path in folder.glob("*.yaml"):
            self.drop_text(tenant_id, path)
        shutil.rmtree(folder, ignore_errors=True)

    def slug_path(self, deployment: Deployment) -> Path:
        """Where flows of the same tenant find this one by name."""
        return self.layout.flows_of(deployment.tenant_id) / f"{deployment.slug}.yaml"

    def drop_text(self, tenant_id: str, path: Path) -> None:
        """A text and what was compiled from it."""
        cache_path(path, self.layout.programs_of(tenant_id)).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def deployments(self) -> Mapping[str, Deployment | None]:
        """All records; a damaged one keeps no other from being read."""
        return {flow_id: self.deployment(flow_id) for flow_id in record_names(self.layout.deployments)}

    def deployment(self, flow_id: str) -> Deployment | None:
        """One record; None too for one that cannot be read, so that it is written again."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            return make_deployment(read_record(self.layout.deployments, flow_id))
        return None

    def put_tenant(self, tenant: Tenant) -> None:
        """Its record, and its folders."""
        self.make_folders(tenant.tenant_id)
        if not is_written(self.layout.tenants, tenant.tenant_id, asdict(tenant)):
            write_tenant(self.layout.tenants, tenant)

    def make_folders(self, tenant_id: str) -> None:
        """Where its texts and its files lie."""
        make_readable_folder(self.layout.flows_of(tenant_id))
        self.layout.workspace_of(tenant_id).mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove_tenant(self, tenant_id: str) -> None:
        """Its record, its texts and its plugins; its workspace stays until somebody throws it away."""
        remove_tenant(self.layout.tenants, tenant_id)
        for folder in (self.layout.flows_of(tenant_id), self.layout.plugins_of(tenant_id)):
            shutil.rmtree(folder, ignore_errors=True)

    def tenants(self) -> Collection[str]:
        """Whoever has a record."""
        return record_names(self.layout.tenants)

    def has_texts(self, deployment: Deployment) -> bool:
        """Whether every text that a record names is there."""
        return all(Path(version.path).is_file() for version in deployment.versions)

    def await_ready(self, deployment: Deployment, seconds: float) -> bool:
        """Until the socket of the current version accepts."""
        path = self.layout.flow_socket(deployment.flow_id, deployment.current.number)
        deadline = time.monotonic() + seconds
        while not accepts(path):
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        return True


def accepts(path: Path) -> bool:
    """Whether someone holds a unix socket open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
        probe.connect(os.fspath(path))
        return True
    return False


def make_readable_folder(folder: Path) -> None:
    """A folder that workers, who may be users of their own, can read. The data folder above it lets nobody else in."""
    for each in (folder.parent, folder):
        if not each.is_dir():
            each.mkdir(parents=True, exist_ok=True)
            each.chmod(0o755)


def put_text(path: Path, text: str) -> None:
    """Write a flow's text, whole and durably, where it is not there already."""
    content = text.encode()
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    make_readable_folder(path.parent)
    scratch = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
