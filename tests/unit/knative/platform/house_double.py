"""A platform's data folder with tenants and flows, for tests of one of its processes."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intellyhub_knative.platform.deployments import Deployment, Version, write_deployment
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant, write_tenant


@contextmanager
def data_folder() -> Iterator[Layout]:
    """A short path: unix sockets allow no long ones."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="ih-"))
    try:
        yield Layout(data=folder)
    finally:
        shutil.rmtree(folder)


KEYS = Keys(bytes(range(32)))


def an_id(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def make_tenant(layout: Layout, name: str = "acme", **fields: Any) -> Tenant:
    """Write a tenant."""
    fields = {"max_pods": 10} | fields
    tenant = Tenant(tenant_id=an_id(f"tenant {name}"), slug=name, **fields)
    write_tenant(layout.tenants, tenant)
    return tenant


def make_flow(layout: Layout, name: str = "orders", tenant: str = "acme", **fields: Any) -> Deployment:
    """Write a deployment of one version, unless `versions` are given as (number, digest)."""
    versions = fields.pop("versions", ((1, "d1"),))
    flow = Deployment(
        tenant_id=an_id(f"tenant {tenant}"),
        tenant_slug=tenant,
        flow_id=an_id(f"flow {tenant} {name}"),
        slug=name,
        name=name,
        versions=tuple(Version(number=number, digest=digest, path=f"/{number}") for number, digest in versions),
        **fields,
    )
    write_deployment(layout.deployments, flow)
    return flow


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "what was waited for did not come"
        await asyncio.sleep(0.005)
