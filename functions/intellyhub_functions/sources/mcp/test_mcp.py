"""The MCP server at a port of its own, called by the official SDK's client and by hand."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
from pathlib import Path

import pytest
import urllib3

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.hook import Callee, Facts, Ran, Received
from intellyhub_engine.machine.source import Reply
from intellyhub_functions.sources.mcp.hook import open_hook
from intellyhub_functions.sources.mcp.mcp import listen
from intellyhub_functions.testing.answering import Answering
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.mcp_peers import talk

MODES = ["auto", "legacy", "2026-07-28"]


class Server(Answering):
    """A listening flow whose events are answered by `reply`."""

    def __init__(self, tmp_path, **parameters):
        super().__init__(listen, tmp_path, **parameters)

    def post(self, document, **headers):
        names = {"content-type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        with urllib3.PoolManager() as pool:
            answer = pool.request("POST", self.url, body=body, headers=names, retries=False, timeout=5)
            return answer.status, json.loads(answer.data) if answer.data else None


@pytest.mark.parametrize("mode", MODES)
def test_the_sdks_client_finds_the_tool_and_calls_it(tmp_path, mode):
    async def work(client):
        tools = (await client.list_tools()).tools
        return tools, await client.call_tool("flow", {"message": "how many?", "resource_id": "r1", "other": [1]})

    with Server(tmp_path) as server:
        tools, result = talk(server.url, work, mode=mode)
    assert [(tool.name, tool.title) for tool in tools] == [("flow", "flow")]
    assert (result.structured_content, result.is_error) == ({"answer": 42}, False)
    [event] = server.events
    assert (event.type, event.source) == ("io.intellyhub.mcp.request", "/flows/flow/listener")
    assert {name: event.data[name] for name in ("command", "message", "resource_id", "arguments")} == {
        "command": "flow",
        "message": "how many?",
        "resource_id": "r1",
        "arguments": {"message": "how many?", "resource_id": "r1", "other": [1]},
    }


def test_a_text_is_a_text_and_a_failure_one_that_the_model_sees(tmp_path):
    async def work(client):
        return await client.call_tool("flow", {})

    with Server(tmp_path) as server:
        server.reply = Reply(body="forty-two")
        assert talk(server.url, work).content[0].text == "forty-two"
        server.reply = Reply(status=500, body={"status": "error", "message": "no such order"})
        failed = talk(server.url, work)
    assert (failed.is_error, failed.content[0].text) == (True, "no such order")


def test_a_run_that_takes_long_is_told_to_go_on(tmp_path):
    async def work(client):
        return await client.call_tool("flow", {})

    with Server(tmp_path, reply_timeout=0.05) as server:
        server.reply = None
        result = talk(server.url, work)
    assert result.is_error
    assert "goes on" in result.content[0].text


def test_only_who_shows_the_token_is_let_in(tmp_path):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with Server(tmp_path, auth_token="s3cret") as server:
        assert server.post(call)[0] == 401
        assert server.post(call, authorization="Bearer wrong")[0] == 401
        assert server.post(call, authorization="Bearer s3cret")[0] == 200
        assert talk(server.url, lambda client: client.list_tools(), token="s3cret").tools


@pytest.mark.parametrize("token", [None, "", "{MCP_AUTH_TOKEN}"])
def test_a_token_without_a_value_opens_nothing(token):
    with pytest.raises(PermanentError, match="auth_token is empty"):
        open_hook({"auth_token": token}, Facts(name="f", flows=()))


def test_a_strangers_page_may_not_call(tmp_path):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with Server(tmp_path, allowed_origins=["https://chat.example"]) as server:
        assert server.post(call, origin="https://evil.example")[0] == 403
        assert server.post(call, origin="http://evil.example", host="evil.example")[0] == 403  # DNS rebinding
        assert server.post(call, origin="null")[0] == 403
        assert server.post(call, origin="https://chat.example")[0] == 200
        assert server.post(call, origin=server.url.rpartition("/")[0])[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"[" * 100_000, 400, -32700),
        (b"[]", 400, -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": [], "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', 200, -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}', 200, -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "other"}}', 200, -32602),
        (
            b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "flow", "arguments": 7}}',
            200,
            -32602,
        ),
    ],
)
def test_a_malformed_message_is_refused_and_the_server_goes_on(tmp_path, body, status, code):
    with Server(tmp_path) as server:
        said, document = server.post(body)
        assert (said, document["error"]["code"]) == (status, code)
        assert server.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})[1]["result"] == {}
    assert server.events == []


def test_a_version_that_nobody_speaks_is_told_which_there_are(tmp_path):
    with Server(tmp_path) as server:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        status, document = server.post(call, mcp_protocol_version="2099-01-01")
        assert (status, document["error"]["code"]) == (400, -32022)
        assert "2026-07-28" in document["error"]["data"]["supported"]


def test_headers_that_say_something_else_than_the_body_are_refused(tmp_path):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "flow", "_meta": meta}}
    told = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call"}
    with Server(tmp_path) as server:
        assert server.post(call, **told)[1]["error"]["code"] == -32020
        assert server.post(call, **told, mcp_name="=?base64?Zmxvdw==?=")[0] == 200
        assert server.post({**call, "params": {}}, **told, mcp_name="flow")[1]["error"]["code"] == -32602
        assert server.post({**call, "method": "prompts/list"}, **told | {"mcp_method": "prompts/list"})[0] == 404


def test_a_call_that_comes_again_under_its_name_is_the_same_event(tmp_path):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "flow"}}
    with Server(tmp_path) as server:
        server.post(call, idempotency_key="k1")
        server.post(call | {"params": {"name": "flow", "_meta": {"io.intellyhub/idempotencyKey": "k2"}}})
    assert [event.id for event in server.events] == ["k1", "k2"]


def test_a_resource_is_asked_for_as_the_published_listener_was(tmp_path):
    with Server(tmp_path) as server, urllib3.PoolManager() as pool:
        answer = pool.request("GET", f"{server.url}?resource_id=customer-7", timeout=5)
        assert pool.request("GET", server.url, timeout=5, retries=False).status == 405
    assert answer.json() == {"answer": 42}
    assert server.events[0].data["resource_id"] == "customer-7"


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}


def call_of(flow, arguments):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": flow.name, "arguments": arguments}}
    hook = open_hook({"public": True}, Facts(name=flow.name, flows=(flow,)))
    return hook.answer(Received("POST", "/", "", {}, json.dumps(body).encode(), "::1"), 0)


def test_a_flow_without_this_listener_is_called_with_its_arguments():
    flow = Callee(flow_id="f", name="weather", title="Weather", input_schema=SCHEMA)
    accepted = call_of(flow, {"city": "Rome", "days": 3.0})
    assert (accepted.event.data, accepted.flow_id) == ({"city": "Rome", "days": 3.0}, "f")
    bare = Callee(flow_id="f", name="sum", title="Sum", input_schema={"type": "array"})
    assert call_of(bare, {"input": [1, 2]}).event.data == [1, 2]
    assert call_of(bare, {}).event.data is None


def test_a_call_that_does_not_fit_is_an_error_that_the_model_sees():
    flow = Callee(flow_id="f", name="weather", title="Weather", input_schema=SCHEMA)
    refused = json.dumps({"detail": "the input does not fit the flow 'weather': $: 'city' is a required property"})
    document = json.loads(call_of(flow, {}).reply(Ran(422, {}, refused.encode())).body)
    assert document["result"]["isError"]
    assert "'city' is a required property" in document["result"]["content"][0]["text"]


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert (tmp_path / "seen.txt").read_text() == "search customer-7\n"
