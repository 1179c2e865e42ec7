"""Flows that wait for their tenant's namespace: whatever happens to it meanwhile, none is forgotten."""

import asyncio
from contextlib import suppress

from intellyhub_knative.cluster.errors import NotThere
from intellyhub_knative.cluster.reconciler import Key, Reconciler, Regularity
from intellyhub_knative.cluster.statuses import MemoryStatuses, StatusKeeper
from intellyhub_knative.platform.deployments import write_deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import write_tenant
from tests.unit.knative.cluster.deployer import ADA, make_flow, make_tenant

TENANT = Key("tenant", ADA)
FIRST, SECOND = make_flow("1"), make_flow("2")


class Tenants:
    """Prepares a namespace when it is let."""

    def __init__(self):
        self.prepared, self.renewed = set(), set()
        self.begun, self.let = asyncio.Event(), asyncio.Event()
        self.faults = []

    async def bring(self, tenant_id):
        self.begun.set()
        await self.let.wait()
        if self.faults:
            raise self.faults.pop()
        self.prepared.add(tenant_id)


class Flows:
    """Finds that the namespace is gone, once."""

    def __init__(self):
        self.brought, self.missing = [], {FIRST.flow_id}

    async def bring(self, flow_id):
        if flow_id in self.missing:
            self.missing.discard(flow_id)
            raise NotThere(404, "NotFound", "the namespace is not there")
        self.brought.append(flow_id)


def play(folder, story):
    async def tell():
        layout = Layout(data=folder)
        write_tenant(layout.tenants, make_tenant())
        for flow in (FIRST, SECOND):
            write_deployment(layout.deployments, flow)
        desired = Desired(layout)
        desired.read()
        tenants, flows = Tenants(), Flows()
        reconciler = Reconciler(
            client=None,  # type: ignore[arg-type]
            applier=None,  # type: ignore[arg-type]
            desired=desired,
            statuses=StatusKeeper(MemoryStatuses()),
            tenants=tenants,  # type: ignore[arg-type]
            flows=flows,  # type: ignore[arg-type]
            regularity=Regularity(longest_pause=0.01),
        )
        work = asyncio.create_task(reconciler.queue.run())
        try:
            async with asyncio.timeout(10):
                await story(reconciler, tenants, flows)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    asyncio.run(tell())


async def until(holds):
    while not holds():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def test_a_namespace_that_is_missed_while_its_tenant_is_being_looked_at_costs_no_other_flow_its_turn(tmp_path):
    async def story(reconciler, tenants, flows):
        tenants.prepared.add(ADA)
        reconciler.queue.add(TENANT)
        await tenants.begun.wait()  # it believes that the namespace stands
        reconciler.queue.add(Key("flow", FIRST.flow_id))
        await until(lambda: ADA not in tenants.prepared)
        passes = reconciler.passes["flow"]
        reconciler.queue.add(Key("flow", SECOND.flow_id))
        await until(lambda: reconciler.passes["flow"] > passes)
        tenants.let.set()
        await until(lambda: {FIRST.flow_id, SECOND.flow_id} <= set(flows.brought))

    play(tmp_path, story)


def test_a_tenants_pass_that_fails_leaves_its_flows_waiting_for_the_next_one(tmp_path):
    async def story(reconciler, tenants, flows):
        tenants.faults += [NotThere(404, "NotFound", "no such kind")] * 2
        flows.missing.clear()
        for flow in (FIRST, SECOND):
            reconciler.queue.add(Key("flow", flow.flow_id))
        await until(lambda: reconciler.passes["flow"] == 2)
        tenants.let.set()
        await until(lambda: {FIRST.flow_id, SECOND.flow_id} <= set(flows.brought))
        assert reconciler.passes["tenant"] == 3

    play(tmp_path, story)
