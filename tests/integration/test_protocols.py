"""Flows as MCP tools and as A2A agents of a whole platform, as the official SDKs see them."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from intellyhub_functions.states.mcp.test_mcp import STDIO
from intellyhub_functions.testing.a2a_peers import converse, send
from intellyhub_functions.testing.mcp_peers import talk
from tests.integration.test_up import PASSWORD, Platform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform"), pytest.mark.timeout(120)]

FLOWS = {
    "weather": """
name: Weather
description: Tells the weather of a city.
input:
  type: object
  properties: {city: {type: string}, days: {type: integer}}
  required: [city]
output:
  type: object
states:
  look:
    state_type: command
    eval: "[city.upper(), days if 'days' in locals() else 1]"
    output: found
    transition: done
  done:
    state_type: end
    result: {city: "{found[0]}", days: "{found[1]}"}
""",
    "desk": """
name: Desk
listener: {type: mcp, auth_token: "{DESK_TOKEN}"}
variables: {DESK_TOKEN: "d3sk-token"}
states:
  answer:
    state_type: set
    values: {said: "{event.command} {mcp_message} {extra}"}
    log: "thinking about {mcp_message}"
    transition: done
  done: {state_type: end, result: "{said}"}
""",
    "resizer": """
name: Resizer
description: Resizes pictures.
listener: {type: a2a}
states:
  work:
    state_type: set
    values: {size: "{event.params.size}"}
    log: "resizing {a2a_message}"
    transition: done
  done:
    state_type: end
    result: {task: "{task}", size: "{size}"}
""",
    "sleeper": """
name: Sleeper
listener: {type: a2a, public: true}
states:
  rest: {state_type: wait, seconds: 3600, transition: done}
  done: {state_type: end}
""",
    "slow": """
name: Slow
input: {type: object, properties: {pause: {type: integer}}}
states:
  first: {state_type: command, command: sleep 0.4, transition: second}
  second: {state_type: command, command: sleep 0.4, transition: rest}
  rest: {state_type: wait, seconds: 1, transition: done}
  done: {state_type: end, result: rested}
""",
    "borrower": f"""
name: Borrower
listener: {{type: mcp}}
states:
  write: {{state_type: file, action: write, path: server.py, content: "{{code}}", transition: ask}}
  ask:
    state_type: mcp
    command: ["{sys.executable}", server.py]
    tool: add
    arguments: {{a: 2, b: 3}}
    output: sum
    success_transition: done
    error_transition: failed
  done: {{state_type: end, result: "{{sum.data}}"}}
  failed: {{state_type: end, result: "{{error_message}}"}}
""",
    "failing": """
name: Failing
input: {type: object}
states:
  check: {state_type: assert, condition: "1 > 2", message: "no luck", transition: done}
  done: {state_type: end}
""",
}


class Hub:
    """A platform with flows, and an API token of its tenant."""

    def __init__(self, made):
        self.url, self.environment, self.token = made.url, made.environment, token_of(made)


@pytest.fixture(scope="module")
def platform():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    made = Platform(folder)
    try:
        made.environment["INTELLYHUB_MCP_COMMANDS"] = f"{sys.executable} server.py"
        made.start()
        made.log_in()
        for name, text in FLOWS.items():
            path = folder / f"{name}.yaml"
            path.write_text(text)
            made.answer("deploy", str(path), "--name", name)
        yield Hub(made)
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def token_of(platform):
    access = platform.post("/api/auth/login", {"email": "ada@example.org", "password": PASSWORD})["access_token"]
    request = urllib.request.Request(
        f"{platform.url}/api/tokens",
        json.dumps({"name": "tools", "role": "editor"}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {access}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())["token"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_tenants_flows_are_tools(platform, mode):
    async def work(client):
        tools = (await client.list_tools()).tools
        good = await client.call_tool("weather", {"city": "Rome", "days": 2})
        bad = await client.call_tool("weather", {"days": "two"})
        failed = await client.call_tool("failing", {})
        return tools, good, bad, failed

    tools, good, bad, failed = talk(f"{platform.url}/mcp/main", work, token=platform.token, mode=mode)
    assert [tool.name for tool in tools] == ["borrower", "desk", "failing", "slow", "weather"]
    weather = tools[4]
    assert (weather.title, weather.description) == ("weather", "Tells the weather of a city.")
    assert weather.input_schema["required"] == ["city"]
    assert (good.structured_content, good.is_error) == ({"city": "ROME", "days": 2}, False)
    assert bad.is_error
    assert "$: 'city' is a required property; $.days: 'two' is not of type 'integer'" in bad.content[0].text
    assert failed.is_error
    assert "no luck" in failed.content[0].text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_caller_hears_of_progress_and_waits_for_a_run_that_waits(platform, mode):
    async def work(client):
        told = []

        async def hear(progress, total, message):
            told.append((progress, message))

        return await client.call_tool("slow", {}, progress_callback=hear), told

    result, told = talk(f"{platform.url}/mcp/main", work, token=platform.token, mode=mode)
    assert result.content[0].text == "rested"
    assert [message for _, message in told][:2] == ["first: succeeded", "second: succeeded"]
    assert [progress for progress, _ in told] == sorted({progress for progress, _ in told})


def test_who_shows_no_token_of_the_tenant_learns_nothing(platform):
    def status(path, token=None, body=b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'):
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            request = urllib.request.Request(f"{platform.url}{path}", body, headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as fault:
            return fault.code

    assert status("/mcp/main") == status("/mcp/nobody") == 401
    assert status("/mcp/nobody", platform.token) == status("/mcp/main", "ihub_wrong") == 401
    assert status("/mcp/main", platform.token) == 200
    assert status("/hooks/main/desk") == status("/hooks/main/resizer") == 401
    assert status("/hooks/main/desk", "d3sk-token") == status("/hooks/main/desk", platform.token) == 200
    assert status("/hooks/main/weather", platform.token) == 404


def test_a_flow_that_listens_with_mcp_is_a_server_of_its_own(platform):
    async def work(client):
        return await client.list_tools(), await client.call_tool("desk", {"message": "hello", "extra": "there"})

    tools, result = talk(f"{platform.url}/hooks/main/desk", work, token="d3sk-token")
    assert [tool.name for tool in tools.tools] == ["desk"]
    assert result.content[0].text == "desk hello there"


def test_a_worker_starts_a_server_where_the_operator_allows_the_command(platform):
    async def work(client):
        return await client.call_tool("borrower", {"code": STDIO})

    result = talk(f"{platform.url}/mcp/main", work, token=platform.token)
    assert result.structured_content == {"result": 5}


def test_a_desktop_client_starts_the_bridge(platform):
    from mcp import Client, StdioServerParameters

    server = StdioServerParameters(
        command=str(Path(sys.executable).with_name("intellyhub")),
        args=["mcp"],
        env=platform.environment | {"INTELLYHUB_TOKEN": platform.token},
    )

    async def work(mode):
        async with Client(server, mode=mode) as client:
            tools = await client.list_tools()
            return tools, await client.call_tool("weather", {"city": "Oslo"})

    for mode in ("auto", "legacy"):
        tools, result = asyncio.run(work(mode))
        assert [tool.name for tool in tools.tools] == ["borrower", "desk", "failing", "slow", "weather"]
        assert result.structured_content == {"city": "OSLO", "days": 1}


def test_the_bridge_tells_the_program_that_the_platform_is_gone(platform):
    environment = platform.environment | {"INTELLYHUB_URL": "http://127.0.0.1:1", "INTELLYHUB_TOKEN": "t"}
    command = [str(Path(sys.executable).with_name("intellyhub")), "mcp"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode != 0
    assert "no platform answers" in done.stderr


@pytest.mark.parametrize("version", ["1.0", "0.3"])
def test_a_flow_is_an_agent(platform, version):
    from a2a.types import a2a_pb2 as types
    from google.protobuf.json_format import MessageToDict

    async def work(client):
        [answer] = await send(client, "a.png", {"task": "resize", "size": 3}, message_id=f"m-{version}")
        found = MessageToDict(await client.get_task(types.GetTaskRequest(id=answer["task"]["id"])))
        [again] = await send(client, "a.png", {"task": "resize", "size": 3}, message_id=f"m-{version}")
        return answer["task"], found, again["task"]

    sent, found, again = converse(f"{platform.url}/hooks/main/resizer", work, version=version, token=platform.token)
    assert sent["status"]["state"] == "TASK_STATE_COMPLETED"
    assert sent["artifacts"][0]["parts"][0]["data"] == {"task": "resize", "size": 3}
    assert (found["id"], found["status"]["state"]) == (sent["id"], "TASK_STATE_COMPLETED")
    assert found["artifacts"] == sent["artifacts"]
    assert again["metadata"]["runId"] == sent["metadata"]["runId"]  # one message, one run


@pytest.mark.parametrize("version", ["1.0", "0.3"])
def test_an_agent_tells_how_it_goes_on(platform, version):
    async def work(client):
        return await send(client, "b.png", {"task": "crop", "size": 5}, message_id=f"s-{version}")

    answers = converse(
        f"{platform.url}/hooks/main/resizer", work, version=version, token=platform.token, streaming=True
    )
    kinds = [next(iter(answer)) for answer in answers]
    assert kinds[0] == "task"
    assert kinds[-2:] == ["artifactUpdate", "statusUpdate"]
    assert answers[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


def test_a_task_that_waits_is_watched_and_cancelled(platform):
    from a2a.types import a2a_pb2 as types
    from google.protobuf.json_format import MessageToDict

    async def work(client):
        [answer] = await send(client, "good night")
        task = types.GetTaskRequest(id=answer["task"]["id"])
        seen = MessageToDict(await client.get_task(task))
        await client.cancel_task(types.CancelTaskRequest(id=task.id))
        state = ""
        while state != "TASK_STATE_CANCELED":  # pytest's own time limit ends it
            await asyncio.sleep(0.05)
            state = MessageToDict(await client.get_task(task))["status"]["state"]
        return answer["task"], seen

    sent, seen = converse(f"{platform.url}/hooks/main/sleeper", work)
    assert sent["status"]["state"] == seen["status"]["state"] == "TASK_STATE_WORKING"


def test_agents_and_servers_are_shown_like_webhooks(platform):
    request = urllib.request.Request(f"{platform.url}/api/flows", headers={"Authorization": f"Bearer {platform.token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        flows = {flow["slug"]: flow for flow in json.loads(response.read())["items"]}
    assert flows["desk"]["hook_url"] == f"{platform.url}/hooks/main/desk"
    assert flows["resizer"]["hook_url"] == f"{platform.url}/hooks/main/resizer"
    assert flows["desk"]["source"]["connected"]
    assert flows["weather"]["hook_url"] is None
