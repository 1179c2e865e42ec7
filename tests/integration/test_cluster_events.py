"""An event's way on a cluster, from the ingress to its run: real processes and workers, Knative as it was seen to
behave. Whatever is killed or away in between, every event becomes exactly one run."""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
import time
from collections import Counter
from pathlib import Path

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import sign
from intellyhub_engine.serving.cloudevents import encode_data, make_headers
from intellyhub_functions.testing.ports import free_port
from intellyhub_knative.manifests.names import BROKER, names_of, service_account_user
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.triggers import make_triggers
from intellyhub_knative.platform.deployments import Delivery
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from tests.integration.knative_broker import Knative, Trigger
from tests.integration.platform_processes import Process
from tests.integration.workers import FLOW, lean
from tests.unit.knative.platform.house_double import data_folder, make_flow, make_tenant, until

pytestmark = pytest.mark.slow

TOKEN = "ihub_a-token"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
GATEWAY = "gateway.intellyhub.svc.cluster.local"
RESUMED = 'intellyhub_broker_resumptions_total{outcome="resumed"} 2.0'
LISTENS = ({"prefix": {"type": "order."}},)


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout, "acme", event_token_digests=(DIGEST,))
        make_tenant(layout, "other")
        yield layout


class Platform:
    """The pods of the platform that events meet."""

    def __init__(self, layout, knative):
        self.layout, self.knative = layout, knative
        self.keys = load_keys(layout.key)
        self.port = free_port()
        place = f"127.0.0.1:{free_port()}"
        self.address = f"http://{place}"
        shared = {
            **knative.environment,
            "INTELLYHUB_JOURNAL": self.address,
            "INTELLYHUB_TOKEN_ISSUER": "https://cluster.test",
            "INTELLYHUB_TOKEN_JWKS": str(layout.data / "jwks"),
        }
        gateway = {"INTELLYHUB_HOST": "127.0.0.1", "INTELLYHUB_PORT": str(self.port)}
        self.journal = Process(layout, "journal", INTELLYHUB_JOURNAL_LISTEN=place, **shared)
        self.forwarder = Process(layout, "broker", **shared)
        self.gateway = Process(layout, "gateway", **shared, **gateway)
        self.client = AsyncJournalClient(self.address, self.keys.token(Purpose.JOURNAL))
        self.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.signing.public_key()))
        (layout.data / "jwks").write_text(json.dumps({"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]}))

    def pod_token(self, flow):
        claims = {
            "iss": "https://cluster.test",
            "aud": ["intellyhub"],
            "sub": service_account_user(flow),
            "exp": int(time.time()) + 600,
        }
        return jwt.encode(claims, self.signing, algorithm="RS256", headers={"kid": "one"})

    async def post(self, target, event=None, body=b"", token=TOKEN, **headers):
        """Status and body of an answer of the gateway."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if event is not None:
            body, content_type = encode_data(event)
            sent |= dict(make_headers(event)) | {"Content-Type": content_type}  # type: ignore[arg-type]
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self.port}{target}", data=body, headers=sent | headers) as answer,
        ):
            return answer.status, await answer.read()

    async def until_done(self, seconds=30):
        """The outbox is empty."""
        ends = time.monotonic() + seconds
        while (counts := await self.client.counts())["unrouted"] or counts["pending"]:
            assert time.monotonic() < ends, (counts, self.knative.posts[-5:])
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def cluster(layout):
    async with Knative() as knative:
        platform = Platform(layout, knative)
        with platform.journal, platform.forwarder, platform.gateway:
            knative.services[GATEWAY] = platform.port
            try:
                yield platform, knative
            finally:
                await platform.client.close()
    assert knative.crashes == []


def host_of(flow, number=None):
    names = names_of(flow)
    return f"{'' if number is None else f'v{number}-'}{names.service}.{names.namespace}.svc.cluster.local"


def deploy(layout, knative, flow, port):
    """The flow's objects on the cluster, and what the reconciler says of them."""
    names = names_of(flow)
    knative.services[host_of(flow)] = port
    knative.brokers.add((names.namespace, BROKER))
    knative.triggers += [Trigger(each) for each in make_triggers(flow, ClusterSettings())]
    folder = layout.data / "cluster_status"
    folder.mkdir(exist_ok=True)
    status = {"trigger": {"ready": True, "version": flow.current.number}}
    (folder / f"{flow.flow_id}.json").write_text(json.dumps(status))


@contextlib.contextmanager
def worker_of(flow, platform, folder: Path):
    """The flow's pod, with the keys and the token that its own would have."""
    folder.mkdir(exist_ok=True)
    keys = platform.keys
    secrets = [keys.token(Purpose.DELIVERY, name) for name in (flow.journal_name, flow.tenant_id)]
    (folder / "token").write_text(platform.pod_token(flow))
    worker = lean(
        folder,
        INTELLYHUB_FLOW_NAME=flow.journal_name,
        INTELLYHUB_JOURNAL=platform.address,
        INTELLYHUB_JOURNAL_TOKEN_FILE=str(folder / "token"),
        INTELLYHUB_WORKER_TOKENS=keys.token(Purpose.CALLER, flow.journal_name),
        INTELLYHUB_DELIVERY_SECRETS=",".join(secrets),
        INTELLYHUB_CONCURRENCY="4",
    )
    try:
        yield worker.wait_until_it_listens()
    finally:
        worker.close()


def runs_of(flow, layout):
    """Event -> how many runs it made that succeeded."""
    with contextlib.closing(sqlite3.connect(f"file:{layout.journal}?mode=ro", uri=True)) as journal:
        question = "SELECT event_id FROM run WHERE status = 'succeeded' AND parent_id IS NULL AND flow = ?"
        rows = journal.execute(question, (flow.journal_name,)).fetchall()
    return Counter(row[0] for row in rows)


def make_event(number=1, **fields):
    return Event(
        **{"id": str(number), "source": "/shop", "type": "order.paid", "data": {"kind": "x", "n": number}} | fields
    )


def test_an_event_goes_by_outbox_and_broker_to_its_run(layout, tmp_path):
    flow = make_flow(layout, filters=LISTENS)

    async def scene():
        async with cluster(layout) as (platform, knative):
            with worker_of(flow, platform, tmp_path / "pod") as worker:
                deploy(layout, knative, flow, worker.port)
                # A moment that the Broker writes in another way: the signature has to survive that.
                event = make_event(time="2026-01-31T08:00:00.500+01:00", extensions={"region": "eu"})
                answers = [await platform.post("/events/acme", event) for _ in range(2)]
                await platform.until_done()
                return answers, knative.posts, knative.delivered, platform.forwarder.get("/metrics")

    answers, posts, delivered, metrics = asyncio.run(scene())
    assert answers == [(202, b'{"accepted":1,"duplicates":0}'), (202, b'{"accepted":0,"duplicates":1}')]
    assert posts == [("1", 202)]
    [(_, _, code, headers)] = delivered
    assert code == 204
    assert (headers["ce-time"], headers["ce-region"]) == ("2026-01-31T07:00:00.5Z", "eu")
    assert headers["Kn-Namespace"] == names_of(flow).namespace
    assert runs_of(flow, layout) == {"1": 1}
    assert 'intellyhub_broker_attempts_total{code="202",outcome="delivered"} 1.0' in metrics


def test_every_event_becomes_one_run_whatever_dies_on_the_way(layout, tmp_path):
    flow = make_flow(layout, filters=LISTENS, max_scale=4, delivery=Delivery(retry=2, backoff_delay_seconds=0.1))
    count = 120

    async def scene():
        async with cluster(layout) as (platform, knative):
            with worker_of(flow, platform, tmp_path / "pod") as worker:
                deploy(layout, knative, flow, worker.port)

                async def produce():
                    for number in range(count):
                        for _ in range(1 + (number % 5 == 0)):  # some are sent twice
                            status, _ = await platform.post("/events/acme", make_event(number))
                            assert status == 202

                producing = asyncio.create_task(produce())
                await until(lambda: len(knative.posts) > count // 8)
                await knative.restart(0.6)
                await until(lambda: len(knative.posts) > count // 4)
                platform.forwarder.kill()
                await asyncio.to_thread(platform.forwarder.start)
                knative.brokers.clear()  # somebody deletes the Broker, and it comes back
                await until(lambda: any(status != 202 for _, status in knative.posts))
                knative.brokers.add((names_of(flow).namespace, BROKER))
                await producing
                await platform.until_done()
                return knative, await platform.client.dead_letters(flow.tenant_id)

    knative, dead = asyncio.run(scene())
    assert dead == []
    assert runs_of(flow, layout) == {str(number): 1 for number in range(count)}
    assert any(status == 500 for _, status in knative.posts)


def test_what_a_flow_refuses_comes_back_as_a_dead_letter_and_goes_straight_when_redelivered(layout, tmp_path):
    flow = make_flow(layout, filters=LISTENS, delivery=Delivery(retry=1, backoff_delay_seconds=0.1))

    async def scene():
        async with cluster(layout) as (platform, knative):
            with worker_of(flow, platform, tmp_path / "pod") as worker:
                deploy(layout, knative, flow, worker.port)
                event = make_event(data=b"{", datacontenttype="application/json")
                await platform.client.accept(flow.tenant_id, [event])
                await platform.until_done()
                dead = await platform.client.dead_letters(flow.tenant_id)
                assert await platform.client.redeliver(flow.tenant_id, [dead[0].delivery_id]) == 1
                await platform.until_done()
                return dead, await platform.client.dead_letters(flow.tenant_id), knative

    dead, again, knative = asyncio.run(scene())
    [letter] = dead
    assert (letter.flow_id, letter.code, letter.attempts, letter.event.source) == (flow.flow_id, 400, 1, "/shop")
    assert letter.error.startswith("the flow answered 400: ")
    assert "JSON" in letter.error
    assert set(letter.event.extensions) == set()
    assert [(one.code, one.delivery_id) for one in again] == [(400, letter.delivery_id)]
    assert knative.posts == [("1", 202)]


def test_what_fails_before_the_flow_is_not_its_fault(layout, tmp_path):
    """The Service was ready, and then no pod comes up: the Broker gives up, the outbox does not."""
    flow = make_flow(layout, filters=LISTENS, delivery=Delivery(retry=1, backoff_delay_seconds=0.1))

    async def scene():
        async with cluster(layout) as (platform, knative):
            deploy(layout, knative, flow, None)
            assert (await platform.post("/events/acme", make_event()))[0] == 202
            await until(lambda: knative.posts)
            with worker_of(flow, platform, tmp_path / "pod") as worker:
                knative.services[host_of(flow)] = worker.port
                await platform.until_done()
            return knative, await platform.client.dead_letters(flow.tenant_id)

    knative, dead = asyncio.run(scene())
    assert [letter["ce-knativeerrorcode"] for letter in knative.dead] == ["503"]
    assert dead == []
    assert runs_of(flow, layout) == {"1": 1}


def test_a_run_that_waits_holds_no_request_and_is_resumed_at_its_flows_address(layout, tmp_path):
    digest = hashlib.sha256(FLOW.encode()).hexdigest()
    flow = make_flow(layout, filters=LISTENS, versions=((1, digest),))

    async def scene():
        async with cluster(layout) as (platform, knative):
            with worker_of(flow, platform, tmp_path / "pod") as worker:
                deploy(layout, knative, flow, worker.port)
                for number in range(2):
                    assert (await platform.post("/events/acme", make_event(number, data={"kind": "pause"})))[0] == 202
                await platform.until_done()
                codes = [code for _, _, code, _ in knative.delivered]
                ends = time.monotonic() + 20
                while RESUMED not in platform.forwarder.get("/metrics"):
                    assert time.monotonic() < ends
                    await asyncio.sleep(0.05)
                return codes

    assert asyncio.run(scene()) == [202, 202]  # empty: they wait
    assert runs_of(flow, layout) == {"0": 1, "1": 1}


def test_a_tenants_pod_is_refused_by_everything_of_another_tenant(layout, tmp_path):
    mine = make_flow(layout, "mine")
    theirs = make_flow(layout, "theirs", tenant="other", filters=LISTENS)

    async def scene():
        async with cluster(layout) as (platform, knative):
            with worker_of(theirs, platform, tmp_path / "pod") as worker:
                deploy(layout, knative, theirs, worker.port)
                keys, token, event = platform.keys, platform.pod_token(mine), make_event()
                body, content_type = encode_data(event)
                signed = sign(event, body, keys.token(Purpose.DELIVERY, mine.tenant_id).encode(), time.time())
                headers = {**dict(make_headers(signed)), "Content-Type": content_type}
                caller = {"Authorization": f"Bearer {keys.token(Purpose.CALLER, mine.journal_name)}"}
                pod = {"Authorization": f"Bearer {token}"}
                asked = [
                    *(worker.ask(body=body, headers=headers | shown)[0] for shown in ({}, caller, pod)),
                    (await platform.post("/events/other", event, token=token))[0],
                    (await platform.post("/events/nobody", event, token=token))[0],
                    (await platform.post(f"/dead-letters/{theirs.tenant_id}/{theirs.flow_id}", signed, token=token))[0],
                    (await platform.post(f"/dead-letters/{mine.tenant_id}/{theirs.flow_id}", signed, token=""))[0],
                    (await platform.post(f"/dead-letters/{theirs.tenant_id}/{theirs.flow_id}", event, token=token))[0],
                ]
                own = await platform.post("/events/acme", event, token=token)
                as_a_sink = await platform.post("/events/acme", make_event(2), token=token, **{"Kn-Namespace": "x"})
                # Whoever reaches the Broker can post to it; without the tenant's signature no flow runs it.
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(
                        f"http://127.0.0.1:{knative.port}/{names_of(theirs).namespace}/{BROKER}",
                        data=body,
                        headers=headers,  # type: ignore[arg-type]
                    ) as answer,
                ):
                    posted = answer.status
                return asked, own, as_a_sink, posted, knative, await platform.client.dead_letters(theirs.tenant_id)

    asked, own, as_a_sink, posted, knative, dead = asyncio.run(scene())
    assert asked == [401, 401, 401, 403, 403, 403, 403, 401]
    assert own == (202, b'{"accepted":1,"duplicates":0}')
    assert as_a_sink == (202, b"")
    assert posted == 500  # and its dead letter is refused, too
    assert {code for _, url, code, _ in knative.delivered if "dead-letters" not in url} == {401}
    assert dead == []
    assert runs_of(theirs, layout) == {}
