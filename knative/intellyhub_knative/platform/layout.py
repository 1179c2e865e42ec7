"""The data folder of a platform: where everything lies. Nothing outside this file joins these paths."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from intellyhub_engine.frozen import dataclass

__all__ = ["LONGEST_SOCKET_PATH", "Layout"]

LONGEST_SOCKET_PATH = 107
"""Bytes that a unix socket's address may have on Linux, without its final NUL (unix(7))."""
LONGEST_SOCKET_NAME = len("/flows/") + 32 + len("-123456.sock")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Paths of one platform. Made by every process from the one folder it is told (`INTELLYHUB_DATA`)."""

    data: Path
    """Absolute. Its owner alone may enter (0700)."""

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives (flock)."""
        return self.data / "platform.lock"

    @property
    def key(self) -> Path:
        """The platform's key: everything secret is derived from it (`keys.py`)."""
        return self.data / "platform.key"

    @property
    def journal(self) -> Path:
        """Runs, events and deliveries (SQLite). The journal service alone opens it."""
        return self.data / "journal.db"

    @property
    def control(self) -> Path:
        """The control plane's database, where it is the embedded SQLite."""
        return self.data / "control.db"

    @property
    def tenants(self) -> Path:
        """One file per tenant: `<tenant_id>.json` (`tenants.py`)."""
        return self.data / "tenants"

    @property
    def deployments(self) -> Path:
        """One file per flow: `<flow_id>.json` (`deployments.py`)."""
        return self.data / "deployments"

    def flows_of(self, tenant_id: str) -> Path:
        """A tenant's flow texts: `<flow_id>/<version>.yaml`, and `<slug>.yaml` for the current version of each.
        The tenant's workers can read this folder."""
        return self.data / "flows" / tenant_id

    def workspace_of(self, tenant_id: str) -> Path:
        """A tenant's files: the only folder of this platform that its workers can write."""
        return self.data / "workspaces" / tenant_id

    def programs_of(self, tenant_id: str) -> Path:
        """A tenant's compiled flows (`cache_dir` of `load_program`). Its workers can read it, not write it."""
        return self.data / "programs" / tenant_id

    def plugins_of(self, tenant_id: str) -> Path:
        """A tenant's plugins: `plugins.json`, and the files of each below `<name>/<digest>`."""
        return self.data / "plugins" / tenant_id

    @property
    def cluster_status(self) -> Path:
        """What became of flows on a cluster, one file each: `<flow_id>.json`, mirrored from the database."""
        return self.data / "cluster_status"

    @property
    def layers(self) -> Path:
        """Python packages of plugins, in folders named by the hash of what is in them. Workers can read those of their
        flow."""
        return self.data / "layers"

    @property
    def cursors(self) -> Path:
        """Where sources keep their places."""
        return self.data / "cursors"

    @property
    def logs(self) -> Path:
        """What the processes say, one stream: `platform.log`, rotated."""
        return self.data / "logs"

    @property
    def sockets(self) -> Path:
        """Where sockets lie: in the data folder, or in a short folder of the same owner where its path is too long."""
        inside = self.data / "run"
        if len(os.fsencode(inside)) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"intellyhub-{os.geteuid()}-{digest}"

    def socket(self, service: str) -> Path:
        """The socket of a process of the platform: `journal`, `control`, `activator`, `broker`, `sources`."""
        return self.sockets / f"{service}.sock"

    def flow_socket(self, flow_id: str, version: int) -> Path:
        """Where one version of one flow answers, whether a worker is awake or not."""
        return self.sockets / "flows" / f"{flow_id}-{version}.sock"
