"""Events given to flows whose workers come, go, die and refuse."""

import asyncio
import shutil
import tempfile
from pathlib import Path

import orjson
import pytest

from intellyhub_engine.events import Event
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.flows import LocalFlows
from intellyhub_knative.platform.gateway.exchange import Exchange
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.layout import Layout
from tests.unit.knative.platform.house_double import until

KEYS = Keys(b"k" * 32)
EVENT = Event(id="e1", source="/s", type="t", data={"a": "é"}, subject="a b")
DEPLOYMENT = Deployment(
    tenant_id="a" * 32,
    tenant_slug="acme",
    flow_id="f" * 32,
    slug="orders",
    name="orders",
    versions=(Version(number=2, digest="new", path="/2"), Version(number=1, digest="old", path="/1")),
)


@pytest.fixture
def layout():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield Layout(data=folder)
    shutil.rmtree(folder)


def problem(code, status=503, **headers):
    body = orjson.dumps({"type": f"urn:intellyhub:problem:{code}"})
    return answer(status, body, **{"Content-Type": "application/problem+json"}, **headers)


def answer(status, body=b"{}", **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Worker:
    """Answers each connection with the next of its answers: bytes, or None to die."""

    def __init__(self, path, *answers):
        self.path, self.answers, self.requests = path, list(answers), []

    async def __aenter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.server = await asyncio.start_unix_server(self.serve, self.path)
        return self

    async def __aexit__(self, *fault):
        self.server.close()
        self.path.unlink(missing_ok=True)

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(given or b"HTTP/1.1 200 OK\r\nContent-Le")
        await writer.drain()
        writer.close()


def deliver(layout, *answers):
    async def go():
        async with Worker(layout.flow_socket("f" * 32, 2), *answers) as worker:
            return await asyncio.wait_for(
                Exchange(LocalFlows(layout), KEYS).deliver(DEPLOYMENT, EVENT), 10
            ), worker.requests

    return asyncio.run(go())


def test_the_flow_gets_the_event_and_its_own_token(layout):
    given, (request,) = deliver(layout, answer(200, b'{"x":1}', Retry="1"))
    assert (given.status, given.body, given.headers["retry"]) == (200, b'{"x":1}', "1")
    head, _, body = request.partition(b"\r\n\r\n")
    token = KEYS.token(Purpose.CALLER, DEPLOYMENT.journal_name)
    assert f"Authorization: Bearer {token}".encode() in head
    assert b"ce-subject: a%20b" in head
    assert orjson.loads(body) == {"a": "é"}


@pytest.mark.parametrize("passing", [None, *map(problem, ("stopping", "not-ready", "busy", "in-flight"))])
def test_what_passes_is_waited_out_with_the_same_event(layout, passing):
    given, requests = deliver(layout, passing, passing, answer(200))
    assert given.status == 200
    assert len(requests) == 3
    assert requests[0] == requests[1] == requests[2]


@pytest.mark.parametrize("final", [answer(500), answer(404), problem("run-retryable"), answer(503, b"[")])
def test_what_the_flow_says_for_good_is_its_answer(layout, final):
    given, requests = deliver(layout, final)
    assert given.status == int(final.split()[1])
    assert len(requests) == 1


def test_a_socket_that_is_not_there_yet_is_waited_for(layout):
    async def go():
        exchange = Exchange(LocalFlows(layout), KEYS)
        waiting = asyncio.create_task(exchange.deliver(DEPLOYMENT, EVENT))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        async with Worker(layout.flow_socket("f" * 32, 2), answer(200)):
            return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(go()).status == 200


def test_an_event_of_an_older_version_goes_there_once_its_socket_was_opened(layout):
    async def go():
        other = problem("other-version", 409, **{"X-IntellyHub-Version": "old"})
        async with (
            Worker(layout.flow_socket("f" * 32, 2), other),
            Worker(layout.socket("activator"), answer(204, b"")) as activator,
        ):
            delivering = asyncio.create_task(Exchange(LocalFlows(layout), KEYS).deliver(DEPLOYMENT, EVENT))
            async with asyncio.timeout(10):
                await until(lambda: activator.requests)
                async with Worker(layout.flow_socket("f" * 32, 1), answer(200, b"old")):
                    return await delivering, activator.requests

    given, asked = asyncio.run(go())
    assert given.body == b"old"
    assert asked[0].startswith(f"PUT /sockets/{'f' * 32}/1 ".encode())


def test_an_unknown_version_is_no_reason_to_ask_for_ever(layout):
    unknown = problem("other-version", 409, **{"X-IntellyHub-Version": "none"})
    given, requests = deliver(layout, unknown)
    assert given.status == 409
    assert len(requests) == 1


def test_versions_that_name_each_other_are_not_asked_without_a_pause(layout):
    async def go():
        first = problem("other-version", 409, **{"X-IntellyHub-Version": "old"})
        second = problem("other-version", 409, **{"X-IntellyHub-Version": "new"})
        async with (
            Worker(layout.flow_socket("f" * 32, 2), first) as one,
            Worker(layout.flow_socket("f" * 32, 1), second) as two,
            Worker(layout.socket("activator"), answer(204, b"")),
        ):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(Exchange(LocalFlows(layout), KEYS).deliver(DEPLOYMENT, EVENT), 0.3)
            return len(one.requests) + len(two.requests)

    assert asyncio.run(go()) < 10
