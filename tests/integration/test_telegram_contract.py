"""What a bot says and hears, through our double of the Bot API and through an emulator of others.

telegram-test-api knows texts, inline keyboards, edits, deletions, presses of buttons and webhooks. Files, and what
Telegram refuses, are in the tests of the functions, against the double alone.
"""

import pytest

from intellyhub_engine.machine.step import Outcome
from intellyhub_functions.sources.telegram.telegram import listen
from intellyhub_functions.states.telegram_bot.telegram_bot import perform
from intellyhub_functions.telegram.bot_api import Bot
from intellyhub_functions.telegram.registration import register, unregister
from intellyhub_functions.testing.surroundings import Listening, make_context, make_step
from intellyhub_functions.testing.telegram_api import TelegramApi
from tests.integration.telegram_servers import CHAT, TOKEN, Double, install_emulator, open_emulator


@pytest.fixture(scope="module", params=["double", "telegram-test-api"])
def folder(request):
    """Where the emulator is; None for the double."""
    if request.param == "double":
        return None
    try:
        return install_emulator()
    except LookupError as missing:
        pytest.skip(f"telegram-test-api cannot be had: {missing}")


@pytest.fixture
def server(folder):
    if folder is None:
        with TelegramApi(TOKEN) as api:
            yield Double(api)
    else:
        with open_emulator(folder) as running:
            yield running


@pytest.fixture
def act(server, tmp_path):
    def act_so(names=None, **parameters):
        step = make_step(tmp_path, names, outer={"TELEGRAM_API_URL": server.url, "TELEGRAM_BOT_TOKEN": TOKEN})
        return perform({"chat_id": CHAT, **parameters}, step)

    return act_so


@pytest.fixture
def listening(server, tmp_path):
    given = {"bot_token": TOKEN, "api_url": server.url, "timeout": 0, "polling_interval": 0.02}
    given |= {"message_types": ["all"], "ignore_old_messages": False}
    context = make_context(tmp_path)
    with Listening(listen(given, context), context) as source:
        yield source


def test_a_message_with_buttons_appears_in_the_chat(act, server):
    result = act(message="<b>hello</b>", inline_keyboard=[["Yes", "No"]])
    assert result.message_id == 1
    assert server.messages() == [("<b>hello</b>", ["Yes", "No"])]


def test_a_message_and_its_buttons_are_edited(act, server):
    sent = act(message="one", inline_keyboard=["a"])
    act(action="edit", message_id=sent.message_id, message="two", inline_keyboard=["a"])
    assert server.messages() == [("two", ["a"])]
    act(action="edit", message_id=sent.message_id, inline_keyboard=["b", "c"])
    assert server.messages() == [("two", ["b", "c"])]


def test_a_message_is_deleted_and_deleting_it_again_is_a_soft_fault(act, server):
    first, second = act(message="one"), act(message="two")
    assert act(action="delete", message_id=first.message_id).success
    assert [text for text, _ in server.messages()] == ["two"]
    assert isinstance(act(action="delete", message_id=first.message_id), Outcome)
    assert second.success


def test_what_a_user_writes_and_presses_becomes_events_in_order(act, server, listening):
    sent = act(message="sure?", inline_keyboard=["yes"])
    server.write("hello")
    heard = listening.next().data
    assert (heard["text"], heard["chat_id"], heard["message_type"], heard["user_first_name"]) == (
        "hello",
        "7",
        "text",
        "Ada",
    )
    server.press("yes", sent.message_id)
    pressed = listening.next().data
    assert (pressed["message_type"], pressed["callback_data"], pressed["text"]) == ("callback_query", "yes", "yes")
    assert (pressed["message_id"], pressed["chat_id"]) == (str(sent.message_id), "7")


def test_a_press_is_answered_and_its_message_edited_without_naming_either(act, server, listening):
    sent = act(message="sure?", inline_keyboard=["yes"])
    server.press("yes", sent.message_id)
    data = listening.next().data
    names = {f"telegram_{name}": value for name, value in data.items()}
    assert act(names, action="answer_callback", message="thanks").success
    act(names, action="edit", message="sure.")
    assert server.messages()[0][0] == "sure."


def test_a_webhook_is_set_and_taken_away(server):
    bot = Bot(token=TOKEN, api_url=server.url)
    register(bot, "http://127.0.0.1:1/hook", "s3cret", ["message"])
    unregister(bot)
    assert bot.call("getUpdates", {"timeout": 0}) == []
