"""The agent at a port of its own, spoken to by the official SDK's client and by hand."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
from pathlib import Path

import pytest
import urllib3

from intellyhub_engine.machine.hook import Accept, Callee, Facts, Find, Ran, Received, Refused, Seen
from intellyhub_engine.machine.source import Reply
from intellyhub_functions.sources.a2a.a2a import listen
from intellyhub_functions.sources.a2a.hook import open_hook
from intellyhub_functions.testing.a2a_peers import converse, send
from intellyhub_functions.testing.answering import Answering
from intellyhub_functions.testing.examples import run_example

VERSIONS = ["1.0", "0.3"]


class Agent(Answering):
    """A listening flow whose events are answered by `reply`."""

    def __init__(self, tmp_path, **parameters):
        super().__init__(listen, tmp_path, **parameters)

    def post(self, document, path="", **headers):
        names = {"content-type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        with urllib3.PoolManager() as pool:
            answer = pool.request("POST", self.url + path, body=body, headers=names, retries=False, timeout=5)
            return answer.status, json.loads(answer.data) if answer.data else None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sdks_client_sends_a_message_and_gets_what_the_flow_answers(tmp_path, version):
    async def work(client):
        return await send(client, "resize it", {"task": "resize", "size": 3}, metadata={"channel": "images"})

    with Agent(tmp_path) as agent:
        [answer] = converse(agent.url, work, version=version)
    task = answer["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert task["artifacts"][0]["parts"][0]["data"] == {"answer": 42}
    [event] = agent.events
    assert (event.type, event.subject, event.id) == ("io.intellyhub.a2a.message", "images", task["id"])
    data = event.data
    assert (data["message"], data["text"], data["params"]) == ("resize it", "resize it", {"task": "resize", "size": 3})
    assert (data["channel"], data["message_id"], data["context_id"]) == ("images", "m1", task["contextId"])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sdks_client_sees_it_go_on_and_end(tmp_path, version):
    async def work(client):
        return await send(client, "count")

    with Agent(tmp_path) as agent:
        agent.reply = Reply(body="one, two")
        answers = converse(agent.url, work, version=version, streaming=True)
    assert answers[0]["task"]["status"]["state"] == "TASK_STATE_SUBMITTED"
    assert answers[1]["artifactUpdate"]["artifact"]["parts"][0]["text"] == "one, two"
    assert answers[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_flow_that_fails_fails_the_task_in_words(tmp_path, version):
    async def work(client):
        return await send(client, "fail")

    with Agent(tmp_path) as agent:
        agent.reply = Reply(status=500, body={"status": "error", "message": "no such order"})
        [answer] = converse(agent.url, work, version=version)
    status = answer["task"]["status"]
    assert (status["state"], status["message"]["parts"][0]["text"]) == ("TASK_STATE_FAILED", "no such order")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_task_is_asked_for_later(tmp_path, version):
    from a2a.types import a2a_pb2 as types
    from a2a.utils.errors import TaskNotFoundError
    from google.protobuf.json_format import MessageToDict

    async def work(client):
        [answer] = await send(client, "count")
        found = MessageToDict(await client.get_task(types.GetTaskRequest(id=answer["task"]["id"])))
        with pytest.raises(TaskNotFoundError):
            await client.get_task(types.GetTaskRequest(id="nothing"))
        return answer["task"], found

    with Agent(tmp_path) as agent:
        sent, found = converse(agent.url, work, version=version)
    assert (found["id"], found["contextId"]) == (sent["id"], sent["contextId"])
    assert found["artifacts"] == sent["artifacts"]


def test_the_same_message_is_the_same_task(tmp_path):
    async def work(client):
        first = await send(client, "count", message_id="m1")
        again = await send(client, "count", message_id="m1")
        other = await send(client, "count", message_id="m2")
        return [answers[0]["task"]["id"] for answers in (first, again, other)]

    with Agent(tmp_path) as agent:
        first, again, other = converse(agent.url, work)
    assert first == again != other
    assert [event.id for event in agent.events] == [first, again, other]


def test_only_who_shows_the_token_is_let_in_but_everyone_reads_the_card(tmp_path):
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
    call = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    with Agent(tmp_path, auth_token="s3cret") as agent:
        assert agent.post(call)[0] == 401
        assert agent.post(call, authorization="Bearer s3cret")[0] == 200
        with urllib3.PoolManager() as pool:
            card = pool.request("GET", f"{agent.url}/.well-known/agent-card.json").json()
            assert pool.request("GET", f"{agent.url}/.well-known/agent.json").status == 200
    assert card["securityRequirements"] == [{"schemes": {"bearer": {"list": []}}}]
    assert card["supportedInterfaces"][0]["url"] == card["url"] == agent.url


def test_messages_of_another_channel_or_without_what_is_wanted_are_rejected(tmp_path):
    async def work(client):
        states = []
        for number, metadata in enumerate([{"channel": "b"}, {"channel": "a", "kind": "x"}, {"kind": "x"}, {}]):
            [answer] = await send(client, "hi", metadata=metadata, message_id=f"m{number}")
            states.append(answer["task"]["status"]["state"])
        return states

    with Agent(tmp_path, channel="a", filter={"kind": "x"}) as agent:
        states = converse(agent.url, work)
    assert [state.removeprefix("TASK_STATE_") for state in states] == ["REJECTED", "COMPLETED", "COMPLETED", "REJECTED"]
    assert len(agent.events) == 2


def test_plain_calls_are_taken_as_the_published_listener_took_them(tmp_path):
    call = {"jsonrpc": "2.0", "id": 7, "method": "process", "params": {"task": "resize", "message": "now"}}
    with Agent(tmp_path) as agent:
        assert agent.post(call, "/rpc") == (200, {"jsonrpc": "2.0", "id": 7, "result": {"answer": 42}})
        assert agent.post(call)[1]["error"]["code"] == -32601
    assert (agent.events[0].data["params"]["task"], agent.events[0].data["message"]) == ("resize", "now")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "SendMessage"}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {"messageId": "m"}}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": "hi"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": 7}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "ListTasks"}, -32004),
        ({"jsonrpc": "2.0", "id": 1, "method": "tasks/pushNotificationConfig/set"}, -32003),
        ({"jsonrpc": "2.0", "id": 1, "method": "agent/getAuthenticatedExtendedCard"}, -32007),
    ],
)
def test_a_malformed_message_is_refused_and_the_agent_goes_on(tmp_path, call, code):
    with Agent(tmp_path) as agent:
        assert agent.post(call)[1]["error"]["code"] == code
        assert agent.post({"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}})[0] == 200
    assert agent.events == []


FLOW = Callee(flow_id="f", name="count", title="Count", source="/flows/count")


def direct(method, params, **headers):
    hook = open_hook({"public": True}, Facts(name="count", flows=(FLOW,)))
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    return hook.answer(Received("POST", "/", "", headers, body, "::1"), 0)


def message(**more):
    return {"message": {"messageId": "m", "parts": [{"text": "hi"}], **more}}


def test_a_message_may_not_go_on_with_a_task_nor_ask_to_be_called_back():
    assert b"-32004" in direct("SendMessage", message(taskId="t")).answer.body
    push = {"taskPushNotificationConfig": {"url": "http://169.254.169.254"}}
    assert b"-32003" in direct("SendMessage", message() | {"configuration": push}).answer.body


def test_who_does_not_wait_gets_the_task_as_soon_as_it_is_durable():
    accepted = direct("SendMessage", message() | {"configuration": {"returnImmediately": True}})
    assert isinstance(accepted, Accept)
    assert accepted.begun
    answer = json.loads(accepted.reply(Ran(202, {}, b'{"run_id": "r1", "status": "running"}')).body)
    assert answer["result"]["task"]["status"]["state"] == "TASK_STATE_WORKING"
    assert answer["result"]["task"]["metadata"] == {"runId": "r1"}


def test_a_task_that_has_ended_is_neither_cancelled_nor_watched():
    event = direct("SendMessage", message()).event
    cancel, watch = direct("CancelTask", {"id": event.id}), direct("SubscribeToTask", {"id": event.id})
    assert isinstance(cancel, Find)
    assert cancel.cancel
    assert b"-32002" in cancel.reply(Seen("succeeded", 1, event=event)).body
    assert b"TASK_STATE_CANCELED" in cancel.reply(Seen("cancelled", event=event)).body
    assert b"-32004" in watch.reply(Seen("succeeded", 1, event=event)).body
    assert b"-32001" in watch.reply(None).body
    assert watch.stream is not None
    assert b"SUBMITTED" in watch.stream.begin(event)
    assert b"half way" in watch.stream.tell("log", {"level": "info", "message": "half way"})
    assert b"COMPLETED" in watch.stream.end(Seen("succeeded", 1))
    assert watch.stream.end(Seen("running")) == b""


def test_an_unknown_version_is_refused():
    assert b"-32009" in direct("SendMessage", message(), **{"a2a-version": "7.0"}).answer.body


def test_files_come_with_the_event():
    parts = [{"url": "https://files.example/a.png", "mediaType": "image/png", "filename": "a.png"}]
    old = [{"kind": "file", "file": {"bytes": "aGk=", "mimeType": "text/plain", "name": "b.txt"}}, {"kind": "odd"}, 7]
    event = direct("SendMessage", message(parts=parts + old)).event
    assert event.data["files"] == [
        {"name": "a.png", "media_type": "image/png", "url": "https://files.example/a.png"},
        {"name": "b.txt", "media_type": "text/plain", "content": "aGk="},
    ]


def test_there_is_nothing_at_other_paths():
    hook = open_hook({"public": True}, Facts(name="count", flows=(FLOW,)))
    with pytest.raises(Refused):
        hook.admit(Received("POST", "/elsewhere", "", {}, b"", "::1"))


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert (tmp_path / "seen.txt").read_text() == "images scanner\n"
