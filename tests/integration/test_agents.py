"""A flow that asks a model, on a whole platform: seen while it is answered, remembered, counted, kept to its budget."""

import contextlib
import json
import threading

import pytest
import urllib3

from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.surroundings import await_that
from tests.integration.test_api_walkthrough import PASSWORD, platform
from tests.unit.control_plane.house import data_folder

FLOW = """\
name: agent
states:
  ask:
    state_type: llm_agent
    model: gpt-4.1-mini
    base_url: "{MODEL_URL}"
    user_prompt: "{question}"
    tools: [doubler]
    memory: {key: chat}
    output: answer
    transition: end
  end:
    state_type: end
    result: "{answer}"
"""
TOOL = """\
name: doubler
description: Doubles a number.
input: {type: object, properties: {n: {type: integer}}, required: [n]}
states:
  end:
    state_type: end
    result: "{n * 2}"
"""


class Api:
    """The REST API of a platform, as its owner."""

    def __init__(self, address):
        self.address = address
        self.pool = urllib3.PoolManager(maxsize=4)
        told = self.ask("POST", "/auth/login", {"email": "admin@localhost", "password": PASSWORD})
        self.headers = {"authorization": f"Bearer {told['access_token']}"}

    def ask(self, method, path, body=None):
        headers = getattr(self, "headers", {})
        answer = self.pool.request(method, f"{self.address}/api{path}", json=body, headers=headers, retries=False)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def run(self, question, **more):
        return self.ask("POST", "/flows/agent/execute", {"variables": {"question": question}, **more})

    def close(self):
        self.pool.clear()


@contextlib.contextmanager
def house():
    """A platform with the flows, and the server of models beside it."""
    with (
        data_folder() as layout,
        platform(layout.data / "hub") as address,
        ModelServer() as models,
        contextlib.closing(Api(address)) as api,
    ):
        api.ask("POST", "/secrets", {"name": "OPENAI_API_KEY", "value": "sk-test"})
        api.ask("POST", "/variables", {"key": "MODEL_URL", "value": models.base_url})
        for name, text in (("doubler", TOOL), ("agent", FLOW)):
            api.ask("POST", "/flows", {"name": name, "yaml_content": text})
        yield api, models


def events(api, run_id):
    """The run's live stream: kind and content of each message."""
    answer = api.pool.request(
        "GET", f"{api.address}/api/runs/{run_id}/events", headers=api.headers, preload_content=False, timeout=20
    )
    kind = None
    with contextlib.closing(answer):
        for line in answer:
            name, _, value = line.decode().strip().partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)
                if kind == "end":
                    return


@pytest.mark.slow
def test_an_agent_is_watched_remembered_counted_and_kept_within_its_budget():
    with house() as (api, models):
        gate = threading.Event()
        models.turns = [
            Turn(calls=(("doubler", {"n": 21}),)),
            Turn(text="It is 42, and\nthe rest of the answer comes later than that.", gate=gate),
        ]
        run_id = api.run("Double 21")["run_id"]
        seen = []
        for kind, content in events(api, run_id):
            seen.append((kind, content))
            if kind == "log" and content["message"] == "It is 42, and":
                [step] = [one for one in api.ask("GET", f"/runs/{run_id}/steps")["items"] if one["state"] == "ask"]
                assert step["status"] == "running"
                assert "It is 42, and" in [line["message"] for line in step["logs"]]
                assert step["usage"]["output_tokens"] > 0
                gate.set()
        assert next(content["message"] for kind, content in seen if kind == "log") == "tool doubler: 42"
        assert [content["usage"] for kind, content in seen if kind == "usage"]
        run = api.ask("GET", f"/runs/{run_id}")
        [step, *_] = api.ask("GET", f"/runs/{run_id}/steps")["items"]
        assert run["status"] == "succeeded"
        assert run["usage"] == step["usage"]
        assert run["usage"]["cost_usd"] > 0

        models.turns = [Turn(text="42, as I said")]
        assert api.run("What was it?", wait_seconds=20)["status"] == "succeeded"
        assert [message["content"] for message in models.questions[-1]["messages"]] == [
            "Double 21",
            "It is 42, and\nthe rest of the answer comes later than that.",
            "What was it?",
        ]

        api.ask("POST", "/variables", {"key": "BUDGET_TOKENS_PER_MONTH", "value": "40"})
        refused = await_that(lambda: refused_run(api))  # a worker that is awake hears of it a moment later
        assert "the budget of the tenant this month is spent: 40 tokens" in refused["error"]
        asked = len(models.calls)
        assert refused_run(api)
        assert len(models.calls) == asked


def refused_run(api):
    """A run that asks, if it failed."""
    run = api.run("And now?", wait_seconds=20)
    return run if run["status"] == "failed" else None
