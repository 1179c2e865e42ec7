"""Protocol hooks while what stands behind them dies, hangs or is away."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import hashlib
import json
import socket
import threading

import pytest

from intellyhub_functions.testing.surroundings import await_that
from tests.integration.front import front, ok

TOKEN = "ihub_token-of-a-program"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tool", "arguments": {}}}
MESSAGE = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
SEND = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": MESSAGE}}
GET = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "t1"}}


@pytest.fixture(scope="module")
def shared():
    with front(journal=True) as made:
        made.tenant(event_token_digests=(DIGEST,))
        yield made


def test_a_worker_that_dies_in_a_call_is_not_the_callers_trouble(shared):
    flow = shared.flow("tool", listener={"type": "mcp"})
    answers = iter([None, ok({"run_id": "r", "status": "succeeded", "output": {"n": 1}})])
    worker = shared.worker(flow, lambda got: next(answers))
    said = shared.ask("POST", "/hooks/acme/tool", CALL, Authorization=f"Bearer {TOKEN}")
    assert said.json["result"]["structuredContent"] == {"n": 1}
    ids = [got.headers["ce-id"] for got in worker.got]
    assert len(ids) == 2
    assert ids[0] == ids[1]  # the same event


def test_a_call_that_takes_too_long_is_stored_and_said_to_go_on(shared):
    flow = shared.flow("tool", listener={"type": "mcp", "reply_timeout": 0.2})
    worker = shared.worker(flow, lambda got: threading.Event().wait(1) or ok({}))
    said = shared.ask("POST", "/hooks/acme/tool", CALL, Authorization=f"Bearer {TOKEN}", Idempotency_Key="late")
    assert said.json["result"]["isError"]
    assert "goes on" in said.json["result"]["content"][0]["text"]
    assert worker.got
    client = shared.client()
    assert [stored.event.id for stored in client.unrouted() if stored.event.id == "late"] == ["late"]
    client.close()


def test_a_caller_who_hangs_up_in_a_stream_leaves_the_run_alone(shared):
    flow = shared.flow("agent", listener={"type": "a2a", "public": True})
    going, ended = threading.Event(), threading.Event()

    def work(got):
        going.wait(10)
        ended.set()
        return ok({"run_id": "r", "status": "succeeded", "output": 1})

    worker = shared.worker(flow, work)
    body = json.dumps({**SEND, "method": "SendStreamingMessage"}).encode()
    head = f"POST /hooks/acme/agent HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        received = b""
        while b"TASK_STATE_SUBMITTED" not in received:
            received += connection.recv(65536)
        await_that(lambda: worker.got)
    going.set()
    assert ended.wait(10)
    assert len(worker.got) == 1
    assert shared.ask("POST", "/hooks/acme/agent", GET).json["error"]["code"] == -32001


def test_a_stream_tells_of_a_flow_that_failed(shared):
    flow = shared.flow("agent", listener={"type": "a2a", "public": True})
    problem = b'{"detail": "no such picture", "run_id": "r"}'
    shared.worker(flow, lambda got: (500, {"Content-Type": "application/problem+json"}, problem))
    said = shared.ask("POST", "/hooks/acme/agent", {**SEND, "method": "message/stream"})
    assert said.headers["content-type"] == "text/event-stream"
    frames = [json.loads(line[6:])["result"] for line in said.body.splitlines() if line.startswith(b"data: ")]
    assert [frame["kind"] for frame in frames] == ["task", "status-update"]
    assert (frames[1]["status"]["state"], frames[1]["final"]) == ("failed", True)
    assert frames[1]["status"]["message"]["parts"][0]["text"] == "no such picture"


def test_a_token_without_a_value_closes_the_server(shared):
    worker = shared.worker(shared.flow("closed", listener={"type": "mcp", "auth_token": "{NOT_SET}"}))
    said = shared.ask("POST", "/hooks/acme/closed", CALL, Authorization=f"Bearer {TOKEN}")
    assert (said.status, worker.got) == (503, [])


def test_what_a_flow_answers_cannot_be_a_page(shared):
    flow = shared.flow("tool", listener={"type": "mcp"})
    shared.worker(flow, lambda got: ok({"output": "<script>alert(1)</script>"}))
    said = shared.ask("POST", "/hooks/acme/tool", CALL, Authorization=f"Bearer {TOKEN}")
    assert said.headers["content-type"] == "application/json"
    assert said.headers["x-content-type-options"] == "nosniff"


def test_a_flow_of_another_tenant_is_no_tool(shared):
    shared.tenant("other", event_token_digests=(hashlib.sha256(b"ihub_other").hexdigest(),))
    shared.flow("secret", tenant="other", listener={"type": "mcp"})
    shared.flow("asleep", listener={"type": "mcp"}, active=False)
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    said = shared.ask("POST", "/mcp/acme", listing, Authorization=f"Bearer {TOKEN}")
    names = [tool["name"] for tool in said.json["result"]["tools"]]
    assert "secret" not in names
    assert "asleep" not in names
    assert shared.ask("POST", "/mcp/other", listing, Authorization=f"Bearer {TOKEN}").status == 401
    assert shared.ask("POST", "/hooks/other/secret", CALL, Authorization=f"Bearer {TOKEN}").status == 401
    shared.tenant("other", event_token_digests=(hashlib.sha256(b"ihub_other").hexdigest(),), suspended=True)
    assert shared.ask("POST", "/mcp/other", listing, Authorization="Bearer ihub_other").status == 401


def test_a_journal_that_is_away_is_told_to_who_asks_after_a_task():
    with front() as alone:
        alone.tenant()
        alone.flow("agent", listener={"type": "a2a", "public": True})
        said = alone.ask("POST", "/hooks/acme/agent", GET)
        assert (said.status, said.json["type"]) == (503, "urn:intellyhub:problem:journal-unavailable")


def test_telegrams_messages_are_stored_for_the_flow_before_they_are_acknowledged(shared):
    shared.tenant("chat", {"BOT": "42:token"}, event_token_digests=())
    shared.flow(
        "bot",
        tenant="chat",
        listener={"type": "telegram", "bot_token": "{BOT}", "mode": "webhook", "secret_token": "s3cret"},
    )
    shared.flow("poller", tenant="chat", listener={"type": "telegram", "bot_token": "{BOT}"})
    message = {
        "message_id": 1,
        "date": 1763712000,
        "text": "hi",
        "chat": {"id": 7, "type": "private"},
        "from": {"id": 7},
    }
    update = {"update_id": 9001, "message": message}
    assert shared.ask("POST", "/hooks/chat/bot", update).status in (401, 403)
    assert shared.ask("POST", "/hooks/chat/poller", update).status == 404
    for _ in range(2):
        said = shared.ask("POST", "/hooks/chat/bot", update, X_Telegram_Bot_Api_Secret_Token="s3cret")
        assert said.status == 200
    client = shared.client()
    stored = [each.event for each in client.unrouted() if each.event.type == "io.intellyhub.telegram.message"]
    client.close()
    assert [(event.id, event.data["text"], event.data["chat_id"]) for event in stored] == [("9001", "hi", "7")]
