"""Journal service and activator as real processes over a data folder, flows in it, and a client of their sockets."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.journal.records import RunSummary
from intellyhub_engine.serving.program_cache import load_program
from intellyhub_knative.platform.deployments import Deployment, Version, remove_deployment, write_deployment
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant, write_tenant
from tests.integration.platform_processes import Process, UnixConnection, await_that
from tests.unit.knative.platform.house_double import an_id, data_folder

__all__ = ["HELLO", "NAP", "Answer", "Platform", "ask_later", "parent_of", "platform"]

HELLO = """
states:
  greet: {state_type: set, values: {said: "Hello {name}"}, transition: done}
  done: {state_type: end, result: {said: "{said}"}}
"""
RETRY_SECONDS = 15.0
NAP = """
states:
  nap:
    state_type: command
    action:
      eval: |
        import time
        time.sleep(float(seconds))
        "slept"
    output: said
    transition: done
  done: {state_type: end, result: {said: "{said}"}}
"""


class Answer(NamedTuple):
    """What a flow answered."""

    status: int
    headers: dict[str, str]
    body: Any


class Platform:
    """One tenant and its flows. `journal` and `activator` may be killed and started again."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.keys = load_keys(layout.key)
        self.journal = Process(layout, "journal")
        self.activator = Process(layout, "activator")
        self.tenant()

    def tenant(self, name: str = "acme", **fields: Any) -> Tenant:
        tenant = Tenant(tenant_id=an_id(f"tenant {name}"), slug=name, **{"max_pods": 20, **fields})
        write_tenant(self.layout.tenants, tenant)
        return tenant

    def flow(
        self, name: str, text: str = HELLO, *, tenant: str = "acme", version: int = 1, **fields: Any
    ) -> Deployment:
        """Publish a version, as the control plane does; versions before it stay listed."""
        tenant_id, flow_id = an_id(f"tenant {tenant}"), an_id(f"flow {tenant} {name}")
        folder = self.layout.flows_of(tenant_id) / flow_id
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{version}.yaml"
        path.write_text(f"name: {name}\n{text}")
        link = folder.parent / f"{name}.yaml"
        link.unlink(missing_ok=True)
        link.symlink_to(f"{flow_id}/{version}.yaml")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        older = fields.pop("older", ())
        deployment = Deployment(
            tenant_id=tenant_id,
            tenant_slug=tenant,
            flow_id=flow_id,
            slug=name,
            name=name,
            versions=(Version(number=version, digest=digest, path=str(path)), *older),
            **{"idle_seconds": 30.0, **fields},
        )
        with contextlib.suppress(Exception):  # a text that cannot run is a test's own business
            load_program(path, installed(), name=deployment.journal_name, cache_dir=self.layout.programs_of(tenant_id))
        write_deployment(self.layout.deployments, deployment)
        return deployment

    def remove(self, flow: Deployment) -> None:
        remove_deployment(self.layout.deployments, flow.flow_id)

    def socket(self, flow: Deployment, version: int | None = None) -> Path:
        return self.layout.flow_socket(flow.flow_id, version or flow.current.number)

    def await_socket(self, flow: Deployment, version: int | None = None) -> None:
        await_that(self.socket(flow, version).exists)

    def ask(
        self,
        flow: Deployment,
        body: Any = None,
        *,
        method: str = "POST",
        target: str = "/",
        version: int | None = None,
        seconds: float = 30.0,
        **headers: str,
    ) -> Answer:
        """One request on the flow's socket; what a dying worker or activator does to it is raised as OSError."""
        connection = UnixConnection(self.socket(flow, version), seconds)
        try:
            token = self.keys.token(Purpose.CALLER, flow.journal_name)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            sent = json.dumps(body if body is not None else {"name": "Ada"}).encode()
            connection.request(
                method, target, sent, {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **given}
            )
            response = connection.getresponse()
            content = response.read()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, json.loads(content) if content else None)
        except http.client.HTTPException as fault:
            raise ConnectionError(str(fault)) from fault
        finally:
            connection.close()

    def ask_until_answered(self, flow: Deployment, body: Any = None, **named: Any) -> Answer:
        """As a sender of the platform: again, with the same event, when the connection breaks off or it is told 503."""
        ends = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                answer = self.ask(flow, body, **named)
                if answer.status != 503 or time.monotonic() > ends:
                    return answer
            except OSError:
                assert time.monotonic() < ends
            time.sleep(0.02)

    def ask_many(self, flow: Deployment, count: int, threads: int = 50, **named: Any) -> list[Answer]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda _: self.ask(flow, **named), range(count)))

    def workers(self, flow: Deployment | None = None) -> list[dict[str, Any]]:
        items = self.activator.get("/workers")["items"]
        return [item for item in items if flow is None or item["flow_id"] == flow.flow_id]

    def await_workers(
        self, count: int, flow: Deployment | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [item for item in self.workers(flow) if state is None or item["state"] == state]
            return len(found) == count

        await_that(look)
        return found

    def client(self) -> JournalClient:
        return JournalClient(self.layout.socket("journal"), self.keys.token(Purpose.JOURNAL))

    def runs(self, flow: Deployment) -> list[RunSummary]:
        client = self.client()
        try:
            return list(client.runs(flow=flow.journal_name, limit=500))
        finally:
            client.close()

    def metric(self, event: str) -> int:
        page = self.activator.get("/metrics")
        return int(page.split(f'intellyhub_worker_events_total{{event="{event}"}} ')[1].split("\n")[0])


@contextlib.contextmanager
def platform() -> Iterator[Platform]:
    """Started, and ended with everything it started."""
    with data_folder() as layout:
        layout.data.chmod(0o700)
        made = Platform(layout)
        with made.journal, made.activator:
            yield made
            made.activator.stop()


def ask_later(house: Platform, flow: Deployment, body: Any = None, **named: Any) -> Future[Answer]:
    """In a thread; the answer, or what was raised, comes with `result`."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(house.ask, flow, body, **named)
    pool.shutdown(wait=False)
    return future


def parent_of(pid: int) -> int:
    """The warm parent of a worker."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
