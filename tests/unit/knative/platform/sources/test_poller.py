"""Ticks at the poller's door."""

import asyncio
import threading

from aiohttp.test_utils import make_mocked_request

from intellyhub_knative.platform.sources.looking import Look
from intellyhub_knative.platform.sources.poller import MOST_OF_A_TENANT, Poller
from intellyhub_knative.platform.sources.ticks import TYPE, make_tick
from tests.unit.knative.platform.house_double import KEYS, data_folder, make_flow, make_tenant, until


class Servers:
    """Looks that end when they are let."""

    def __init__(self, slow):
        self.slow = slow
        self.go = threading.Event()
        self.begun = []

    def look(self, flow_id, now, ticked_at=None):
        self.begun.append(flow_id)
        if flow_id == self.slow:
            assert self.go.wait(30)
        return Look.LOOKED


def tick(flow):
    headers = {f"ce-{name}": value for name, value in make_tick(flow, KEYS).extensions.items()}
    source = f"/apis/v1/namespaces/ih-{flow.tenant_slug}/pingsources/{flow.slug}-tick"
    return make_mocked_request("POST", "/ticks", headers={"ce-type": TYPE, "ce-source": source, **headers})


def test_a_tenant_whose_servers_are_slow_holds_up_no_other():
    async def scene(slow, quick):
        servers = Servers(slow.flow_id)
        poller = Poller(servers, KEYS)
        waiting = [asyncio.create_task(poller.take(tick(slow))) for _ in range(40)]
        try:
            await until(lambda: len(servers.begun) == MOST_OF_A_TENANT)
            assert (await asyncio.wait_for(poller.take(tick(quick)), 10)).status == 204
            assert servers.begun.count(slow.flow_id) == MOST_OF_A_TENANT
        finally:
            servers.go.set()
        answers = await asyncio.gather(*waiting)
        assert {answer.status for answer in answers} == {204}
        assert servers.begun.count(slow.flow_id) == 40

    with data_folder() as layout:
        make_tenant(layout)
        make_tenant(layout, "other")
        asyncio.run(scene(make_flow(layout, "slow"), make_flow(layout, "quick", tenant="other")))
