"""A model as a step uses it, over all interfaces, against a server that keeps to them."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import threading
import time

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.machine.step import Left
from intellyhub_functions.models import asking
from intellyhub_functions.models.model import open_model
from intellyhub_functions.models.purse import BudgetSpent
from intellyhub_functions.models.question import Finish, Message, Role, Tool, ToolCall
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.surroundings import Log, SpendingOfTests, await_that, make_step

INTERFACES = ("chat", "responses", "messages")
QUICK = Turn(status=503, error="busy", headers={"retry-after": "0"})


def user(text):
    return Message(role=Role.USER, text=text)


def settings_for(server, interface="chat", **more):
    provider = "anthropic" if interface == "messages" else "openai"
    settings = {"provider": provider, "api": interface, "base_url": server.base_url, "api_key": "sk-test"}
    return {"model": "gpt-4.1-nano", "max_tokens": 100, **settings, **more}


@pytest.fixture
def step(tmp_path):
    return make_step(tmp_path)


@pytest.fixture(params=INTERFACES)
def interface(request):
    return request.param


@pytest.mark.parametrize("streams", [True, False])
def test_a_model_is_asked_and_its_tokens_are_counted(interface, streams, step):
    with ModelServer("Rome, of course.") as server:
        model = open_model(settings_for(server, interface, stream=streams), step)
        reply = model.ask(Message(role=Role.SYSTEM, text="Be brief"), user("Capital of Italy?"))
    assert (reply.text, reply.finish, reply.calls) == ("Rome, of course.", Finish.STOP, ())
    assert step.spending.spent == [{"input_tokens": 5, "output_tokens": 3, "cost_usd": pytest.approx(1.7e-6)}]
    assert bool(server.questions[0].get("stream")) is streams
    assert (step.log.text() == "Rome, of course.") is streams


@pytest.mark.parametrize("streams", [True, False])
def test_tools_are_asked_for_and_their_answers_handed_back(interface, streams, step):
    weather = Tool(name="weather", description="tells it", schema={"type": "object"})
    turn = Turn(text="Let me see", calls=(("weather", {"city": "Città"}), ("weather", {"city": "Bari"})))
    with ModelServer(turn, "It rains.") as server:
        model = open_model(settings_for(server, interface, stream=streams), step)
        first = model.ask(user("Rain?"), tools=(weather,))
        assert [call.name for call in first.calls] == ["weather", "weather"]
        assert first.finish is Finish.TOOLS
        asked = Message(role=Role.ASSISTANT, text=first.text, calls=first.calls, raw=first.raw)
        answers = [Message(role=Role.TOOL, text="yes", call_id=call.id) for call in first.calls]
        assert model.ask(user("Rain?"), asked, *answers, tools=(weather,)).text == "It rains."
        plain = Message(role=Role.ASSISTANT, text=first.text, calls=first.calls)
        assert model.ask(user("Rain?"), plain, *answers, tools=(weather,)).text


def test_an_answer_has_the_shape_that_was_asked_for(interface, step):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    with ModelServer('{"n": 3}') as server:
        reply = open_model(settings_for(server, interface), step).ask(user("n?"), schema=schema)
    assert (reply.text, reply.finish) == ('{"n": 3}', Finish.STOP)


@pytest.mark.parametrize("streams", [True, False])
def test_an_answer_that_was_cut_or_held_back_says_so(interface, streams, step):
    with ModelServer(Turn(text="a b", finish="length"), Turn(text="no", finish="filtered")) as server:
        model = open_model(settings_for(server, interface, stream=streams), step)
        assert [model.ask(user("x")).finish for _ in range(2)] == [Finish.LENGTH, Finish.FILTERED]


def test_what_passes_is_tried_again(interface, step):
    slow = Turn(status=429, error="slow down", headers={"retry-after-ms": "20"})
    with ModelServer(QUICK, slow, "ok") as server:
        assert open_model(settings_for(server, interface), step).ask(user("x")).text == "ok"
    assert len(server.calls) == 3
    assert [level for level, _ in step.log.lines] == ["warning", "warning", "info"]


def test_an_answer_that_breaks_off_is_asked_for_again(interface, step, monkeypatch):
    monkeypatch.setattr(asking, "FIRST_PAUSE_SECONDS", 0.01)
    with ModelServer(Turn(text="a b c d", breaks_off=True), "whole") as server:
        assert open_model(settings_for(server, interface), step).ask(user("x")).text == "whole"
    assert "broke the answer off; it is asked again" in step.log.text()


def test_attempts_are_counted_and_the_last_failure_may_pass(step):
    with ModelServer(QUICK, QUICK, QUICK) as server:
        model = open_model(settings_for(server, max_retries=1), step)
        with pytest.raises(RetryableError, match="openai answers 503: busy"):
            model.ask(user("x"))
    assert len(server.calls) == 2


def test_a_long_pause_is_left_to_the_flow(step):
    later = Turn(status=429, error="later", headers={"retry-after": "90"})
    with ModelServer(later) as server, pytest.raises(RetryableError) as failed:
        open_model(settings_for(server), step).ask(user("x"))
    assert failed.value.retry_after_seconds == 90


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        (Turn(status=429, error="You exceeded your current quota", code="insufficient_quota"), "answers 429"),
        (Turn(status=400, error="the context is too long", code="context_length_exceeded"), "context is too long"),
        (Turn(status=404, error="no such model"), "answers 404: no such model"),
        (Turn(status=401, error="bad key sk-test"), r"bad key \*\*\* \(is the key the right one\?\)"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(turn, fault, step):
    with ModelServer(turn) as server, pytest.raises(PermanentError, match=fault):
        open_model(settings_for(server), step).ask(user("x"))
    assert len(server.calls) == 1


def test_parts_that_a_model_refuses_are_left_out_or_said_otherwise(step):
    refused = ("stream_options", "temperature", "max_tokens")
    with ModelServer("ok", refuses=refused) as server:
        reply = open_model(settings_for(server, temperature=0.7), step).ask(user("x"))
    assert reply.text == "ok"
    assert server.questions[-1] == {
        "model": "gpt-4.1-nano",
        "messages": [{"role": "user", "content": "x"}],
        "max_completion_tokens": 100,
        "stream": True,
    }


def test_tokens_are_estimated_where_the_server_does_not_tell_them(step):
    with ModelServer("x" * 400, counts=False) as server:
        model = open_model(settings_for(server), step)
        model.ask(user("y" * 40))
    assert step.spending.spent[0]["output_tokens"] == 100
    assert model.purse.usage()["estimated"] is True


def test_a_call_is_not_made_when_the_budget_is_spent(interface, tmp_path):
    spending = SpendingOfTests(Left(name="tokens", amount=20, most=500, of="the flow this month"))
    step = make_step(tmp_path, spending=spending)
    told = "the budget of the flow this month is spent: 500 tokens, 20 left.*not made"
    with ModelServer("never") as server, pytest.raises(BudgetSpent, match=told):
        open_model(settings_for(server, interface), step).ask(user("x"))
    assert server.calls == []


def test_a_budget_shortens_the_answer_so_that_it_is_kept(step):
    with ModelServer("a b c") as server:
        open_model(settings_for(server, budget={"tokens": 60, "cost_usd": 1}), step).ask(user("four"))
    assert server.questions[0]["max_tokens"] == 60 - 1 - 4


def test_a_budget_in_dollars_counts_by_the_price_of_the_model(step):
    with ModelServer("never") as server:
        with pytest.raises(BudgetSpent, match="the budget of the run is spent: 1e-06 cost_usd"):
            open_model(settings_for(server, budget={"cost_usd": 0.000001}), step).ask(user("x"))
        with pytest.raises(BudgetSpent, match="what llama-9 costs is not known"):
            open_model(settings_for(server, model="llama-9", budget={"cost_usd": 1}), step).ask(user("x"))
        prices = {"input": 1, "output": 2}
        open_model(settings_for(server, model="llama-9", budget={"cost_usd": 1}, prices=prices), step).ask(user("x"))
    assert len(server.calls) == 1
    assert step.spending.spent[0]["cost_usd"] == pytest.approx((1 + 2) / 1e6)


def test_what_a_tenant_pays_wins_over_what_a_flow_says(tmp_path):
    outer = {"LLM_PRICES": '{"gpt-4.1-nano": {"input": 1000, "output": 1000}}'}
    spending = SpendingOfTests()
    step = make_step(tmp_path, {"LLM_PRICES": "{}"}, outer=outer, spending=spending)
    with ModelServer("x") as server:
        open_model(settings_for(server, prices={"input": 0, "output": 0}), step).ask(user("x"))
    assert spending.spent[0]["cost_usd"] == pytest.approx(0.002)


def test_the_answer_is_in_the_live_log_while_it_is_written(interface, step):
    gate = threading.Event()
    text = "One line is here.\nand another one that is longer than the first"
    with ModelServer(Turn(text=text, gate=gate)) as server:
        model = open_model(settings_for(server, interface), step)
        asking = threading.Thread(target=lambda: model.ask(user("x")))
        asking.start()
        await_that(lambda: step.log.lines)
        seen = list(step.log.lines)
        gate.set()
        asking.join()
    assert seen == [("info", "One line is here.")]
    assert step.log.text() == text


def test_a_cancelled_run_does_not_wait_for_the_model(interface, step):
    gate = threading.Event()
    with ModelServer(Turn(text="a b c d", gate=gate)) as server:
        model = open_model(settings_for(server, interface, timeout=20), step)
        threading.Thread(target=lambda: await_that(lambda: server.calls) and step.cancelled.set()).start()
        began = time.monotonic()
        with pytest.raises(StepCancelled):
            model.ask(user("x"))
        assert time.monotonic() - began < 3
        gate.set()


def test_the_time_of_the_step_is_kept(tmp_path):
    gate = threading.Event()
    step = make_step(tmp_path, timeout_seconds=0.4)
    with ModelServer(Turn(text="a b c d", gate=gate)) as server:
        model = open_model(settings_for(server), step)
        with pytest.raises((StepTimedOut, RetryableError)):
            model.ask(user("x"))
        gate.set()


def test_a_server_that_answers_something_else_is_named(step):
    from intellyhub_functions.testing.server import Answer, LocalServer

    class Page(LocalServer):
        def answer(self, call):
            return Answer(headers={"content-type": "text/html"}, body=b"<html>")

    with Page() as page, pytest.raises(PermanentError, match=r"answers what is no JSON: is http.*its address"):
        open_model({"provider": "compatible", "base_url": page.url, "model": "m"}, step).ask(user("x"))


def test_calls_without_arguments_and_ids_are_read(step):
    from intellyhub_functions.models.chat import read

    call = {"function": {"name": "now"}}
    assert read({"choices": [{"message": {"content": None, "tool_calls": [call]}}]}).calls == (
        ToolCall(id="call_0", name="now", arguments=""),
    )
    assert read([]).text == ""


def test_log_lines_are_quiet_where_asked(step):
    with ModelServer("ok") as server:
        open_model(settings_for(server), step).ask(user("x"), quietly=True)
    assert isinstance(step.log, Log)
    assert step.log.lines == []
