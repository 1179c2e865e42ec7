"""LangChain's tools and chains in the hands of an agent: the real library, once in processes of its own."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import sys

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.step import Left
from intellyhub_functions.langchain import process
from intellyhub_functions.langchain.model import Meter, make_message, read_message
from intellyhub_functions.models.question import Reply, Role, Tokens, ToolCall
from intellyhub_functions.states.llm_agent.llm_agent import perform
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.surroundings import Log, SpendingOfTests, make_step

MODULE = '''
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool


@tool
def weather(city: str, days: int = 1) -> dict:
    """Tells the weather."""
    if city == "nowhere":
        raise ValueError("there is no such city")
    return {"city": city, "rain": days > 1}


async def count(words: list[str]) -> int:
    """Counts words."""
    return len(words)


class Toolkit:
    def get_tools(self):
        return [weather]


toolkit = Toolkit()
several = [weather]
upper = RunnableLambda(lambda given: given["input"].upper())
facts = RunnableLambda(lambda given: {"topic": given["topic"], "words": given["input"].split()})
said_before = MessagesPlaceholder("chat_history")
prompt = ChatPromptTemplate([("system", "{system_prompt} Topic: {topic}"), said_before, ("user", "{input}")])


def answer(model):
    return prompt | model | StrOutputParser()


def agent(model):
    bound = model.bind_tools([weather])

    def run(given):
        asked = [("user", given["input"])]
        said = bound.invoke(asked)
        for call in said.tool_calls:
            asked = [*asked, said, weather.invoke(call)]
        return bound.invoke(asked)

    return RunnableLambda(run)


def twice_and_fail(model):
    def run(given):
        model.invoke("one")
        raise RuntimeError("it broke off")

    return RunnableLambda(run)


no_chain = 7
'''


class Here(Blocks):
    """Does in the test's own process what a process of its own begins with importing LangChain for."""

    def run_function(self, function, given, step, **more):
        return process.perform(revived(given))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("langchain")
    (made / "ours.py").write_text(MODULE)
    sys.path.append(str(made))
    yield made
    sys.path.remove(str(made))
    sys.modules.pop("ours", None)


def stepping(folder, blocks):
    def made(**more):
        return make_step(folder, services={"blocks": blocks}, log=Log(), **more)

    return made


@pytest.fixture
def make(folder):
    return stepping(folder, Here())


@pytest.fixture
def make_apart(folder):
    with Blocks() as blocks:
        yield stepping(folder, blocks)


@pytest.fixture
def server():
    with ModelServer() as running:
        yield running


def ask(server, step, **parameters):
    settings = {"base_url": server.base_url, "api_key": "sk-test", "user_prompt": "Rain in Bari?", "max_tokens": 100}
    return perform({**settings, **parameters}, step)


def test_tools_and_chains_work_in_processes_of_their_own(server, make_apart):
    step = make_apart()
    server.turns = [Turn(calls=(("weather", {"city": "Bari", "days": 2}),)), Turn(text="It rains.")]
    ask(server, step, tools=[{"langchain": "ours:weather"}])
    assert server.questions[1]["messages"][-1]["content"] == '{"city": "Bari", "rain": true}'
    said = ask(server, step, chain="ours:answer", chain_input={"topic": "weather"}).value
    assert str(said) == "Rain in Bari?"
    assert step.log.lines[-1] == ("info", "Rain in Bari?")
    assert len(step.spending.spent) == 3


@pytest.mark.parametrize("place", ["ours:weather", "ours:several", "ours:toolkit"])
def test_a_tool_of_langchain_s_is_told_to_the_model_and_used(server, make, place):
    step = make()
    calls = (("weather", {"city": "Bari", "days": 2}), ("weather", {"city": "nowhere"}), ("weather", {"days": 2}))
    server.turns = [Turn(calls=calls), Turn(text="It rains.")]
    answer = ask(server, step, tools=[{"langchain": place}]).value
    [tool] = server.questions[0]["tools"]
    assert (tool["function"]["name"], tool["function"]["description"]) == ("weather", "Tells the weather.")
    assert tool["function"]["parameters"]["required"] == ["city"]
    said = [message["content"] for message in server.questions[1]["messages"] if message["role"] == "tool"]
    assert said[0] == '{"city": "Bari", "rain": true}'
    assert "there is no such city" in said[1]
    assert "'city' is a required property" in said[2]
    assert [call.failed for call in answer.tool_calls] == [False, True, True]


def test_a_function_is_a_tool_too_also_an_asynchronous_one(server, make):
    server.turns = [Turn(calls=(("count", {"words": ["a", "b"]}),)), Turn(text="Two.")]
    ask(server, make(), tools=[{"langchain": "ours:count", "only": ["count"]}])
    assert server.questions[1]["messages"][-1]["content"] == "2"


def test_a_chain_asks_the_state_s_model_and_what_it_costs_is_counted(server, make):
    step = make()
    server.turns = [Turn(text="Yes, it rains.")]
    said = ask(server, step, chain="ours:answer", chain_input={"topic": "weather"}, system_prompt="Be brief.").value
    assert (str(said), said.success, said.model) == ("Yes, it rains.", True, "gpt-4.1-nano")
    assert server.questions[0]["messages"] == [
        {"role": "system", "content": "Be brief. Topic: weather"},
        {"role": "user", "content": "Rain in Bari?"},
    ]
    assert server.questions[0]["max_tokens"] == 100
    assert said.usage.total_tokens == sum(step.spending.spent[0][name] for name in ("input_tokens", "output_tokens"))


@pytest.mark.parametrize(("provider", "api"), [("openai", "chat"), ("openai", "responses"), ("anthropic", "messages")])
def test_a_chain_s_model_uses_its_tools_over_every_interface(server, make, provider, api):
    step = make()
    server.turns = [Turn(calls=(("weather", {"city": "Bari", "days": 2}),)), Turn(text="It rains.")]
    assert str(ask(server, step, chain="ours:agent", provider=provider, api=api).value) == "It rains."
    assert b"rain" in server.calls[1].body
    assert len(step.spending.spent) == 2


def test_a_conversation_goes_on_through_a_chain(server, make):
    store, memory = make().memory, {"key": "k"}
    server.turns = [Turn(text="Hello Ada"), Turn(text="Ada")]
    wanted = {"chain": "ours:answer", "chain_input": {"topic": "names"}, "memory": memory}
    ask(server, make(memory=store), **{**wanted, "user_prompt": "I am Ada"})
    ask(server, make(memory=store, seq=2), **{**wanted, "user_prompt": "Who am I?"})
    assert [message["content"] for message in server.questions[1]["messages"]][1:] == [
        "I am Ada",
        "Hello Ada",
        "Who am I?",
    ]


def test_what_a_chain_gives_may_be_more_than_a_text(server, make):
    said = ask(server, make(), chain="ours:facts", chain_input={"topic": "rain"}).value
    assert said.data == {"topic": "rain", "words": ["Rain", "in", "Bari?"]}
    schema = {"type": "object", "required": ["place"]}
    with pytest.raises(PermanentError, match=r"not of the shape asked for: .*'place' is a required property"):
        ask(server, make(), chain="ours:facts", chain_input={"topic": "rain"}, schema=schema)
    assert str(ask(server, make(), chain="ours:upper").value) == "RAIN IN BARI?"
    assert server.calls == []


def test_a_chain_that_fails_has_spent_what_it_has_spent(server, make):
    step = make()
    with pytest.raises(PermanentError, match="RuntimeError: it broke off"):
        ask(server, step, chain="ours:twice_and_fail")
    assert len(step.spending.spent) == 1


def test_a_budget_ends_a_chain_between_two_calls(server, make):
    step = make(spending=SpendingOfTests(Left(name="tokens", amount=150, most=500, of="the flow this month")))
    server.turns = [Turn(text="x " * 100, calls=(("weather", {"city": "Bari"}),)), Turn(text="never")]
    with pytest.raises(PermanentError, match="the budget of the flow this month is spent"):
        ask(server, step, chain="ours:agent")
    assert len(server.calls) == 1


def test_what_may_pass_may_pass_through_a_chain_too(server, make):
    server.turns = [Turn(status=429, error="later", headers={"retry-after": "90"})]
    with pytest.raises(RetryableError, match="later") as failed:
        ask(server, make(), chain="ours:answer", chain_input={"topic": "x"})
    assert failed.value.retry_after_seconds == 90


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"chain": "ours.answer"}, "write module:attribute"),
        ({"chain": "ours:nothing"}, "ours has no nothing"),
        ({"chain": "theirs:answer"}, "No module named 'theirs'"),
        ({"chain": "ours:no_chain"}, "TypeError: 'int' object is not callable"),
        ({"chain": "ours:answer", "tools": ["x"]}, "a chain brings its own tools"),
        ({"tools": [{"langchain": "ours:weather", "only": ["wind"]}]}, r"tools\[0\]: ours:weather has no tool wind"),
    ],
)
def test_what_is_not_there_is_named_before_anything_is_asked(server, make, parameters, fault):
    with pytest.raises(PermanentError, match=fault):
        ask(server, make(), **parameters)
    assert server.calls == []


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    with pytest.raises(PermanentError, match=r"intellyhub-functions\[langchain\]"):
        process.find("ours:weather")


def test_messages_keep_what_they_say_on_the_way_there_and_back():
    calls = (
        ToolCall(id="c1", name="weather", arguments='{"city": "Bari"}'),
        ToolCall(id="c2", name="bad", arguments="{"),
    )
    made = make_message(Reply(text="Let me see", calls=calls, tokens=Tokens(input=3, output=2), raw=[{"sealed": 1}]))
    assert made.usage_metadata is not None
    assert made.usage_metadata["total_tokens"] == 5
    assert [call["name"] for call in made.invalid_tool_calls] == ["bad"]
    back = read_message(made)
    assert (back.role, back.text, back.raw) == (Role.ASSISTANT, "Let me see", [{"sealed": 1}])
    assert back.calls == calls[:1]


def test_a_meter_takes_what_is_spent_off_every_limit():
    meter = Meter()
    meter.limits = [Left(name="tokens", amount=10, most=20, of="x"), Left(name="cost_usd", amount=1, most=2, of="x")]
    meter.add({"input_tokens": 3, "output_tokens": 4, "cost_usd": 0.25})
    assert [left.amount for left in meter.left()] == [3, 0.75]
