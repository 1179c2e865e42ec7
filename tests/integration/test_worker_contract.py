"""The worker's contract, asked of both servers as real processes over loopback (docs/worker.md)."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import Access, sign
from intellyhub_engine.serving.cloudevents import encode_data, make_headers
from intellyhub_engine.serving.message import Request
from intellyhub_functions.testing.ports import free_port
from tests.integration.workers import KEY, ROOT, TOKEN, framework, lean, make_settings, without_ids

BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = BEARER | {"Content-Type": "application/json"}
BROKER = {"Kn-Namespace": "tenant-a", "Prefer": "reply"}


def event(number, **data):
    return Event(
        id=f"e{number}", source="/s", type="t.made", subject="à b", data=data, datacontenttype="application/json"
    )


def binary(number, **data):
    made = event(number, **data)
    return dict(make_headers(made)) | {"Content-Type": "application/json"}, encode_data(made)[0]


def structured(number, **data):
    document = {"specversion": "1.0", "id": f"e{number}", "source": "/s", "type": "t.made", "data": data}
    return {"Content-Type": "application/cloudevents+json; charset=utf-8"}, orjson.dumps(document)


def signed(number, **data):
    body, content_type = encode_data(event(number, **data))
    made = sign(event(number, **data), body, KEY.encode(), time.time())
    return dict(make_headers(made)) | {"Content-Type": content_type}, body


def asked(headers_and_body, **more):
    headers, body = headers_and_body
    return {"headers": headers | more.pop("headers", {}), "body": body} | more


REQUESTS = {
    "a caller": {"headers": JSON, "body": b'{"kind": "x"}'},
    "a caller in chunks": {"headers": JSON, "body": b'{"kind": "x"}', "chunked": True},
    "a form": {"headers": BEARER | {"Content-Type": "application/x-www-form-urlencoded"}, "body": b"kind=f&kind=g"},
    "a text": {"headers": BEARER | {"Content-Type": "text/plain; charset=utf-8"}, "body": "già".encode()},
    "nothing": {"headers": BEARER},
    "another path": {"target": "/a/b%20c?q=1", "headers": JSON, "body": b'{"kind": "p"}', "method": "PUT"},
    "a failure": {"headers": JSON, "body": b'{"kind": "fail"}'},
    "a suspension": {"headers": JSON, "body": b'{"kind": "wait"}'},
    "later": {"headers": JSON | {"Prefer": "respond-async"}, "body": b'{"kind": "later"}'},
    "a key": {"headers": JSON | {"Idempotency-Key": "k1"}, "body": b'{"kind": "k"}'},
    "the same key": {"headers": JSON | {"Idempotency-Key": "k1"}, "body": b'{"kind": "other"}'},
    "an event": asked(binary(1, kind="b"), headers=BEARER),
    "a structured event": asked(structured(2, kind="s"), headers=BEARER),
    "the same event again": asked(structured(1, kind="other"), headers=BEARER),
    "a delivery": asked(signed(3, kind="d"), headers=BROKER),
    "the delivery again": asked(signed(3, kind="d"), headers=BROKER),
    "a delivery that fails": asked(signed(4, kind="fail"), headers=BROKER),
    "a delivery that waits": asked(signed(5, kind="wait"), headers=BROKER),
    "a delivery with a reply": asked(signed(6, kind="tell"), headers=BROKER),
    "the reply again": asked(signed(6, kind="tell"), headers=BROKER),
    "a delivery with a token": asked(structured(7, kind="d"), headers=BROKER | BEARER),
    "no token": {"headers": {"Content-Type": "application/json"}, "body": b"{}"},
    "a wrong token": {"headers": {"Authorization": "Bearer wrong"}},
    "an unsigned delivery": asked(binary(8, kind="d"), headers=BROKER),
    "a forged delivery": asked(signed(9, kind="d"), headers=BROKER | {"ce-id": "e10"}),
    "no JSON": {"headers": JSON, "body": b'{"kind":\n x}'},
    "a bad type": {"headers": BEARER | {"Content-Type": "image/png"}, "body": b"x"},
    "a bad event": asked(({"ce-specversion": "1.0", "ce-id": "1"}, b""), headers=BEARER),
    "a bad delivery": asked(({"ce-specversion": "0.3", "ce-id": "1", "ce-time": "x"}, b""), headers=BEARER | BROKER),
    "a batch": {"headers": BEARER | {"Content-Type": "application/cloudevents-batch+json"}, "body": b"[]"},
    "too much": {"headers": JSON, "body": b'"' + b"x" * 100_000 + b'"'},
    "too much in chunks": {"headers": JSON, "body": b'"' + b"x" * 100_000 + b'"', "chunked": True},
    "underscores": {"headers": JSON | {"ce_specversion": "1.0"}, "body": b"{}"},
    "GET": {"method": "GET", "headers": BEARER},
    "HEAD": {"method": "HEAD", "headers": BEARER},
    "DELETE": {"method": "DELETE", "headers": BEARER},
    "OPTIONS": {"method": "OPTIONS"},
    "health": {"method": "GET", "target": "/healthz"},
    "health by HEAD": {"method": "HEAD", "target": "/healthz"},
    "ready": {"method": "GET", "target": "/readyz"},
    "a run that is none": {"method": "GET", "target": "/runs/none", "headers": BEARER},
    "a decision for none": {
        "method": "PUT",
        "target": "/runs/none/decision",
        "headers": JSON,
        "body": b'{"decision":1}',
    },
    "a start": {"target": "/runs", "headers": JSON, "body": b'{"event": {"kind": "s"}, "variables": {"n": 1}}'},
    "a start with a key": {"target": "/runs", "headers": JSON | {"Idempotency-Key": "k2"}, "body": b"{}"},
    "a start later": {"target": "/runs", "headers": JSON | {"Prefer": "respond-async"}, "body": b"{}"},
    "a start that is none": {"target": "/runs", "headers": JSON, "body": b'{"evnt": 1}'},
    "a start without a token": {"target": "/runs", "body": b"{}"},
    "a signed start": asked(signed(10, kind="d"), target="/runs"),
    "a resumption of none": {"method": "PUT", "target": "/runs/none/resumption", "headers": BEARER},
    "a replay of none": {"target": "/runs/none/replays", "headers": BEARER},
    "a fork of none": {"target": "/runs/none/forks", "headers": JSON, "body": b'{"seq": 2}'},
    "a fork from nowhere": {"target": "/runs/none/forks", "headers": JSON, "body": b"{}"},
    "a fork by PUT": {"method": "PUT", "target": "/runs/none/forks", "headers": JSON, "body": b'{"seq": 2}'},
    "OPTIONS of runs": {"method": "OPTIONS", "target": "/runs"},
    "metrics without a token": {"method": "GET", "target": "/metrics"},
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        both = []
        for make in (lean, framework):
            worker = make(tmp_path_factory.mktemp(make.__name__))
            stack.callback(worker.close)
            both.append(worker)
        yield tuple(worker.wait_until_it_listens() for worker in both)


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(make=lean, **choices):
            worker = make(tmp_path, **choices)
            stack.callback(worker.close)
            return worker.wait_until_it_listens()

        yield start


@pytest.mark.parametrize("name", REQUESTS)
def test_both_servers_give_the_same_answer(servers, name):
    answers = [without_ids(server.ask(**REQUESTS[name])) for server in servers]
    assert answers[0] == answers[1]
    status, headers, body = answers[0]
    if "Kn-Namespace" in REQUESTS[name].get("headers", {}):
        assert body == b"" or "ce-id" in headers or status >= 400
    if status >= 400:
        assert len(body) <= 768


def test_the_answers_are_those_that_the_contract_names(servers):
    expected = {
        "a caller": 200,
        "a failure": 500,
        "a suspension": 202,
        "later": 202,
        "a delivery": 204,
        "a delivery that fails": 204,
        "a delivery that waits": 202,
        "a delivery with a reply": 200,
        "no token": 401,
        "a forged delivery": 401,
        "no JSON": 400,
        "a bad type": 415,
        "too much": 413,
        "too much in chunks": 413,
        "GET": 405,
    }
    assert {name: servers[0].ask(**REQUESTS[name])[0] for name in expected} == expected


def test_a_repeated_event_is_answered_with_the_run_it_made(servers):
    for server in servers:
        first, again = (orjson.loads(server.ask(**REQUESTS["an event"])[2]) for _ in range(2))
        assert first == again


def test_a_reply_is_an_event_that_another_worker_accepts(servers):
    for server in servers:
        status, headers, body = server.ask(**REQUESTS["a delivery with a reply"])
        assert (status, orjson.loads(body)) == (200, {"n": 2, "text": "é"})
        assert (headers["ce-type"], headers["ce-flow"]) == ("t.second", "next")
        Access(secrets=(KEY.encode(),)).admit(Request("POST", "/", headers, body), time.time())


def test_a_waiting_run_is_looked_at_decided_and_answered(servers):
    for server in servers:
        _, headers, _ = server.ask(headers=JSON, body=b'{"kind": "wait"}')
        place = headers["location"]
        assert orjson.loads(server.ask("GET", place, headers=BEARER)[2])["status"] == "waiting"
        status, _, body = server.ask("PUT", f"{place}/decision", b'{"decision": "yes"}', JSON)
        assert (status, orjson.loads(body)["output"]) == (200, {"decision": "yes"})
        assert server.ask("PUT", f"{place}/decision", b'{"decision": "no"}', JSON)[0] == 400
        assert server.ask("PUT", f"{place}/cancellation", headers=BEARER)[0] == 409


def test_metrics_are_told_to_bearers(servers):
    for server in servers:
        status, headers, body = server.ask("GET", "/metrics", headers=BEARER)
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b'intellyhub_runs_in_flight{flow="contract"} 0\n' in body


def send_and_wait_for_the_run(worker, kind):
    """Post without reading the answer; back when the run is under way."""
    sock = worker.connect()
    body = b'{"kind": "' + kind + b'"}'
    head = f"POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    sock.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    deadline = time.monotonic() + 20
    while b'intellyhub_runs_in_flight{flow="contract"} 1\n' not in worker.ask("GET", "/metrics", headers=BEARER)[2]:
        assert time.monotonic() < deadline
    return sock


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_told_worker_answers_what_is_in_flight_and_exits_with_0(start, number):
    worker = start(INTELLYHUB_CONCURRENCY="0")
    with send_and_wait_for_the_run(worker, b"nap") as sock:
        worker.process.send_signal(number)
        with contextlib.suppress(ConnectionError):
            assert worker.ask(headers=JSON, body=b'{"kind": "new"}')[0] == 200
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert worker.process.wait(20) == 0
    assert "Traceback" not in worker.log.read_text()


def test_a_worker_that_is_told_twice_does_not_wait(start):
    worker = start()
    with send_and_wait_for_the_run(worker, b"nap"):
        worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while worker.process.poll() is None and time.monotonic() < deadline:
            worker.process.send_signal(signal.SIGTERM)
            time.sleep(0.005)
    assert worker.process.wait(1) == 128 + signal.SIGTERM


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_a_worker_that_is_process_1_hears_sigterm_and_answers_first(start):
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("this kernel gives no new process namespace")
    worker = start(prefix=("unshare", "--pid", "--fork", "--kill-child"))
    shell = worker.process.pid
    with send_and_wait_for_the_run(worker, b"nap") as sock:
        first = int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])
        status = Path(f"/proc/{first}/status").read_text().splitlines()
        assert [line.split()[-1] for line in status if line.startswith("NSpid")] == ["1"]
        os.kill(first, signal.SIGTERM)
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert worker.process.wait(20) == 0


def test_a_run_whose_worker_was_killed_is_resumed_by_the_next_one(start):
    settings = {"INTELLYHUB_LEASE_SECONDS": "1", "INTELLYHUB_SWEEP_SECONDS": "0.1"}
    killed = start(**settings)
    headers = JSON | {"Prefer": "respond-async"}
    place = killed.ask(headers=headers, body=b'{"kind": "pause"}')[1]["location"]
    killed.process.kill()
    killed.process.wait(10)
    following = start(**settings)
    deadline = time.monotonic() + 20
    while (run := orjson.loads(following.ask("GET", place, headers=BEARER)[2]))["status"] != "succeeded":
        assert time.monotonic() < deadline, run
        time.sleep(0.02)
    assert run["output"] == {"kind": "pause"}


def test_an_idle_worker_exits(start):
    worker = start(INTELLYHUB_IDLE_SECONDS="0.2")
    assert worker.process.wait(20) == 0


def test_a_worker_on_an_inherited_socket_serves_who_came_before_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        with socket.create_connection(listener.getsockname(), timeout=30) as early:
            early.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            worker = lean(tmp_path, pass_fds=(fd,), INTELLYHUB_LISTEN_FD=str(fd))
            with contextlib.closing(worker):
                assert early.recv(4096).startswith(b"HTTP/1.1 200 ")
                assert worker.stop() == 0


def test_a_worker_on_a_unix_socket_replaces_a_dead_one(tmp_path):
    place = tmp_path / "worker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    worker = lean(tmp_path, INTELLYHUB_SOCKET=str(place))
    with contextlib.closing(worker):
        deadline = time.monotonic() + 20
        while not healthy({"INTELLYHUB_SOCKET": str(place)}):
            assert time.monotonic() < deadline
        second = lean(tmp_path, INTELLYHUB_SOCKET=str(place))
        assert second.process.wait(20) == 2
        assert worker.stop() == 0
    assert "another process listens there" in second.log.read_text()


def healthy(settings):
    command = [sys.executable, "-m", "intellyhub_engine.serving.health"]
    return subprocess.run(command, env={"PATH": os.environ["PATH"], **settings}).returncode == 0


def test_the_health_check_needs_neither_shell_nor_client(servers):
    for server in servers:
        assert healthy({"PORT": str(server.port)})
    assert not healthy({"PORT": str(free_port())})
    assert not healthy({"PORT": "no number"})


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (
            {
                "PORT": "99999",
                "INTELLYHUB_AUTH": "maybe",
                "INTELLYHUB_IDLE_SECONDS": "soon",
                "INTELLYHUB_WORKER_TOKENS": "x",
            },
            (
                "PORT is '99999'",
                "INTELLYHUB_AUTH is 'maybe'",
                "INTELLYHUB_IDLE_SECONDS is 'soon'",
                "INTELLYHUB_WORKER_TOKENS",
            ),
        ),
        ({"INTELLYHUB_WORKER_TOKENS": "", "INTELLYHUB_DELIVERY_SECRETS": ""}, ("INTELLYHUB_AUTH=none",)),
        ({"INTELLYHUB_FLOW": "/nowhere/flow.yaml"}, ("/nowhere/flow.yaml", "INTELLYHUB_FLOW")),
        ({"INTELLYHUB_FLOW": str(ROOT / "LICENSE")}, ("line",)),
        ({"INTELLYHUB_JOURNAL": "/proc/journal.db"}, ("/proc/journal.db",)),
        ({"INTELLYHUB_WORKSPACE": "/proc/x"}, ("INTELLYHUB_WORKSPACE",)),
        ({"INTELLYHUB_HOST": "192.0.2.1"}, ("192.0.2.1", "INTELLYHUB_HOST")),
        ({"INTELLYHUB_LISTEN_FD": "0"}, ("INTELLYHUB_LISTEN_FD",)),
    ],
)
def test_a_worker_that_cannot_start_says_why_and_exits_with_2(tmp_path, settings, parts):
    worker = lean(tmp_path, **make_settings(tmp_path) | settings)
    assert worker.process.wait(30) == 2
    log = worker.log.read_text()
    assert "Traceback" not in log
    assert all(part in log for part in parts), log


def test_functions_framework_without_a_flow_answers_503_and_logs_why(start):
    worker = start(framework, INTELLYHUB_FLOW="/nowhere/flow.yaml")
    status, headers, body = worker.ask("GET", "/readyz")
    assert (status, headers["content-type"]) == (503, "application/problem+json")
    assert b"nowhere" not in body
    assert "/nowhere/flow.yaml" in worker.log.read_text()


def test_a_starting_worker_says_when_it_is_open_to_all(start):
    worker = start(INTELLYHUB_AUTH="none")
    assert worker.ask(headers={"Content-Type": "application/json"}, body=b"{}")[0] == 200
    assert "open to everyone" in worker.log.read_text()


def test_no_token_is_ever_logged_or_handed_down(start):
    worker = start()
    worker.ask(headers={"Authorization": "Bearer wrong"})
    worker.stop()
    log = worker.log.read_text()
    assert TOKEN not in log
    assert KEY not in log
