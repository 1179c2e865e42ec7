"""The double of the model servers passes for the real ones with their own SDKs, and refuses what they refuse."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import anthropic
import openai
import pytest

from intellyhub_functions.testing.model_server import ModelServer, Turn

TOOL = {"name": "weather", "description": "tells it", "parameters": {"type": "object", "properties": {}}}
CALL = Turn(text="Let me see.", calls=(("weather", {"city": "Bari"}),))
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture
def server():
    with ModelServer() as made:
        yield made


@pytest.fixture
def of_openai(server):
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture
def of_anthropic(server):
    with anthropic.Anthropic(base_url=server.url, api_key="sk-test", max_retries=0) as client:
        yield client


def chat(client, **more):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a b"}], **more)


def respond(client, **more):
    return client.responses.create(model="m", input="a b", **more)


def message(client, **more):
    return client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "a b"}], **more)


def test_chat_completions_at_once(server, of_openai):
    server.turns = [Turn(text="one two three"), CALL]
    answer = chat(of_openai)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one two three", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 3)
    answer = chat(of_openai, tools=[{"type": "function", "function": TOOL}])
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Bari"}')
    assert answer.choices[0].finish_reason == "tool_calls"


def test_chat_completions_streamed(server, of_openai):
    server.turns = [Turn(text="one two three"), CALL]
    messages = [{"role": "user", "content": "a b"}]
    wholes = []
    for wanted in ("one two three", "Let me see."):
        with of_openai.chat.completions.stream(
            model="m", messages=messages, stream_options={"include_usage": True}
        ) as stream:
            pieces = [event.delta for event in stream if event.type == "content.delta"]
            wholes.append(stream.get_final_completion())
        assert "".join(pieces) == wholes[-1].choices[0].message.content == wanted
        assert wholes[-1].usage.prompt_tokens == 2
    [_, whole] = wholes
    assert whole.choices[0].message.tool_calls[0].function.arguments == '{"city": "Bari"}'


def test_responses_at_once(server, of_openai):
    server.turns = [Turn(text="one two three"), CALL, Turn(text="cut", finish="length")]
    answer = respond(of_openai)
    assert (answer.output_text, answer.status, answer.usage.input_tokens) == ("one two three", "completed", 2)
    calls = [item for item in respond(of_openai).output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [("weather", '{"city": "Bari"}')]
    assert respond(of_openai).incomplete_details.reason == "max_output_tokens"


def test_responses_streamed(server, of_openai):
    server.turns = [CALL]
    with of_openai.responses.stream(model="m", input="a b") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        whole = stream.get_final_response()
    assert "".join(pieces) == whole.output_text == "Let me see."
    assert whole.output[1].arguments == '{"city": "Bari"}'
    assert whole.usage.output_tokens == 3 + 3


def test_messages_at_once(server, of_anthropic):
    server.turns = [Turn(text="one two three"), CALL]
    answer = message(of_anthropic, system="x")
    assert (answer.content[0].text, answer.stop_reason) == ("one two three", "end_turn")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 3)
    answer = message(of_anthropic)
    assert (answer.content[1].name, answer.content[1].input) == ("weather", {"city": "Bari"})
    assert answer.stop_reason == "tool_use"


def test_messages_streamed(server, of_anthropic):
    server.turns = [CALL]
    messages = [{"role": "user", "content": "a b"}]
    with of_anthropic.messages.stream(model="m", max_tokens=9, messages=messages) as stream:
        assert "".join(stream.text_stream) == "Let me see."
        whole = stream.get_final_message()
    assert (whole.content[1].input, whole.stop_reason) == ({"city": "Bari"}, "tool_use")
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (2, 6)


def test_errors_are_what_the_sdks_make_of_those_of_the_services(server, of_openai, of_anthropic):
    failures = [
        (Turn(status=429, error="slow down"), openai.RateLimitError, anthropic.RateLimitError),
        (Turn(status=503, error="busy"), openai.InternalServerError, anthropic.InternalServerError),
        (Turn(status=400, error="no"), openai.BadRequestError, anthropic.BadRequestError),
    ]
    for turn, of_one, of_other in failures:
        server.turns = [turn, turn, turn]
        with pytest.raises(of_one, match=turn.error):
            chat(of_openai)
        with pytest.raises(of_one, match=turn.error):
            respond(of_openai)
        with pytest.raises(of_other, match=turn.error):
            message(of_anthropic)


def test_a_wrong_key_is_refused(server):
    with (
        openai.OpenAI(base_url=server.base_url, api_key="other", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        chat(client)
    with (
        anthropic.Anthropic(base_url=server.url, api_key="other", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        message(client)


def test_sdks_try_again_what_passes(server):
    busy = Turn(status=503, error="busy", headers={"retry-after-ms": "1"})
    server.turns = [busy, Turn(text="ok"), busy, Turn(text="ok")]
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test") as client:
        assert respond(client).output_text == "ok"
    with anthropic.Anthropic(base_url=server.url, api_key="sk-test") as client:
        assert message(client).content[0].text == "ok"


def test_answers_without_their_question_are_refused(of_openai, of_anthropic):
    orphan = {"role": "tool", "tool_call_id": "call_9", "content": "x"}
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceeding message"):
        of_openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}, orphan])
    with pytest.raises(openai.BadRequestError, match="No tool call found"):
        of_openai.responses.create(
            model="m", input=[{"type": "function_call_output", "call_id": "call_9", "output": "x"}]
        )
    block = {"type": "tool_result", "tool_use_id": "toolu_9", "content": "x"}
    with pytest.raises(anthropic.BadRequestError, match="unexpected `tool_use_id`"):
        of_anthropic.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": [block]}])


def test_an_answer_of_a_given_shape(server, of_openai):
    server.turns = [Turn(text='{"n": 3}'), Turn(text='{"n": 3}')]
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    assert chat(of_openai, response_format=shape).choices[0].message.content == '{"n": 3}'
    form = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}
    assert respond(of_openai, text=form).output_text == '{"n": 3}'
