"""The telegram-bot state against a Bot API server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_functions.states.telegram_bot.telegram_bot import perform
from intellyhub_functions.telegram.text import split_text
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import Log, make_step
from intellyhub_functions.testing.telegram_api import TelegramApi


@pytest.fixture
def api():
    with TelegramApi() as server:
        yield server


@pytest.fixture
def step(tmp_path, api):
    return make_step(tmp_path, outer={"TELEGRAM_API_URL": api.url}, log=Log())


def test_a_message_is_sent_and_its_number_given(api, step):
    result = perform({"bot_token": api.token, "chat_id": 7, "message": "hello", "disable_notification": True}, step)
    assert (result.success, result.message_id, result["chat_id"]) == (True, 1, "7")
    assert api.sent == [
        {"message_id": 1, "chat_id": "7", "text": "hello", "parse_mode": "HTML", "disable_notification": True}
    ]


def test_stars_in_html_mode_are_sent_as_they_are(api, step):
    perform({"bot_token": api.token, "chat_id": "7", "message": "**bold** & more"}, step)
    assert (api.sent[0]["text"], api.sent[0]["parse_mode"]) == ("**bold** & more", "HTML")


@pytest.mark.parametrize(("mode", "text"), [("HTML", "<b>open and a < b"), ("Markdown", "snake_case")])
def test_marks_that_telegram_cannot_read_are_sent_plain_with_a_warning(api, step, mode, text):
    result = perform({"bot_token": api.token, "chat_id": "7", "message": text, "parse_mode": mode}, step)
    assert result.success
    assert [message["text"] for message in api.sent] == [text]
    assert "parse_mode" not in api.sent[0]
    assert step.log.lines[0][0] == "warning"


def test_a_long_text_is_sent_in_parts(api, step):
    text = "\n".join(f"line {number} " + "x" * 50 for number in range(150))
    result = perform({"bot_token": api.token, "chat_id": "7", "message": text, "reply_to_message_id": "12"}, step)
    assert "\n".join(message["text"] for message in api.sent) == text
    assert result.message_ids == [1, 2, 3]
    assert [("reply_parameters" in message) for message in api.sent] == [True, False, False]


def test_pieces_count_as_telegram_counts():
    assert split_text("😀" * 5000, 4096) == ["😀" * 2048, "😀" * 2048, "😀" * 904]
    assert split_text("short") == ["short"]
    assert split_text("aaaa bbbb cccc", 10) == ["aaaa bbbb", "cccc"]


def test_token_and_chat_come_from_listener_and_event_when_left_out(tmp_path, api):
    step = make_step(
        tmp_path,
        {"telegram_chat_id": "99"},
        outer={"TELEGRAM_API_URL": api.url},
        listener={"bot_token": api.token},
    )
    assert perform({"message": "hello"}, step).chat_id == "99"


def test_token_and_chat_come_from_the_environment_at_last(tmp_path, api):
    names = {"TELEGRAM_BOT_TOKEN": api.token, "TELEGRAM_CHAT_ID": "5", "TELEGRAM_API_URL": api.url}
    assert perform({"message": "hello"}, make_step(tmp_path, outer=names)).chat_id == "5"


def test_a_wrong_token_fails_without_being_shown(api, step):
    with pytest.raises(PermanentError, match="the bot token is wrong") as failure:
        perform({"bot_token": "123:SECRET", "chat_id": "7", "message": "x"}, step)
    assert "SECRET" not in f"{failure.value!r}{failure.value}{step.log.lines}"
    assert failure.value.result == {"success": False, "error": str(failure.value), "chat_id": "7"}


def test_an_unreachable_api_is_told_without_the_token(tmp_path):
    with TelegramApi() as gone:
        url = gone.url
    with pytest.raises(RetryableError, match="Telegram's sendMessage cannot be reached") as failure:
        perform({"bot_token": "123:SECRET", "chat_id": "7", "message": "x", "api_url": url}, make_step(tmp_path))
    assert "SECRET" not in str(failure.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"chat_id": "7", "message": "x"}, "bot_token is missing"),
        ({"bot_token": "{TELEGRAM_BOT_TOKEN}", "chat_id": "7", "message": "x"}, r"\{TELEGRAM_BOT_TOKEN\}, a variable"),
        ({"bot_token": "1:a", "message": "x"}, "chat_id is missing"),
        ({"bot_token": "1:a", "chat_id": "7", "message": " \n"}, "message is empty"),
    ],
)
def test_what_is_missing_is_named(step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform(parameters, step)


def test_a_flood_is_put_off_as_long_as_telegram_says(api, step):
    api.failures.append({"error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 9}})
    with pytest.raises(RetryableError) as failure:
        perform({"bot_token": api.token, "chat_id": "7", "message": "x"}, step)
    assert failure.value.retry_after_seconds == 9
    assert failure.value.result == {"success": False, "error": str(failure.value), "chat_id": "7"}


def test_a_later_part_that_is_put_off_waits_here_so_that_the_first_is_not_repeated(api, step):
    flood = {"error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 0.01}}
    original, calls = api._send, []

    def send(arguments):
        calls.append(arguments)
        if len(calls) == 2:
            api.failures.append(flood)
        return original(arguments)

    api._send = send
    perform({"bot_token": api.token, "chat_id": "7", "message": "a" * 5000}, step)
    assert [len(message["text"]) for message in api.sent] == [4096, 904]


def test_without_a_chat_it_gives_the_message_received(tmp_path):
    event = Event(id="1", source="s", type="t", data={"text": "hi", "message": "hi", "chat_id": "7", "user_id": "8"})
    received = perform({"message_types": ["text"]}, make_step(tmp_path, event=event))
    assert (str(received), received.text, received.chat_id, received.user_id) == ("hi", "hi", "7", "8")


def test_the_example_says_what_time_it_is(api, tmp_path):
    names = {"TELEGRAM_API_URL": api.url, "TELEGRAM_BOT_TOKEN": api.token, "TELEGRAM_CHAT_ID": "7"}
    run_example(Path(__file__).parent, tmp_path, names=names)
    assert api.sent[0]["text"].startswith("It is <b>")
