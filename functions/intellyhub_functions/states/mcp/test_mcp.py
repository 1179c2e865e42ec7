"""The mcp state against servers made with the official SDK, and against servers that misbehave."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
import sys
import threading
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_functions.rpc import mcp_client, pipe
from intellyhub_functions.settings import settings
from intellyhub_functions.states.mcp.mcp import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.mcp_peers import serve_app
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import Log, make_step

STDIO = """
import sys
from mcp.server import MCPServer
server = MCPServer("stdio")
@server.tool()
def add(a: int, b: int) -> int:
    return a + b
server.run("stdio")
"""


def make_server():
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer("weather")

    @server.tool()
    def forecast(city: str, days: int = 1) -> dict[str, str | int]:
        """What the weather will be."""
        return {"city": city, "high": 20 + days}

    @server.tool()
    def shout(text: str) -> str:
        """Louder."""
        return text.upper()

    @server.tool()
    def fail() -> str:
        """Never works."""
        raise ToolError("no such city")

    @server.tool()
    async def slow(ctx: Context) -> str:
        """Tells of its progress."""
        await ctx.report_progress(1, 2, "half way")
        return "done"

    @server.resource("city://{name}")
    def city(name: str) -> str:
        """A city."""
        return f"the city of {name}"

    @server.prompt()
    def greet(name: str) -> str:
        """A greeting."""
        return f"Greet {name}."

    return server


@pytest.fixture(scope="module")
def url():
    with serve_app(make_server().streamable_http_app()) as address:
        yield f"{address}/mcp"


@pytest.fixture(autouse=True)
def forget():
    mcp_client.ERAS.clear()


@pytest.fixture(params=["modern", "handshake"])
def era(request, url):
    mcp_client.ERAS[url] = request.param == "modern"
    return request.param


def call(tmp_path, url, tool, arguments=None, step=None, **parameters):
    given = {"url": url, "tool": tool, "arguments": arguments or {}, **parameters}
    return perform(given, step or make_step(tmp_path))


def test_a_tool_of_the_official_server_is_called(tmp_path, url, era):
    result = call(tmp_path, url, "forecast", {"city": "Rome", "days": 2})
    assert (result["data"], result["is_error"]) == ({"city": "Rome", "high": 22}, False)
    assert json.loads(str(result)) == {"city": "Rome", "high": 22}
    assert str(call(tmp_path, url, "shout", '{"text": "aloud"}')) == "ALOUD"


def test_how_a_server_is_spoken_to_is_found_out_once(tmp_path, url):
    call(tmp_path, url, "shout", {"text": "a"})
    assert mcp_client.ERAS[url] is True


def test_a_tool_that_fails_fails_the_state_with_its_words(tmp_path, url, era):
    with pytest.raises(PermanentError, match=r"the tool 'fail' failed: .*such city"):
        call(tmp_path, url, "fail")
    assert "no such city" in str(call(tmp_path, url, "fail", accept_errors=True))


def test_a_tool_that_is_not_there_fails_the_state(tmp_path, url, era):
    with pytest.raises(PermanentError, match="nowhere"):
        call(tmp_path, url, "nowhere")


def test_progress_is_logged(tmp_path, url, era):
    log = Log()
    call(tmp_path, url, "slow", step=make_step(tmp_path, log=log))
    assert "half way" in log.text()


def test_tools_resources_and_prompts_are_read(tmp_path, url, era):
    step = make_step(tmp_path)
    tools = perform({"url": url, "action": "list"}, step)
    assert set(tools["names"]) == {"forecast", "shout", "fail", "slow"}
    assert str(perform({"url": url, "action": "read", "resource": "city://Rome"}, step)) == "the city of Rome"
    greeting = {"url": url, "action": "prompt", "prompt": "greet", "arguments": {"name": "Ada"}}
    assert str(perform(greeting, step)) == "Greet Ada."


@pytest.fixture
def server_file(tmp_path, monkeypatch):
    path = tmp_path / "server.py"
    path.write_text(STDIO)
    monkeypatch.setenv("INTELLYHUB_MCP_COMMANDS", f"uvx nothing, {sys.executable} {path}")
    settings.cache_clear()
    yield path
    monkeypatch.undo()
    settings.cache_clear()


def test_a_server_is_started_where_the_operator_allows_it(tmp_path, server_file):
    given = {"command": [sys.executable, str(server_file)], "tool": "add", "arguments": {"a": 2, "b": 3}}
    assert perform(given, make_step(tmp_path))["data"] == {"result": 5}


@pytest.mark.parametrize("command", ["sh -c 'echo hi'", "uvx something", f"{sys.executable} -c pass"])
def test_no_other_command_is_started(tmp_path, server_file, command):
    with pytest.raises(PermanentError, match="may not be started here"):
        perform({"command": command, "tool": "add"}, make_step(tmp_path))


def test_a_command_that_ends_at_once_is_told(tmp_path, server_file):
    server_file.write_text("raise SystemExit(3)")
    with pytest.raises(RetryableError, match=r"ended by itself \(exit code 3\)"):
        perform({"command": [sys.executable, str(server_file)], "tool": "add"}, make_step(tmp_path))


def test_a_command_that_says_nothing_is_ended(tmp_path, server_file, monkeypatch):
    monkeypatch.setattr(pipe, "END_SECONDS", 0.05)
    server_file.write_text("import time\ntime.sleep(60)")
    step = make_step(tmp_path)
    step.cancelled.set()
    with pytest.raises(StepCancelled):
        perform({"command": [sys.executable, str(server_file)], "tool": "add"}, step)


class Rude(LocalServer):
    """Answers every message as it was told."""

    def __init__(self, reply):
        super().__init__()
        self.reply = reply

    def answer(self, call):
        return self.reply(call.json()) if call.method == "POST" else Answer(status=405)


def as_events(*documents):
    body = b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)
    return Answer(headers={"content-type": "text/event-stream"}, body=body)


def legacy(message, result):
    """A server of the older way."""
    if "id" not in message or "method" not in message:
        return Answer(status=202)
    if message["method"] == "server/discover":
        return Answer(status=400, body=b"Bad Request: Missing session ID")
    if message["method"] == "initialize":
        said = {"protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
        return Answer.of_json({"jsonrpc": "2.0", "id": message["id"], "result": said}, headers={"Mcp-Session-Id": "s1"})
    return result(message)


def test_an_older_server_is_greeted_first_and_let_go_in_the_end(tmp_path):
    result = {"content": [{"type": "text", "text": "hi"}]}
    answer = lambda message: as_events(  # noqa: E731
        {"jsonrpc": "2.0", "id": "q", "method": "roots/list"}, {"jsonrpc": "2.0", "id": message["id"], "result": result}
    )
    with Rude(lambda message: legacy(message, answer)) as server:
        assert str(call(tmp_path, server.url, "hello", auth_token="t0p")) == "hi"
    told = [(c.method, (c.json() or {}).get("method")) for c in server.calls]
    assert told[:4] == [
        ("POST", "server/discover"),
        ("POST", "initialize"),
        ("POST", "notifications/initialized"),
        ("POST", "tools/call"),
    ]
    assert told[-1] == ("DELETE", None)
    assert server.calls[3].headers["mcp-session-id"] == "s1"
    assert server.calls[3].headers["mcp-protocol-version"] == "2025-03-26"
    assert server.calls[3].json()["params"]["_meta"]["io.intellyhub/idempotencyKey"] == "run-1/1"
    assert all(c.headers["authorization"] == "Bearer t0p" for c in server.calls)
    declined = next(c.json() for c in server.calls if (c.json() or {}).get("id") == "q")
    assert declined["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Answer(status=401), PermanentError, "lets nobody in"),
        (Answer(status=503, headers={"retry-after": "7"}), RetryableError, "answered 503"),
        (Answer(status=429), RetryableError, "answered 429"),
        (Answer(status=302, headers={"location": "http://169.254.169.254/"}), PermanentError, "answered 302"),
        (Answer(body=b"<html>"), PermanentError, "no message of JSON-RPC"),
        (Answer(headers={"content-type": "text/event-stream"}, body=b": nothing\n\n"), RetryableError, "too early"),
        (Answer(headers={"content-type": "text/event-stream"}, body=b"data: {\n\n"), PermanentError, "no message"),
        (Answer.of_json({"jsonrpc": "2.0", "id": 1, "result": "x"}), PermanentError, "gave no result"),
        (Answer.of_json({"jsonrpc": "2.0", "id": 99, "result": {}}), RetryableError, "too early"),
        (Answer.of_json({"jsonrpc": "2.0", "id": 1, "error": None}), PermanentError, "an error"),
        (
            Answer.of_json({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "input_required"}}),
            PermanentError,
            "more",
        ),
    ],
)
def test_a_server_that_misbehaves_fails_the_state_in_words(tmp_path, reply, kind, words):
    with Rude(lambda message: reply) as server:
        mcp_client.ERAS[server.url] = True
        with pytest.raises(kind, match=words) as failure:
            call(tmp_path, server.url, "x", auth_token="t0p-secret")
    assert "t0p-secret" not in str(failure.value)


def test_an_answer_without_end_is_not_read_to_its_end(tmp_path):
    with (
        Rude(lambda message: Answer(body=b"x" * 100_000)) as server,
        pytest.raises(PermanentError, match="larger than"),
    ):
        call(tmp_path, server.url, "x", max_body_bytes=10_000)


def test_a_server_that_is_gone_may_come_back(tmp_path):
    with Rude(lambda message: Answer()) as server:
        address = server.url
    with pytest.raises(RetryableError, match="cannot be reached"):
        call(tmp_path, address, "x")


def test_a_server_that_says_nothing_is_left_in_time(tmp_path):
    silent = threading.Event()

    class Silent(Rude):
        def answer(self, call):
            silent.wait(5)
            return Answer()

    with Silent(None) as server:
        with pytest.raises(RetryableError, match="did not answer within"):
            call(tmp_path, server.url, "x", timeout=0.2)
        silent.set()


def test_headers_that_a_tool_wants_repeat_its_arguments():
    schema = {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "n": {"type": "integer"}}}
    assert mcp_client.mirror({"inputSchema": schema}, {"region": "süd", "n": 1}) == {
        "mcp-param-region": "=?base64?c8O8ZA==?="
    }


def test_the_example_asks_a_tool(tmp_path, url):
    run_example(Path(__file__).parent, tmp_path, names={"MCP_URL": url})
    assert (tmp_path / "forecast.txt").read_text().endswith(": 22")
