"""The a2a state against an agent made with the official SDK, and against agents that misbehave."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
import threading
import warnings
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_engine.events import Event
from intellyhub_functions.states.a2a import a2a
from intellyhub_functions.states.a2a.a2a import perform
from intellyhub_functions.testing.a2a_peers import make_agent
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.mcp_peers import serve_app
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import Log, make_step

SLOW = threading.Event()


def answer(text, data):
    if text == "fail":
        raise ValueError("no such city")
    if text == "slow":
        SLOW.wait(10)
        return "done"
    return {"city": data["city"], "high": 22} if data else text.upper()


@pytest.fixture(scope="module")
def url():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, about itself
        with serve_app(make_agent(answer)) as address:
            yield address
            SLOW.set()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Tasks are asked after at once."""
    monkeypatch.setattr(a2a, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture(params=["1.0", "0.3"])
def version(request):
    return request.param


def ask(tmp_path, url, message=None, step=None, **parameters):
    return perform({"url": url, "message": message, **parameters}, step or make_step(tmp_path))


def test_the_official_agent_answers_in_words_and_in_data(tmp_path, url, version):
    said = ask(tmp_path, url, "aloud", protocol=version)
    assert (str(said), said["state"]) == ("ALOUD", "completed")
    found = ask(tmp_path, url, {"city": "Rome"}, protocol=version, step=make_step(tmp_path, seq=2))
    assert found["data"] == {"city": "Rome", "high": 22}
    assert json.loads(str(found)) == {"city": "Rome", "high": 22}


def test_a_task_that_failed_fails_the_state_with_its_words(tmp_path, url, version):
    with pytest.raises(PermanentError, match="task is failed: no such city"):
        ask(tmp_path, url, "fail", protocol=version)
    assert ask(tmp_path, url, "fail", protocol=version, accept_errors=True)["state"] == "failed"


def test_a_task_is_asked_for_again(tmp_path, url, version):
    said = ask(tmp_path, url, "aloud", protocol=version)
    again = perform({"url": url, "protocol": version, "action": "get", "task_id": said["task_id"]}, make_step(tmp_path))
    assert (str(again), again["context_id"]) == ("ALOUD", said["context_id"])
    with pytest.raises(PermanentError, match="-32001"):
        perform({"url": url, "protocol": version, "action": "get", "task_id": "nothing"}, make_step(tmp_path))


class Agent(LocalServer):
    """Has a card, and answers each method as it was told."""

    def __init__(self, card=None, **replies):
        super().__init__()
        self.card = card
        self.replies = replies

    def answer(self, call):
        if call.method == "GET":
            if call.path != "/.well-known/agent-card.json":
                return Answer(status=404)
            interface = {"url": f"{self.url}/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
            return Answer.of_json(self.card or {"name": "x", "supportedInterfaces": [interface]})
        said = call.json()
        reply = self.replies[said["method"]]
        result = reply(said) if callable(reply) else reply
        if isinstance(result, Answer):
            return result
        return Answer.of_json({"jsonrpc": "2.0", "id": said["id"], "result": result})


def task(state, **more):
    return {"id": "t1", "contextId": "c1", "status": {"state": state}, **more}


def test_a_task_that_takes_long_is_waited_for(tmp_path):
    states = iter(["TASK_STATE_WORKING", Answer(status=503), "TASK_STATE_COMPLETED"])

    def get(said):
        state = next(states)
        parts = [{"text": "there"}]
        return state if isinstance(state, Answer) else task(state, artifacts=[{"artifactId": "a", "parts": parts}])

    log = Log()
    with Agent(SendMessage={"task": task("TASK_STATE_SUBMITTED")}, GetTask=get) as agent:
        said = ask(tmp_path, agent.url, "hi", auth_token="t0p", channel="images", step=make_step(tmp_path, log=log))
    assert (str(said), said["task_id"]) == ("there", "t1")
    sent = next(call.json() for call in agent.calls if call.method == "POST")["params"]
    assert sent["message"]["messageId"] == "run-1/1"
    assert sent["message"]["metadata"] == {"channel": "images"}
    assert all(call.headers["authorization"] == "Bearer t0p" for call in agent.calls)
    assert all(call.headers["a2a-version"] == "1.0" for call in agent.calls if call.method == "POST")
    assert "503" in log.text()


def test_a_task_that_never_ends_is_left_in_time(tmp_path):
    with Agent(SendMessage={"task": task("working")}, GetTask=task("working")) as agent:
        with pytest.raises(PermanentError, match="did not end in time"):
            ask(tmp_path, agent.url, "hi", wait_seconds=0.1)
        assert ask(tmp_path, agent.url, "hi", wait=False)["state"] == "working"


def test_a_cancelled_run_cancels_the_task(tmp_path):
    step = make_step(tmp_path)

    def get(said):
        step.cancelled.set()
        return task("TASK_STATE_WORKING")

    agent = Agent(SendMessage={"task": task("submitted")}, GetTask=get, CancelTask=task("canceled"))
    with agent, pytest.raises(StepCancelled):
        ask(tmp_path, agent.url, "hi", step=step)
    assert [call.json()["method"] for call in agent.calls if call.method == "POST"][-1] == "CancelTask"
    assert step.cancelled.is_set()


def test_a_question_of_the_agent_is_a_result(tmp_path):
    status = {"state": "TASK_STATE_INPUT_REQUIRED", "message": {"messageId": "q", "parts": [{"text": "which city?"}]}}
    with Agent(SendMessage={"task": {"id": "t", "contextId": "c", "status": status}}) as agent:
        said = ask(tmp_path, agent.url, "hi")
    assert (said["state"], str(said)) == ("input-required", "which city?")


def test_an_agent_may_answer_without_a_task(tmp_path):
    with Agent(
        SendMessage={"message": {"messageId": "a", "role": "ROLE_AGENT", "parts": [{"text": "hello"}]}}
    ) as agent:
        assert str(ask(tmp_path, agent.url, "hi")) == "hello"


def test_who_says_nothing_hands_on_what_the_event_said(tmp_path):
    event = Event(id="1", source="/x", type="t", data={"city": "Rome"})
    with Agent(SendMessage={"message": {"messageId": "a", "parts": [{"text": "hello"}]}}) as agent:
        ask(tmp_path, agent.url, step=make_step(tmp_path, event=event))
        ask(tmp_path, agent.url, step=make_step(tmp_path, {"a2a_message": "resize"}, event=event))
        with pytest.raises(PermanentError, match="needs a `message`"):
            ask(tmp_path, agent.url)
    sent = [call.json()["params"]["message"]["parts"] for call in agent.calls if call.method == "POST"]
    assert sent == [[{"data": {"city": "Rome"}}], [{"text": "resize"}]]


def test_a_card_cannot_send_the_token_elsewhere(tmp_path):
    elsewhere = {"url": "http://collector.example/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    with (
        Agent(card={"supportedInterfaces": [elsewhere]}) as agent,
        pytest.raises(PermanentError, match="another place"),
    ):
        ask(tmp_path, agent.url, "hi", auth_token="t0p")


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Answer(status=401), PermanentError, "lets nobody in"),
        (Answer(status=429, headers={"retry-after": "3"}), RetryableError, "answered 429"),
        (Answer(body=b"<html>"), PermanentError, "no message of JSON-RPC"),
        ({"odd": 1}, PermanentError, "neither a task nor a message"),
        ({"task": task("TASK_STATE_REJECTED")}, PermanentError, "task is rejected"),
        (
            Answer.of_json({"jsonrpc": "2.0", "id": "1", "error": {"code": -32003, "message": "no"}}),
            PermanentError,
            "-32003",
        ),
        (Answer.of_json({"jsonrpc": "2.0", "id": "1", "result": []}), PermanentError, "gave no result"),
    ],
)
def test_an_agent_that_misbehaves_fails_the_state_in_words(tmp_path, reply, kind, words):
    with Agent(SendMessage=reply) as agent, pytest.raises(kind, match=words) as failure:
        ask(tmp_path, agent.url, "hi", auth_token="t0p-secret")
    assert "t0p-secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ([1], "is not JSON"),
        (
            {"supportedInterfaces": [{"protocolBinding": "GRPC", "url": "x", "protocolVersion": "1.0"}]},
            "does not speak",
        ),
        ({"supportedInterfaces": 7, "url": 7}, "does not speak"),
    ],
)
def test_a_card_that_helps_nobody_is_told(tmp_path, card, words):
    with Agent(card=card) as agent, pytest.raises(PermanentError, match=words):
        ask(tmp_path, agent.url, "hi")


def test_an_agent_that_is_gone_may_come_back(tmp_path):
    with Agent() as agent:
        address = agent.url
    with pytest.raises(RetryableError, match="cannot be reached"):
        ask(tmp_path, address, "hi")
    with pytest.raises(PermanentError, match="no agent's card"), LocalServer() as other:
        ask(tmp_path, other.url, "hi")


def test_the_example_asks_an_agent(tmp_path):
    with Agent(SendMessage={"message": {"messageId": "a", "parts": [{"data": {"high": 22}}]}}) as agent:
        run_example(Path(__file__).parent, tmp_path, names={"A2A_URL": agent.url})
    assert (tmp_path / "answer.txt").read_text() == 'completed: {"high": 22}'
