"""Updates that Telegram sends by itself."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
from dataclasses import replace
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.hook import Accept, Callee, Direct, Facts, Ran, Received, Refused
from intellyhub_engine.machine.source import Health
from intellyhub_functions.sources.telegram.hook import SECRET_HEADER, is_genuine, make_hook_event, open_hook
from intellyhub_functions.sources.telegram.messages import MalformedUpdate
from intellyhub_functions.sources.telegram.registered import health_of
from intellyhub_functions.sources.telegram.telegram import listen
from intellyhub_functions.telegram.bot_api import Bot
from intellyhub_functions.telegram.registration import register, secret_of, unregister
from intellyhub_functions.testing.surroundings import Listening, await_that, make_context
from intellyhub_functions.testing.telegram_api import TelegramApi

MESSAGE = {"message_id": 5, "date": 1763712000, "chat": {"id": 7, "type": "private"}, "from": {"id": 7}, "text": "hi"}


def body_of(**update):
    return json.dumps({"update_id": 9, **update}).encode()


def test_only_who_knows_the_secret_is_telegram():
    assert is_genuine({SECRET_HEADER: "s3cret"}, "s3cret")
    for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: "s3creT"}, {SECRET_HEADER: "s3cret\udcff"}):
        assert not is_genuine(headers, "s3cret")
    assert not is_genuine({SECRET_HEADER: ""}, "")


def test_the_secret_follows_from_the_token_where_none_is_written():
    derived = secret_of({"bot_token": "1:a"})
    assert derived == secret_of({"bot_token": " 1:a "}) != secret_of({"bot_token": "1:b"})
    assert "1:a" not in derived
    assert len(derived) == 64
    assert secret_of({"bot_token": "1:a", "secret_token": "mine"}) == "mine"


def test_an_update_is_the_same_event_as_by_polling():
    event: Any = make_hook_event(body_of(message=MESSAGE), {"message_types": ["text"]}, "/flows/f/listener")
    assert (event.id, event.source, event.data["text"], event.data["chat_id"]) == ("9", "/flows/f/listener", "hi", "7")


@pytest.mark.parametrize("update", [{"message": MESSAGE}, {"poll": {}}])
def test_an_update_that_the_flow_has_no_use_for_is_no_event(update):
    assert make_hook_event(body_of(**update), {"message_types": ["voice"]}, "/f") is None


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"[" * 100_000, b'{"message": {}}', body_of(message=3)])
def test_a_malformed_update_is_said_to_be(body):
    with pytest.raises(MalformedUpdate):
        make_hook_event(body, {"message_types": ["all"]}, "/f")


def test_telegram_is_told_where_to_send_updates_and_that_they_are_asked_for_again():
    with TelegramApi() as api:
        bot = Bot(token=api.token, api_url=api.url)
        register(bot, "https://example.org/hook", "s3cret", ["message", "callback_query"])
        assert (api.webhook["url"], api.webhook["secret_token"]) == ("https://example.org/hook", "s3cret")
        assert api.webhook["allowed_updates"] == ["message", "callback_query"]
        unregister(bot)
        assert api.webhook == {}


FACTS = Facts(name="bot", flows=[Callee(flow_id="f", name="bot", title="Bot", source="/flows/bot/listener")])
GIVEN = {"mode": "webhook", "bot_token": "1:a", "message_types": ["text"]}


def opened():
    hook = open_hook(GIVEN, FACTS)
    assert hook is not None
    return hook


def request(body=b"", secret=None, method="POST"):
    secret = secret_of(GIVEN) if secret is None else secret
    return Received(method, "/", "", {SECRET_HEADER: secret}, body, "149.154.167.197")


def test_a_listener_that_asks_for_its_updates_has_no_hook():
    assert open_hook({"mode": "polling"}, FACTS) is None


def test_only_a_post_with_the_secret_is_read():
    hook = opened()
    assert hook.admit(request()) is None
    for head, status in ((request(secret="guess"), 401), (request(method="GET"), 405)):
        with pytest.raises(Refused) as refusal:
            hook.admit(head)
        assert refusal.value.status == status


def test_an_update_is_stored_before_telegram_is_answered_and_sent_again_where_it_cannot_be():
    accepted = opened().answer(request(body_of(message=MESSAGE)), 0)
    assert isinstance(accepted, Accept)
    assert (accepted.event.id, accepted.event.source, accepted.wait_seconds) == ("9", "/flows/bot/listener", 0)
    assert [accepted.reply(Ran(status, {}, b"")).status for status in (202, 200, 400, 429, 503)] == [
        200,
        200,
        200,
        503,
        503,
    ]


@pytest.mark.parametrize("body", [b"nonsense", body_of(message={}), body_of(poll={})])
def test_what_is_no_event_is_answered_so_that_telegram_does_not_send_it_for_ever(body):
    told = opened().answer(request(body), 0)
    assert isinstance(told, Direct)
    assert told.answer.status == 200
    assert b"skipped" in told.answer.body


def test_in_webhook_mode_the_listener_keeps_the_webhook_registered(tmp_path, monkeypatch):
    monkeypatch.setattr("intellyhub_functions.sources.telegram.registered.LOOK_SECONDS", 0.01)
    told: list[Health] = []
    with TelegramApi() as api:
        api.write("old")
        given = {**GIVEN, "bot_token": api.token, "api_url": api.url, "webhook_url": "https://example.org/hooks/bot"}
        context = make_context(tmp_path, report=told.append)
        with Listening(listen(given, context), context):
            await_that(lambda: told and told[-1].address)
            assert api.webhook["secret_token"] == secret_of(given)
            assert api.webhook["drop_pending_updates"] is True
            api.webhook = {}
            await_that(lambda: api.webhook)
            assert api.webhook["drop_pending_updates"] is False
        assert api.webhook, "a restart must not lose what Telegram sends meanwhile"


def test_a_webhook_needs_an_address_that_telegram_takes(tmp_path):
    context = make_context(tmp_path)
    with pytest.raises(PermanentError, match="webhook_url is missing"):
        next(listen(GIVEN, context))
    with pytest.raises(PermanentError, match="https addresses only"):
        next(listen({**GIVEN, "webhook_url": "http://example.org"}, context))


def test_the_address_that_the_platform_knows_is_registered(tmp_path):
    with TelegramApi() as api:
        context = replace(make_context(tmp_path), hook_address="https://hub.example/hooks/acme/bot")
        with Listening(listen({**GIVEN, "bot_token": api.token, "api_url": api.url}, context), context):
            await_that(lambda: api.webhook)
        assert api.webhook["url"] == "https://hub.example/hooks/acme/bot"


def test_health_tells_what_telegram_could_not_deliver():
    url = "https://example.org/hooks/bot"
    failed = {"last_error_date": 1000, "last_error_message": "Wrong response: 502", "pending_update_count": 3}
    assert health_of(failed, url, 1010).message == "Telegram could not deliver: Wrong response: 502"
    assert health_of(failed, url, 5000).connected
    assert health_of({**failed, "pending_update_count": 0}, url, 1010).connected
