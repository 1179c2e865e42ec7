"""The `llm_agent` state against a server that keeps to the providers' interfaces."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError, StepCancelled
from intellyhub_engine.machine.step import FlowCard
from intellyhub_functions.states.llm_agent.llm_agent import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import FlowsOfTests, make_step

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["name", "n"],
    "additionalProperties": False,
}
FLOW = {"flow": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
def server():
    with ModelServer() as made:
        yield made


@pytest.fixture
def step(tmp_path):
    return make_step(tmp_path, flows=FlowsOfTests(weather=lambda given: {"rain": given["city"] == "Bari"}))


def ask(server, step, **parameters):
    settings = {"base_url": server.base_url, "api_key": "sk-test", "user_prompt": "Who?", "max_tokens": 100}
    return perform({**settings, **parameters}, step)


def asked(server, place=-1):
    return server.questions[place]["messages"]


def test_the_answer_is_a_text_and_a_record(server, step):
    server.turns = [Turn(text="Rossi")]
    answer = ask(server, step, system_prompt="Be brief", response_key="who").value
    assert str(answer) == answer.response == answer.who == "Rossi"
    assert answer.lower() == "rossi"
    facts = {name: answer[name] for name in ("success", "provider", "model", "finish_reason")}
    assert facts == {"success": True, "provider": "openai", "model": "gpt-4.1-nano", "finish_reason": "stop"}
    assert answer.usage.total_tokens == 4
    assert asked(server) == [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Who?"}]


def test_without_an_output_the_result_has_a_variable_of_its_own(server, step):
    assert str(ask(server, step).changes["llm_response"]) == "Who?"
    assert list(ask(server, step, response_key="who").changes) == ["who"]


@pytest.mark.parametrize(
    ("parameters", "names", "prompt"),
    [
        ({"user_prompt": "Sum up: {input}", "input": "a text"}, {}, "Sum up: a text"),
        ({"user_prompt": "ignored", "input": "a text"}, {}, "a text"),
        ({"user_prompt": None}, {"input": "a variable"}, "a variable"),
        ({"user_prompt": "About {input}"}, {"input": "it"}, "About it"),
    ],
)
def test_the_prompt_is_about_the_input(server, tmp_path, parameters, names, prompt):
    ask(server, make_step(tmp_path, names), **parameters)
    assert asked(server)[-1]["content"] == prompt


def test_an_agent_that_is_asked_nothing_says_so(server, step):
    with pytest.raises(PermanentError, match="there is nothing to ask: give user_prompt"):
        ask(server, step, user_prompt=" ")


def test_models_without_roles_get_one_message(server, step):
    ask(server, step, system_prompt="Be brief", chat_mode=False)
    assert asked(server) == [{"role": "user", "content": "Be brief\n\nWho?"}]


def test_a_failure_leaves_a_record(server, step):
    server.turns = [Turn(status=404, error="no such model")]
    with pytest.raises(PermanentError) as failed:
        ask(server, step, model="gpt-9")
    record: Any = failed.value.result
    assert (record["success"], record["model"]) == (False, "gpt-9")
    assert record["error"] == "openai answers 404: no such model"


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Rossi", "n": 3}',
        'Here it is:\n```json\n{"name": "Rossi", "n": 3}\n```',
        'Sure! {"name": "Rossi", "n": 3} Anything else?',
    ],
)
def test_an_answer_of_a_given_shape_is_data(server, step, text):
    server.turns = [Turn(text=text)]
    assert ask(server, step, schema=SCHEMA).value.data == {"name": "Rossi", "n": 3}
    shape = server.questions[0]["response_format"]["json_schema"]
    assert (shape["schema"], shape["strict"]) == (SCHEMA, True)


def test_an_answer_out_of_shape_is_asked_for_again_with_what_is_wrong(server, step):
    server.turns = [Turn(text="Rossi, 3"), Turn(text='{"name": 1}'), Turn(text='{"name": "Rossi", "n": 3}')]
    answer = ask(server, step, schema=SCHEMA).value
    assert answer.data.n == 3
    complaints = [message["content"] for message in asked(server) if message["role"] == "user"][1:]
    assert "it is no JSON" in complaints[0]
    assert "$.name: 1 is not of type 'string'" in complaints[1]
    assert "'n' is a required property" in complaints[1]
    assert len(step.spending.spent) == 3


def test_a_model_that_cannot_keep_to_the_shape_fails_the_step(server, step):
    server.turns = [Turn(text="no")] * 5
    with pytest.raises(PermanentError, match="not of the shape asked for: it is no JSON"):
        ask(server, step, schema=SCHEMA, repairs=1)
    assert len(server.calls) == 2


def test_a_shape_that_is_no_object_is_asked_for_in_one(server, step):
    server.turns = [Turn(text='{"answer": [1, 2]}')]
    schema = {"type": "array", "items": {"type": "integer"}}
    assert ask(server, step, schema=schema).value.data == [1, 2]
    assert server.questions[0]["response_format"]["json_schema"]["schema"]["required"] == ["answer"]


def test_a_server_that_knows_no_schemas_is_told_in_words(step):
    with ModelServer(Turn(text='{"name": "R", "n": 3}'), refuses=("response_format",)) as server:
        assert ask(server, step, schema=SCHEMA).value.data.name == "R"
        assert "response_format" not in server.questions[-1]
        assert '"required": ["name", "n"]' in asked(server)[0]["content"]


def test_a_schema_leads_nowhere_but_into_itself(server, step):
    server.turns = [Turn(text="{}")]
    with pytest.raises(PermanentError, match="the schema cannot be used"):
        ask(server, step, schema={"$ref": f"{server.url}/schema.json"})
    assert [call.method for call in server.calls] == ["POST"]
    with pytest.raises(PermanentError, match="schema is no JSON Schema"):
        ask(server, step, schema={"type": "text"})


def test_an_answer_in_shape_that_was_cut_is_no_answer(server, step):
    server.turns = [Turn(text='{"name": "R', finish="length")]
    with pytest.raises(PermanentError, match="cut off at max_tokens"):
        ask(server, step, schema=SCHEMA)


def test_an_answer_that_was_held_back_fails(server, step):
    server.turns = [Turn(text="", finish="filtered")]
    with pytest.raises(PermanentError, match="the provider held the answer back"):
        ask(server, step)


@pytest.mark.parametrize(("provider", "api"), [("openai", "chat"), ("openai", "responses"), ("anthropic", "messages")])
def test_the_model_uses_another_flow_and_then_answers(server, step, provider, api):
    server.turns = [Turn(text="Let me see", calls=(("weather", {"city": "Bari"}),)), Turn(text="It rains.")]
    answer = ask(server, step, provider=provider, api=api, tools=[FLOW]).value
    assert str(answer) == "It rains."
    assert answer.tool_calls == [{"name": "weather", "arguments": '{"city": "Bari"}', "failed": False}]
    assert list(step.flows.calls.values()) == [("weather", {"city": "Bari"})]
    assert '{\\"rain\\": true}' in server.calls[-1].body.decode()
    assert 'tool weather: {"rain": true}' in step.log.text()


def test_equal_calls_are_told_apart_and_the_same_after_a_crash(server, tmp_path):
    keys = []
    for _ in range(2):
        flows = FlowsOfTests(weather=lambda given: "dry")
        call = ("weather", {"city": "Bari"})
        server.turns = [Turn(calls=(call, call)), Turn(text="dry")]
        ask(server, make_step(tmp_path, flows=flows), tools=["weather"])
        keys.append(list(flows.calls))
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


def test_what_a_flow_says_of_itself_is_told_to_the_model(server, tmp_path):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    card = FlowCard(name="double it", description="Doubles a number.", input_schema=schema)
    flows = FlowsOfTests([card])
    ask(server, make_step(tmp_path, flows=flows), tools={"flow": "double it"})
    [tool] = server.questions[0]["tools"]
    assert tool["function"] == {"name": "double_it", "description": "Doubles a number.", "parameters": schema}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("wheather", {}), "error: there is no tool 'wheather'; there are weather"),
        (("weather", "{city"), "error: the arguments are no JSON"),
        (("weather", "[1]"), "error: the arguments must be an object"),
        (("weather", {"city": 5}), "error: the arguments do not fit: $.city: 5 is not of type 'string'"),
    ],
)
def test_the_model_is_told_what_is_wrong_about_a_call(server, step, call, told):
    server.turns = [Turn(calls=(call,)), Turn(text="sorry")]
    assert ask(server, step, tools=[FLOW]).value.tool_calls[0].failed
    assert asked(server)[-1]["content"].startswith(told)
    assert step.flows.calls == {}


def test_the_model_is_told_what_a_tool_failed_with(server, tmp_path):
    def fail(given):
        raise PermanentError("the roof is open")

    server.turns = [Turn(calls=(("weather", {}),)), Turn(text="sorry")]
    ask(server, make_step(tmp_path, flows=FlowsOfTests(weather=fail)), tools=["weather"])
    assert asked(server)[-1]["content"] == "error: the roof is open"


def test_a_cancelled_run_uses_no_more_tools(server, tmp_path):
    def cancel(given):
        raise StepCancelled("the run was cancelled")

    server.turns = [Turn(calls=(("weather", {}),))]
    with pytest.raises(StepCancelled):
        ask(server, make_step(tmp_path, flows=FlowsOfTests(weather=cancel)), tools=["weather"])


def test_a_model_that_never_stops_is_stopped(server, step):
    server.turns = [Turn(calls=(("weather", {"city": "x"}),))] * 9
    with pytest.raises(PermanentError, match="still wants tools after 2 calls"):
        ask(server, step, tools=[FLOW], max_turns=3)
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("tools", "fault"),
    [
        (["nobody"], r"tools\[0\]: there is no flow 'nobody'"),
        ([{"name": "x"}], r"tools\[0\] names no `flow`, no `mcp` server, no `http` address and no `langchain` tool"),
        ([FLOW, FLOW], "two tools are called 'weather'"),
        ([{"http": "http://x"}], "an http tool needs a name"),
        ([{"flow": "weather", "parameters": [1]}], "its parameters are no JSON Schema"),
    ],
)
def test_tools_that_are_not_there_are_named_before_anything_is_asked(server, step, tools, fault):
    with pytest.raises(PermanentError, match=fault):
        ask(server, step, tools=tools)
    assert server.calls == []


class Orders(LocalServer):
    """A service with orders."""

    def answer(self, call):
        return Answer.of_json({"path": call.path, "body": call.json()}, 404 if "9" in call.path else 200)


NUMBER = {"type": "object", "properties": {"number": {"type": "string"}, "note": {"type": "string"}}}


def test_an_http_service_is_a_tool(server, step):
    with Orders() as orders:
        read = {"http": f"{orders.url}/orders/:number", "name": "read", "parameters": NUMBER}
        write = {**read, "name": "write", "method": "POST", "headers": {"X-Key": "k"}}
        calls = (("read", {"number": "7/../8", "note": "a&b"}), ("write", {"number": "7", "note": "x"}))
        server.turns = [Turn(calls=calls), Turn(calls=(("read", {"number": "9"}),)), Turn(text="ok")]
        ask(server, step, tools=[read, write])
    assert [call.path for call in orders.calls] == ["/orders/7%2F..%2F8?note=a%26b", "/orders/7", "/orders/9"]
    assert orders.calls[1].json() == {"note": "x"}
    assert orders.calls[1].headers["x-key"] == "k"
    assert orders.calls[1].headers["idempotency-key"].startswith("run-1/1/tool-")
    told = [message["content"] for message in asked(server) if message["role"] == "tool"]
    assert json.loads(told[1])["body"] == {"note": "x"}
    assert told[2] == f"error: GET {orders.url}/orders/9 answered 404"


@pytest.mark.parametrize("number", ["", "..", "."])
def test_a_path_cannot_be_left(server, step, number):
    with Orders() as orders:
        tool = {"http": f"{orders.url}/orders/:number", "name": "read", "parameters": NUMBER}
        server.turns = [Turn(calls=(("read", {"number": number}),)), Turn(text="ok")]
        ask(server, step, tools=[tool])
    assert orders.calls == []


def test_the_budget_ends_an_agent_between_two_calls(server, step):
    server.turns = [Turn(text=" ".join("abcdefgh" * 12), calls=(("weather", {"city": "x"}),))] * 3
    with pytest.raises(PermanentError, match="the budget of the run is spent: 150 tokens"):
        ask(server, step, tools=[FLOW], budget={"tokens": 150})
    assert len(server.calls) == 1


def test_the_example_runs(tmp_path):
    with Orders() as orders, ModelServer() as server:
        said = {"text": "It is on its way.", "solved": True}
        server.turns = [Turn(calls=(("find_order", {"number": 7}),)), Turn(text=json.dumps(said))]
        names = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-test", "ORDERS_URL": orders.url}
        result = run_example(Path(__file__).parent, tmp_path, names=names)
    assert result.output == "It is on its way."
    assert orders.calls[0].path == "/orders/7"
