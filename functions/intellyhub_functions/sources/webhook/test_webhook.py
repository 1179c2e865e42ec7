"""The webhook source, called over HTTP."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import hashlib
import hmac
import json
import socket
import threading
from pathlib import Path

import pytest
import urllib3

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import Reply
from intellyhub_functions.sources.webhook.webhook import listen
from intellyhub_functions.testing.answering import Answering
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import await_that, make_context


class Hook(Answering):
    """A listening webhook whose events are answered by `reply` in a consumer's thread."""

    def __init__(self, tmp_path, **parameters):
        super().__init__(listen, tmp_path, **parameters)

    def post(self, body=b"", url=None, method="POST", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with urllib3.PoolManager() as pool:
            answer = pool.request(method, url or self.url, body=body, headers=names, retries=False, timeout=5)
            return answer.status, answer.json()


def test_a_request_is_an_event_and_its_caller_gets_the_runs_answer(tmp_path):
    with Hook(tmp_path, path="/orders") as hook:
        body = json.dumps({"order_id": 7}).encode()
        answer = hook.post(body, url=hook.url + "?a=1", content_type="application/json", x_request_id="r-1")
        assert answer == (200, {"answer": 42})
    data = hook.events[0].data
    assert (data["method"], data["body"], data["path"], data["query"]) == (
        "POST",
        {"order_id": 7},
        "/orders",
        {"a": "1"},
    )
    assert (hook.events[0].id, data["ip"], data["payload"]) == ("r-1", "127.0.0.1", {"order_id": 7})


def test_without_a_body_the_answer_says_success(tmp_path):
    with Hook(tmp_path) as hook:
        hook.reply = Reply()
        assert hook.post() == (200, {"status": "success"})


def test_forms_and_texts_are_read(tmp_path):
    with Hook(tmp_path) as hook:
        hook.post(b"a=1&b=2&b=3", content_type="application/x-www-form-urlencoded")
        hook.post(b"plain", content_type="text/plain")
    assert [event.data["body"] for event in hook.events] == [{"a": "1", "b": ["2", "3"]}, "plain"]


def test_a_run_that_takes_long_is_accepted_without_its_answer(tmp_path):
    with Hook(tmp_path, reply_timeout=0.05) as hook:
        hook.reply = None
        assert hook.post() == (202, {"status": "accepted"})


def test_a_caller_whose_event_nobody_takes_is_sent_away_and_the_event_dropped(tmp_path):
    found: list[str] = []
    context = make_context(tmp_path, report=lambda health: found.append(health.address or ""))
    events = listen({"port": 0, "reply_timeout": 0.05}, context)
    blocked = threading.Thread(target=lambda: next(events), daemon=True)
    blocked.start()
    await_that(lambda: found)
    with urllib3.PoolManager() as pool:
        assert pool.request("POST", found[0], retries=False, timeout=5).status == 202  # taken, never answered
        answer = pool.request("POST", found[0], retries=False, timeout=5)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    context.stopping.set()
    blocked.join()
    assert list(events) == []


@pytest.mark.parametrize(
    "proof",
    [
        {"x_webhook_secret": "s3"},
        {"x_gitlab_token": "s3"},
        {"authorization": "Bearer s3"},
        {"x_hub_signature_256": "sha256=" + hmac.new(b"s3", b"{}", hashlib.sha256).hexdigest()},
    ],
)
def test_a_secret_is_shown_or_signs_the_body(tmp_path, proof):
    with Hook(tmp_path, secret="s3") as hook:
        assert hook.post(b"{}", **proof)[0] == 200
    assert "s3" not in str(hook.events[0].data)


@pytest.mark.parametrize("proof", [{}, {"x_webhook_secret": "wrong"}, {"x_hub_signature_256": "sha256=00"}])
def test_without_the_secret_there_is_no_event(tmp_path, proof):
    with Hook(tmp_path, secret="s3") as hook:
        assert hook.post(b"{}", **proof)[0] == 401
    assert hook.events == []


@pytest.mark.parametrize(
    ("parameters", "request_parts", "status"),
    [
        ({}, {"url": "/elsewhere"}, 404),
        ({}, {"method": "DELETE"}, 405),
        ({"allowed_ips": ["10.0.0.0/8"]}, {}, 403),
        ({"allowed_ips": "127.0.0.0/8"}, {}, 200),
        ({"max_body_bytes": 3}, {"body": b"1234"}, 413),
        ({}, {"body": b"{", "content_type": "application/json"}, 400),
    ],
)
def test_only_requests_within_the_rules_are_accepted(tmp_path, parameters, request_parts, status):
    with Hook(tmp_path, **parameters) as hook:
        if "url" in request_parts:
            request_parts = {"url": hook.url + request_parts["url"]}
        assert hook.post(**request_parts)[0] == status


def test_a_taken_port_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PermanentError, match="cannot listen on"):
            next(listen({"port": taken.getsockname()[1]}, make_context(tmp_path)))


def test_a_network_that_is_none_is_refused(tmp_path):
    with pytest.raises(PermanentError, match="allowed_ips"):
        next(listen({"allowed_ips": ["300.0.0.1"]}, make_context(tmp_path)))


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Content-Length: 0\r\nContent-Length: 2\r\n", b"{}", b"400"),
        (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}", b"400"),
        (b"Content-Length: \xb2\r\n", b"{}", b"411"),
        (b"Content-Length: +2\r\n", b"{}", b"411"),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", b"{}", b"411"),
        (b"Content-Length: 100\r\n", b"{}", b"400"),
    ],
)
def test_a_request_whose_length_is_in_doubt_is_no_event(tmp_path, head, body, status):
    with Hook(tmp_path) as hook:
        host, port = hook.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + body)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100).split()[1] == status
    assert hook.events == []


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert "{" not in (tmp_path / "seen.txt").read_text()
