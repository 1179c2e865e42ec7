"""The desired state, followed."""

import asyncio
from dataclasses import replace

import pytest

from intellyhub_knative.platform.deployments import remove_deployment, write_deployment
from intellyhub_knative.platform.desired import Desired
from tests.unit.knative.platform.house_double import an_id, data_folder, make_flow, make_tenant, until


@pytest.fixture
def layout():
    with data_folder() as layout:
        yield layout


def test_it_knows_flows_by_id_slug_and_tenant(layout):
    make_tenant(layout)
    first, second = make_flow(layout, "first"), make_flow(layout, "second")
    desired = Desired(layout)
    assert desired.read()
    assert desired.by_slug(first.tenant_id, "first") == first
    assert desired.by_slug(an_id("tenant other"), "first") is None
    assert {flow.slug for flow in desired.of_tenant(first.tenant_id)} == {"first", "second"}
    assert desired.deployments[second.flow_id] == second
    assert not desired.read()


def test_flows_that_are_inactive_or_whose_tenant_is_suspended_are_asleep(layout):
    make_tenant(layout, "other", suspended=True)
    inactive, suspended = make_flow(layout, active=False), make_flow(layout, "x", tenant="other")
    make_flow(layout, "awake")
    desired = Desired(layout)
    desired.read()
    assert desired.asleep == {inactive.flow_id, suspended.flow_id}


def test_a_damaged_record_leaves_the_one_that_was_known(layout, caplog):
    flow = make_flow(layout)
    desired = Desired(layout)
    desired.read()
    (layout.deployments / f"{flow.flow_id}.json").write_text("{")
    assert not desired.read()
    assert desired.deployments[flow.flow_id] == flow
    assert "cannot be read" in caplog.text


def test_one_flow_can_be_looked_up_at_once(layout):
    desired = Desired(layout)
    desired.read()
    flow = make_flow(layout)
    assert desired.read_flow(flow.flow_id) == flow
    assert desired.by_slug(flow.tenant_id, "orders") == flow
    assert desired.read_flow("../../etc/passwd") is None


def test_every_change_is_followed(layout):
    async def scene():
        desired, changes = Desired(layout), []
        task = asyncio.create_task(desired.watch(lambda: changes.append(len(desired.deployments))))
        await until(lambda: changes)
        for number in range(20):  # the first ones come while the watch is made
            make_flow(layout, str(number))
            await asyncio.sleep(0.002)
        await until(lambda: len(desired.deployments) == 20)
        flow = make_flow(layout, "0")
        write_deployment(layout.deployments, replace(flow, active=False))
        await until(lambda: desired.asleep == {flow.flow_id})
        remove_deployment(layout.deployments, flow.flow_id)
        await until(lambda: flow.flow_id not in desired.deployments)
        make_tenant(layout)
        await until(lambda: desired.tenants)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
