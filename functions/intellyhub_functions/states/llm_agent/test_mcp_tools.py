"""The tools of a real MCP server, made with the official SDK, in the hands of an agent."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.states.llm_agent.llm_agent import perform
from intellyhub_functions.testing.mcp_peers import serve_app
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.surroundings import make_step


@pytest.fixture(scope="module")
def address():
    from mcp.server import MCPServer

    made = MCPServer("stock")

    @made.tool(description="How many there are.")
    def count(name: str) -> int:
        if name == "nothing":
            raise ValueError("there is no such thing")
        return len(name)

    @made.tool()
    def remove(name: str) -> str:
        return "gone"

    with serve_app(made.streamable_http_app()) as base:
        yield f"{base}/mcp"


def ask(models, tmp_path, tools):
    settings = {"base_url": models.base_url, "api_key": "sk-test", "user_prompt": "How many apples?"}
    return perform({**settings, "tools": tools}, make_step(tmp_path)).value


def test_an_agent_uses_a_server_and_sees_what_a_tool_failed_with(address, tmp_path):
    calls = (("count", {"name": "apples"}), ("count", {"name": "nothing"}))
    with ModelServer(Turn(calls=calls), "Six.") as models:
        answer = ask(models, tmp_path, [{"mcp": address, "only": ["count"]}])
    [told] = models.questions[0]["tools"]
    assert (told["function"]["name"], told["function"]["description"]) == ("count", "How many there are.")
    assert told["function"]["parameters"]["required"] == ["name"]
    results = [message["content"] for message in models.questions[1]["messages"] if message["role"] == "tool"]
    assert results[0] == "6"
    assert results[1].startswith("error: ")
    assert [call.failed for call in answer.tool_calls] == [False, True]


def test_without_a_choice_all_tools_of_a_server_are_there(address, tmp_path):
    with ModelServer("none") as models:
        ask(models, tmp_path, [{"mcp": {"url": address}}])
    assert [tool["function"]["name"] for tool in models.questions[0]["tools"]] == ["count", "remove"]


def test_a_tool_that_the_server_does_not_have_is_named(address, tmp_path):
    with ModelServer() as models, pytest.raises(PermanentError, match="the server has no tool add"):
        ask(models, tmp_path, [{"mcp": address, "only": ["add", "count"]}])
