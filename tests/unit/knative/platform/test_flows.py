"""Flows on a cluster: where they are asked, and what the cluster answers for them."""

import asyncio

import pytest
from aiohttp import web

from intellyhub_functions.testing.ports import free_port
from intellyhub_knative.manifests.names import flow_url, version_url
from intellyhub_knative.platform.deployments import Deployment, Rollout, Version
from intellyhub_knative.platform.flow_socket import NoAnswer, NobodyThere, TooLate
from intellyhub_knative.platform.flows import ClusterFlows, LocalFlows, find_address, open_flows
from intellyhub_knative.platform.knative import Knative
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.outgoing import Outgoing

NEW, OLD = Version(number=2, digest="new", path="/2"), Version(number=1, digest="old", path="/1")


def make_flow(**fields):
    return Deployment(
        tenant_id="a" * 32,
        tenant_slug="acme",
        flow_id="f" * 32,
        slug="orders",
        name="orders",
        versions=(NEW, OLD),
        **fields,
    )


FLOW = make_flow()
ASK = Outgoing("POST", "/x?y=1", (("ce-id", "1"),), b"body")
PROBLEM = {"Content-Type": "application/problem+json"}


def ask(answer, *, version=None, count=1, **options):
    """What `ClusterFlows` makes of what stands behind the gateway; the requests."""

    async def scene():
        got = []

        async def serve(request):
            got.append((request.method, request.headers["Host"], request.raw_path, await request.read(), request))
            return await answer(request) if asyncio.iscoroutinefunction(answer) else answer

        runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
        runner.app.router.add_route("*", "/{path:.*}", serve)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        flows = ClusterFlows(("127.0.0.1", port))
        try:
            for _ in range(count):
                answered = await flows.ask(FLOW, version, ASK, **options)
            return answered, got  # type: ignore[possibly-undefined]
        finally:
            await flows.close()
            await runner.cleanup()

    return asyncio.run(scene())


def test_a_flow_is_asked_by_its_name_and_an_older_version_by_its_tag():
    answered, [got] = ask(web.Response(status=202, body=b"yes", headers={"X-A": "1"}))
    assert (answered.status, answered.body, answered.headers["x-a"]) == (202, b"yes", "1")
    assert got[:4] == ("POST", flow_url(FLOW).removeprefix("http://"), "/x?y=1", b"body")
    assert "User-Agent" not in got[4].headers
    _, [got] = ask(web.Response(), version=OLD)
    assert got[1] == version_url(FLOW, 1).removeprefix("http://")


def test_while_a_rollout_is_on_only_tags_name_a_version():
    rolling = make_flow(rollout=Rollout(stable=1, percent=10))
    assert find_address(FLOW, NEW) == find_address(FLOW, None) == find_address(rolling, None) == flow_url(FLOW)
    assert find_address(rolling, NEW) == version_url(FLOW, 2)


@pytest.mark.parametrize(("status", "kind"), [(404, NobodyThere), (503, NobodyThere), (502, NoAnswer), (504, NoAnswer)])
def test_what_the_cluster_answers_for_a_flow_is_no_answer_of_it(status, kind):
    with pytest.raises(NoAnswer, match=f"the cluster answered {status} for it: activator says") as fault:
        ask(web.Response(status=status, text="activator says"))
    assert type(fault.value) is kind


@pytest.mark.parametrize("status", [404, 503])
def test_a_problem_of_its_worker_is(status):
    said = b'{"type": "urn:intellyhub:problem:busy"}'
    assert ask(web.Response(status=status, body=said, headers=PROBLEM))[0].status == status


def test_answers_are_bounded_in_bytes_and_time():
    with pytest.raises(NoAnswer, match="larger than 10 bytes"):
        ask(web.Response(body=b"x" * 11), max_bytes=10)

    async def late(request):
        await asyncio.sleep(30)

    with pytest.raises(TooLate, match=r"within 0\.05 s"):
        ask(late, timeout_seconds=0.05)


def test_nobody_at_the_gateway_is_told_from_a_broken_answer():
    async def scene():
        flows = ClusterFlows(("127.0.0.1", free_port()))
        try:
            await flows.ask(FLOW, None, ASK)
        finally:
            await flows.close()

    with pytest.raises(NobodyThere, match="no connection"):
        asyncio.run(scene())

    async def break_off(request):
        request.transport.abort()
        return web.Response()

    with pytest.raises(NoAnswer, match="the connection broke"):
        ask(break_off)


def test_connections_are_kept_and_one_that_was_closed_meanwhile_costs_nothing():
    peers = []

    async def serve(request):
        peers.append(request.transport.get_extra_info("peername"))
        if len(peers) == 3:  # closed by the other side just when it is used
            request.transport.abort()
        return web.Response()

    answered, got = ask(serve, count=3)
    assert answered.status == 200
    assert peers[0] == peers[1] == peers[2] != peers[3]
    assert len(got) == 4


def test_control_characters_go_nowhere():
    async def scene():
        flows = ClusterFlows(("127.0.0.1", free_port()))
        try:
            await flows.ask(FLOW, None, ASK._replace(headers=(("ce-id", "1\r\nx: y"),)))
        finally:
            await flows.close()

    with pytest.raises(ValueError, match="control character"):
        asyncio.run(scene())


def test_the_target_decides(tmp_path):
    async def scene():
        local, cluster = open_flows(Layout(data=tmp_path), None), open_flows(Layout(data=tmp_path), Knative())
        await cluster.close()
        return local, cluster

    local, cluster = asyncio.run(scene())
    assert (type(local), local.holds) == (LocalFlows, False)
    assert (type(cluster), cluster.holds) == (ClusterFlows, True)
