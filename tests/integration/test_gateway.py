"""The gateway as a process: hooks. What stands behind it are doubles, or the real journal service."""

import asyncio
import hashlib
import hmac
import json
import signal
import socket
import threading
import time

import pytest

from intellyhub_knative.platform.flow_socket import ask, make_request
from tests.integration.front import front, ok
from tests.integration.platform_processes import await_that


@pytest.fixture(scope="module")
def shared():
    """A gateway that tests share who write tenants and flows of their own."""
    with front(INTELLYHUB_GATEWAY_CONTROL_SECONDS="0.3", INTELLYHUB_TRUSTED_PROXIES="10.0.0.0/8") as made:
        made.tenant()
        yield made


def test_a_request_is_an_event_for_its_flow_and_the_flows_answer_is_its_answer(shared):
    flow = shared.flow("plain")
    worker = shared.worker(flow, lambda got: ok({"output": 42}, 200, **{"Intellyhub-Run": "r1"}))
    said = shared.ask("POST", "/hooks/acme/plain/a%20b?x=1", {"order": 7}, Idempotency_Key="k1", Cookie="c")
    assert (said.status, said.json, said.headers["intellyhub-run"]) == (200, {"output": 42}, "r1")
    (got,) = worker.got
    assert got.headers["authorization"].startswith("Bearer ")
    assert (got.headers["ce-id"], got.headers["ce-source"]) == ("k1", flow.address)
    assert (got.headers["ce-type"], got.headers["ce-flow"]) == ("io.intellyhub.webhook.request", flow.flow_id)
    data = got.data
    assert (data["method"], data["path"], data["query"]) == ("POST", "/a%20b", {"x": "1"})
    assert (data["body"], data["payload"], data["ip"]) == ({"order": 7}, {"order": 7}, "127.0.0.1")
    assert "cookie" not in data["headers"]


def test_a_problem_of_the_flow_is_relayed(shared):
    flow = shared.flow("broken")
    shared.worker(flow, lambda got: (500, {"Content-Type": "application/problem+json"}, b'{"detail":"broken"}'))
    said = shared.ask("POST", "/hooks/acme/broken", {})
    assert (said.status, said.headers["content-type"], said.json["detail"]) == (
        500,
        "application/problem+json",
        "broken",
    )


def test_a_flow_cannot_show_a_page_under_the_consoles_origin(shared):
    page = (200, {"Content-Type": "text/html", "Set-Cookie": "a=b", "Location": "http://elsewhere"}, b"<script>")
    shared.worker(shared.flow("page"), lambda got: page)
    said = shared.ask("POST", "/hooks/acme/page", {})
    assert said.headers["content-type"] == "application/octet-stream"
    assert said.headers["x-content-type-options"] == "nosniff"
    assert not {"set-cookie", "location"} & set(said.headers)


def test_a_waiting_run_is_found_at_the_platforms_address(shared):
    flow = shared.flow("waiting")
    shared.worker(flow, lambda got: ok({"run_id": "r"}, 202, Location="/runs/r"))
    said = shared.ask("POST", "/hooks/acme/waiting", {})
    assert (said.status, said.headers["location"]) == (202, "/api/runs/r")


def test_whatever_is_missing_the_answer_is_the_same(shared):
    shared.tenant("gone", suspended=True)
    unknown = shared.ask("POST", "/hooks/nobody/nothing", {})
    for flow in (
        shared.flow("inactive", active=False),
        shared.flow("timed", listener={"type": "schedule"}),
        shared.flow("orders", tenant="gone"),
        shared.flow("unlistened", listener={}),
    ):
        worker = shared.worker(flow)
        said = shared.ask("POST", f"/hooks/{flow.tenant_slug}/{flow.slug}", {})
        assert (said.status, said.body) == (404, unknown.body)
        assert worker.got == []
    assert shared.ask("POST", "/hooks/acme", {}).status == 404
    assert shared.ask("POST", "/hooks//x", {}).body == unknown.body


def test_a_flow_of_one_tenant_is_not_found_under_another(shared):
    shared.tenant("other")
    worker = shared.worker(shared.flow("mine"))
    assert shared.ask("POST", "/hooks/other/mine", {}).status == 404
    assert worker.got == []


def test_a_flow_answers_from_the_moment_it_is_published_until_the_moment_it_is_not(shared):
    for n in range(20):
        flow = shared.flow("restless", active=bool(n % 2))
        if n == 0:
            shared.worker(flow)
        assert shared.ask("POST", "/hooks/acme/restless", {}).status == (200 if n % 2 else 404)


def test_methods_are_those_of_the_listener(shared):
    worker = shared.worker(shared.flow("methods", listener={"type": "webhook", "methods": ["GET", "DELETE", "HEAD"]}))
    said = shared.ask("POST", "/hooks/acme/methods", {})
    assert (said.status, said.headers["allow"]) == (405, "DELETE, GET, HEAD")
    assert shared.ask("GET", "/hooks/acme/methods?a=1").status == 200
    assert shared.ask("DELETE", "/hooks/acme/methods").status == 200
    assert shared.ask("HEAD", "/hooks/acme/methods").body == b""
    assert [got.data["method"] for got in worker.got] == ["GET", "DELETE", "HEAD"]


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_signed_hook_takes_signed_requests_and_a_new_secret_counts_at_once(shared):
    shared.tenant("signed", {"HOOK_SECRET": "gehéim"}, variables={"STYLE": "github"})
    listener = {"type": "webhook", "secret": "{HOOK_SECRET}", "signature": "{STYLE}"}
    worker = shared.worker(shared.flow("orders", tenant="signed", listener=listener))
    ask = lambda secret: shared.ask(  # noqa: E731
        "POST", "/hooks/signed/orders", b"{}", X_Hub_Signature_256=sign(secret, b"{}"), X_GitHub_Delivery="d1"
    )
    assert ask("another").status == 401
    assert shared.ask("POST", "/hooks/signed/orders", b"{}").status == 401
    assert worker.got == []
    assert ask("gehéim").status == 200
    assert ask("gehéim").status == 200
    assert [got.headers["ce-id"] for got in worker.got] == ["d1", "d1"]  # a replay finds the first run
    shared.tenant("signed", {"HOOK_SECRET": "rotated"}, variables={"STYLE": "github"})
    assert ask("gehéim").status == 401
    assert ask("rotated").status == 200


def hook_of(front, flow):
    """What the gateway says of a flow's hook on its own socket."""
    said = asyncio.run(ask(front.layout.socket("gateway"), make_request("GET", "/sources", [], b"")))
    [told] = [item for item in json.loads(said.body)["items"] if item["flow_id"] == flow.flow_id]
    return told


def test_a_hook_says_how_it_is_before_and_after_it_is_called(shared):
    flow = shared.flow("shown")
    told = hook_of(shared, flow)
    assert (told["connected"], told["message"], told["events"], told["last_event_at"]) == (True, "open", 0, None)
    shared.worker(flow)
    assert shared.ask("POST", "/hooks/acme/shown", {}).status == 200
    told = hook_of(shared, flow)
    assert (told["tenant_id"], told["events"]) == (flow.tenant_id, 1)
    assert told["last_event_at"].endswith("Z")


def test_a_closed_hook_tells_its_reason_without_the_secret(shared):
    shared.tenant("leaky", {"RANGE": "s3cret-range"})
    flow = shared.flow("leak", tenant="leaky", listener={"type": "webhook", "allowed_ips": "{RANGE}"})
    told = hook_of(shared, flow)
    assert told["connected"] is False
    assert "s3cret" not in told["message"]


def test_the_variables_of_a_run_are_not_for_strangers(shared):
    flow = shared.flow("silent")
    document = {"run_id": "r", "status": "succeeded", "end_state": "end", "variables": {"key": "private"}}
    shared.worker(flow, lambda got: ok(document))
    said = shared.ask("POST", "/hooks/acme/silent", {})
    assert said.json == {"run_id": "r", "status": "succeeded", "end_state": "end"}
    flow = shared.flow("telling")
    spoken = {"run_id": "r", "output": {"variables": {"key": "meant to be told"}}}
    shared.worker(flow, lambda got: ok(spoken))
    assert shared.ask("POST", "/hooks/acme/telling", {}).json == spoken


@pytest.mark.parametrize(
    "listener",
    [
        {"secret": "{MISSING}"},
        {"secret": "{LOOKED_UP}"},
        {"secret": ""},
        {"secret": "{NOTHING}"},
        {"secret": None},
        {"signature": "github"},
        {"secret": "s", "signature": "nonsense"},
        {"allowed_ips": ["300.1.1.1"]},
        {"max_body_bytes": "many"},
    ],
)
def test_a_hook_whose_listener_cannot_be_used_lets_nobody_in(shared, listener):
    flow = shared.flow(
        "closed", listener={"type": "webhook", **listener}, variables={"LOOKED_UP": "{LOOKED_UP}", "NOTHING": None}
    )
    worker = shared.worker(flow)
    said = shared.ask("POST", "/hooks/acme/closed", b"{}", X_Webhook_Secret="{LOOKED_UP}")
    assert (said.status, said.json["type"]) == (503, "urn:intellyhub:problem:listener-faulty")
    assert worker.got == []
    told = hook_of(shared, flow)
    assert (told["connected"], told["events"]) == (False, 0)
    assert told["message"]
    assert told["last_contact_at"]


def test_addresses_are_the_peers_own_unless_a_trusted_proxy_tells(shared):
    shared.worker(shared.flow("near", listener={"type": "webhook", "allowed_ips": "127.0.0.0/8"}))
    shared.worker(shared.flow("far", listener={"type": "webhook", "allowed_ips": ["192.0.2.0/24"]}))
    assert shared.ask("POST", "/hooks/acme/near", {}, X_Forwarded_For="192.0.2.1").status == 200
    assert shared.ask("POST", "/hooks/acme/far", {}, X_Forwarded_For="192.0.2.1").status == 403


def test_bodies_have_a_limit_whether_their_length_is_told_or_not(shared):
    worker = shared.worker(shared.flow("small", listener={"type": "webhook", "max_body_bytes": 10}))
    assert shared.ask("POST", "/hooks/acme/small", b"x" * 11).status == 413
    assert shared.ask("POST", "/hooks/acme/small", iter([b"x" * 6] * 2)).status == 413
    assert worker.got == []
    assert shared.ask("POST", "/hooks/acme/small", iter([b"x" * 5] * 2)).status == 200
    assert shared.ask("POST", "/hooks/acme/small", b"{", Content_Type="application/json").status == 400
    assert shared.ask("POST", "/hooks/acme/small", b"{}", Content_Encoding="gzip").status == 415


def test_slacks_challenge_is_answered_and_makes_no_run(shared):
    worker = shared.worker(shared.flow("slack"))
    said = shared.ask("POST", "/hooks/acme/slack", {"type": "url_verification", "challenge": "c<b>"})
    assert (said.status, said.body, said.headers["x-content-type-options"]) == (200, b"c<b>", "nosniff")
    assert said.headers["content-type"].startswith("text/plain")
    assert worker.got == []


def test_a_client_that_asks_whether_its_body_is_wanted_is_told(shared):
    shared.worker(shared.flow("expecting"))
    head = b"POST /hooks/acme/expecting HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_worker_that_dies_gets_the_same_event_again_and_the_sender_never_knows(shared):
    said = iter(
        [
            None,
            None,
            (503, {"Content-Type": "application/problem+json"}, b'{"type":"urn:intellyhub:problem:in-flight"}'),
            ok({"done": True}),
        ]
    )
    worker = shared.worker(shared.flow("dying"), lambda got: next(said))
    assert shared.ask("POST", "/hooks/acme/dying", {}).json == {"done": True}
    assert len({got.headers["ce-id"] for got in worker.got}) == 1
    assert len(worker.got) == 4


def test_a_flow_that_has_no_socket_yet_is_waited_for(shared):
    flow = shared.flow("late")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(shared.ask("POST", "/hooks/acme/late", {})))
    asking.start()
    time.sleep(0.1)  # the gateway meets nobody
    shared.worker(flow)
    asking.join(10)
    assert answers[0].status == 200


@pytest.mark.parametrize(
    "content",
    [
        b"POST /hooks/acme/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /hooks/acme/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /hooks/acme/x HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /hooks/acme/x HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_proper_request_is_refused_and_ends_the_connection(shared, content):
    assert shared.raw(content).split(b" ")[1] in (b"400", b"431")


@pytest.mark.slow
def test_who_opens_a_connection_and_says_nothing_is_shown_the_door():
    with front(INTELLYHUB_GATEWAY_HEADER_SECONDS="0.2", INTELLYHUB_GATEWAY_BODY_SECONDS="0.3") as made:
        made.tenant()
        made.worker(made.flow())
        assert made.raw(b"") == b""
        assert made.raw(b"POST /hooks/acme/orders HTTP/1.1\r\nHost: x\r\nX: ") == b""
        slow = made.raw(b"POST /hooks/acme/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        assert slow.startswith(b"HTTP/1.1 408 ")
        assert made.ask("POST", "/hooks/acme/orders", {}).status == 200


@pytest.mark.slow
def test_large_bodies_under_way_are_bounded_and_small_ones_pass():
    with front(INTELLYHUB_GATEWAY_BODY_BYTES=str(1 << 20)) as made:
        made.tenant()
        held, let_go = threading.Event(), threading.Event()

        def hold(got):
            held.set()
            let_go.wait(20)
            return ok({})

        made.worker(made.flow("slow"), hold)
        made.worker(made.flow("quick"))
        large = {"x": "y" * 900_000}
        answers = []
        asking = threading.Thread(target=lambda: answers.append(made.ask("POST", "/hooks/acme/slow", large)))
        asking.start()
        assert held.wait(20)
        refused = made.ask("POST", "/hooks/acme/quick", large)
        assert (refused.status, refused.json["type"]) == (503, "urn:intellyhub:problem:busy")
        assert made.ask("POST", "/hooks/acme/quick", {}).status == 200
        let_go.set()
        asking.join(20)
        assert answers[0].status == 200
        assert made.ask("POST", "/hooks/acme/quick", large).status == 200


@pytest.mark.slow
def test_more_connections_than_allowed_are_told_to_come_back():
    with front(INTELLYHUB_GATEWAY_CONNECTIONS="2") as made:
        made.tenant()
        made.worker(made.flow())
        with (
            socket.create_connection(("127.0.0.1", made.port)),
            socket.create_connection(("127.0.0.1", made.port)),
        ):
            said = await_that(lambda: (found := made.ask("POST", "/hooks/acme/orders", {})).status == 503 and found)
            assert said.json["type"] == "urn:intellyhub:problem:busy"
        await_that(lambda: made.ask("POST", "/hooks/acme/orders", {}).status == 200)


@pytest.mark.slow
def test_who_does_not_wait_is_told_when_the_event_is_on_the_disk():
    with front(journal=True) as made:
        made.tenant()
        flow = made.flow()
        worker = made.worker(flow)
        said = made.ask("POST", "/hooks/acme/orders", {"n": 1}, Prefer="respond-async", X_GitHub_Delivery="d1")
        assert (said.status, said.json["event_id"]) == (202, "d1")
        assert said.headers["preference-applied"] == "respond-async"
        assert worker.got == []
        client = made.client()
        (stored,) = client.unrouted()
        client.close()
        assert (stored.event.id, stored.event.source) == ("d1", flow.address)
        assert stored.event.extensions["flow"] == flow.flow_id
        assert stored.event.data["body"] == {"n": 1}


@pytest.mark.slow
def test_a_sender_whose_patience_ends_is_told_that_its_event_is_kept():
    with front(journal=True) as made:
        made.tenant()
        release = threading.Event()
        flow = made.flow(listener={"type": "webhook", "reply_timeout": 0.2})
        worker = made.worker(flow, lambda got: release.wait(10) and ok({}))
        said = made.ask("POST", "/hooks/acme/orders", {"n": 1})
        release.set()
        assert (said.status, said.json["status"]) == (202, "accepted")
        client = made.client()
        (stored,) = client.unrouted()
        client.close()
        assert stored.event.id == said.json["event_id"] == worker.got[0].headers["ce-id"]


@pytest.mark.slow
def test_told_to_stop_it_answers_what_is_in_flight_and_ends_with_0():
    with front(journal=True) as made:
        made.tenant()
        release = threading.Event()
        worker = made.worker(made.flow("quick"), lambda got: release.wait(10) and ok({"in": "time"}))
        slow = made.worker(made.flow("slow"), lambda got: None if made.gateway.poll() is None else ok({}))
        answers = {}
        asking = [
            threading.Thread(target=lambda s=slug: answers.update({s: made.ask("POST", f"/hooks/acme/{s}", {})}))
            for slug in ("quick", "slow")
        ]
        for thread in asking:
            thread.start()
        await_that(lambda: worker.got and slow.got)
        began = time.monotonic()
        made.gateway.send_signal(signal.SIGTERM)
        release.set()
        assert made.gateway.wait(10) == 0
        assert time.monotonic() - began < 5
        for thread in asking:
            thread.join(10)
        assert answers["quick"].json == {"in": "time"}
        assert answers["slow"].status == 202  # kept for the broker, since nobody could say more


def test_no_answer_tells_which_software_wrote_it(shared):
    shared.worker(shared.flow("quiet"))
    shared.control(lambda got: ok({}, Server="gunicorn"))
    for target in ("/hooks/acme/quiet", "/hooks/acme/none", "/api"):
        assert "server" not in shared.ask("POST", target, {}).headers
    assert b"server:" not in shared.raw(b"nonsense\r\n\r\n").lower()
    assert b"aiohttp" not in shared.raw(b"nonsense\r\n\r\n").lower()


def test_it_counts_what_it_answered(shared):
    shared.ask("POST", "/hooks/nobody/nothing", {})
    page = asyncio.run(ask(shared.layout.socket("gateway"), make_request("GET", "/metrics", [], b"")))
    assert b'intellyhub_gateway_answers_total{part="hooks",status="404"}' in page.body
