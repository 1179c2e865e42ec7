"""The reconciler as it runs in its pod: rows in PostgreSQL, a cluster over HTTP, two candidates, one of them killed."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.database.migrate import migrate
from intellyhub_functions.testing.postgresql import postgresql as running_postgresql
from intellyhub_knative.platform.desired_records import Kind, RecordStore, StatusKind
from intellyhub_knative.platform.layout import Layout
from tests.integration.platform_processes import Process
from tests.unit.knative.cluster.api_server import ApiServer, Key, running
from tests.unit.knative.cluster.deployer import make_flow, make_tenant
from tests.unit.knative.cluster.knative import Knative

PATIENCE_SECONDS = 20.0


class Cluster:
    """A cluster that behaves, in a thread of its own."""

    def __init__(self) -> None:
        self.address = ""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.api: ApiServer | None = None

    def serve(self, begun: threading.Event, over: threading.Event) -> None:
        async def work() -> None:
            self.loop = asyncio.get_running_loop()
            self.api = ApiServer()
            Knative(self.api)
            self.api.store(Key("", "namespaces", None, "intellyhub"), {"metadata": {"name": "intellyhub"}})
            async with running(self.api) as address:
                self.address = address
                begun.set()
                await self.loop.run_in_executor(None, over.wait)

        asyncio.run(work())

    def names(self, plural: str) -> list[str]:
        """What there is of a kind, asked in the cluster's own thread."""
        assert self.loop is not None
        assert self.api is not None
        found = asyncio.run_coroutine_threadsafe(self.ask(plural), self.loop)
        return found.result(10)

    async def ask(self, plural: str) -> list[str]:
        assert self.api is not None
        return self.api.names(plural)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made, begun, over = Cluster(), threading.Event(), threading.Event()
    thread = threading.Thread(target=made.serve, args=(begun, over))
    thread.start()
    assert begun.wait(10)
    yield made
    over.set()
    thread.join(10)


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    with running_postgresql() as socket:
        url = f"postgresql://postgres@/postgres?host={socket.parent}"
        database = Database(url.replace("postgresql://", "postgresql+psycopg2://"))
        migrate(database)
        database.dispose()
        yield url


class Pod(Process):
    """A reconciler's."""

    module = "intellyhub_knative.{name}"


@contextmanager
def folder(key: bytes) -> Iterator[Layout]:
    """An empty one, as a pod begins with, and the platform's key."""
    path = Path(tempfile.mkdtemp(dir="/tmp", prefix="ih"))
    layout = Layout(data=path)
    layout.key.write_bytes(base64.b64encode(key))
    layout.key.chmod(0o600)
    try:
        yield layout
    finally:
        shutil.rmtree(path)


def make_kubeconfig(path: Path, server: str) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


def until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_row_becomes_a_service_and_a_status_also_after_the_leader_was_killed(cluster, database_url, tmp_path):
    store = RecordStore(database_url)
    environment = {
        "KUBE_CONFIG_PATH": make_kubeconfig(tmp_path / "config", cluster.address),
        "INTELLYHUB_DATABASE_URL": database_url,
        "INTELLYHUB_TARGET": "knative",
        "INTELLYHUB_LEASE_SECONDS": "3",
        "INTELLYHUB_FAREWELL_SECONDS": "0",
        "INTELLYHUB_JOURNAL": "http://127.0.0.1:1",
    }
    first, second = make_flow("1"), make_flow("2")
    store.write(Kind.TENANT, first.tenant_id, asdict(make_tenant()))
    store.write(Kind.DEPLOYMENT, first.flow_id, asdict(first))

    def is_ready(flow: Any) -> bool:
        return (store.status(StatusKind.FLOW, flow.flow_id) or {}).get("state") == "ready"

    key = os.urandom(32)
    with (
        folder(key) as one,
        folder(key) as two,
        Pod(one, "cluster", **environment) as leader,
        Pod(two, "cluster", **environment) as heir,
    ):
        until(lambda: is_ready(first), "the first deployment")
        pods = sorted((leader, heir), key=lambda pod: not pod.get("/state")["leads"])
        assert [pod.get("/state")["leads"] for pod in pods] == [True, False]
        assert "intellyhub_reconciler_leads 1.0" in pods[0].get("/metrics")
        pods[0].kill()
        store.write(Kind.DEPLOYMENT, second.flow_id, asdict(second))
        until(lambda: is_ready(second), "the second deployment, by the other reconciler")
        assert cluster.names("services") == ["flow1-11111111", "flow2-22222222"]
        store.remove(Kind.DEPLOYMENT, first.flow_id)
        until(lambda: cluster.names("services") == ["flow2-22222222"], "the removal")
        until(lambda: store.status(StatusKind.FLOW, first.flow_id) is None, "the removal of its status")
        assert pods[1].stop() == 0
    store.close()


def test_a_reconciler_that_finds_no_cluster_says_so_and_ends(tmp_path):
    with folder(os.urandom(32)) as layout:
        given = {"INTELLYHUB_DATA": str(layout.data), "KUBE_CONFIG_PATH": str(tmp_path / "missing")}
        process = subprocess.run(
            [sys.executable, "-m", "intellyhub_knative.cluster"],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert (process.returncode, json.dumps(process.stderr).count("KUBE_CONFIG_PATH")) == (2, 1)
