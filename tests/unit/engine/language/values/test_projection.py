"""What an event puts into the variables."""

from typing import Any

import pytest

from intellyhub_engine.catalogue.manifest import SourceType
from intellyhub_engine.events import Event
from intellyhub_engine.language.model import Listener
from intellyhub_engine.language.values.projection import project

TELEGRAM = SourceType(
    type="telegram",
    fields={
        "message": ("telegram_message_text",),
        "text": ("telegram_message_text",),
        "chat_id": ("telegram_chat_id",),
    },
    root="message",
)
WEBHOOK = SourceType(
    type="webhook", fields={"method": ("webhook_method",), "body": ("webhook_data",)}, root="webhook", spread="body"
)


def event(data: Any) -> Event:
    return Event(id="1", source="/here", type="test", data=data, time="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "data",
    [
        {"text": "hi", "chat_id": 5, "extra": {"a": 1}},
        {"telegram_message_text": "hi", "telegram_chat_id": 5, "extra": {"a": 1}},
    ],
)
def test_short_and_flat_names_give_the_same(data: dict[str, Any]) -> None:
    names = project(event(data), TELEGRAM, None)
    assert (names["telegram_message_text"], names["telegram_chat_id"]) == ("hi", 5)
    seen = names["event"]
    assert (seen.message, seen.text, seen.chat_id, seen.telegram_chat_id, seen.extra.a) == ("hi", "hi", 5, 5, 1)
    assert (names["message"].text, names["message"].chat_id) == ("hi", 5)
    assert (seen.id, seen.source, seen.type, seen.time) == ("1", "/here", "test", "2026-01-01T00:00:00Z")
    assert set(names) == {"telegram_message_text", "telegram_chat_id", "message", "event"}


def test_the_listeners_output_has_full_and_short_names() -> None:
    listener = Listener(type="telegram", output="telegram_data")
    names = project(event({"text": "hi"}), TELEGRAM, listener)
    assert names["telegram_data"].telegram_message_text == names["telegram_data"].text == "hi"
    assert names["telegram_message_text"] == "hi"


def test_the_keys_of_a_spread_field_are_variables() -> None:
    names = project(
        event({"method": "POST", "body": {"order": 7, "event": "evil", "not a name": 1, "webhook": 2}}), WEBHOOK, None
    )
    assert (names["order"], names["webhook_method"], names["webhook"].body.order) == (7, "POST", 7)
    assert names["event"].body.event == "evil"
    assert "not a name" not in names


def test_a_sender_cannot_choose_reserved_names() -> None:
    names = project(event({"body": {"TOKEN": "evil", "ok": 1, "__builtins__": 2}}), WEBHOOK, None, reserved={"TOKEN"})
    assert "TOKEN" not in names
    assert "__builtins__" not in names
    assert (names["ok"], names["event"].body.TOKEN) == (1, "evil")


@pytest.mark.parametrize("data", [{"order": 7}, "plain text", [1, 2], None])
def test_what_a_spread_source_sent_bare_is_its_body(data: Any) -> None:
    names = project(event(data), WEBHOOK, None)
    assert names["event"].get("body") == data
    assert names.get("order") == (7 if isinstance(data, dict) else None)


def test_an_unknown_source_publishes_every_key_and_strips_the_prefixes() -> None:
    names = project(event({"telegram_chat_id": 5, "rss_article_title": "t", "rss_feed_url": "u", "own": 1}), None, None)
    assert (names["telegram_chat_id"], names["own"]) == (5, 1)
    assert (names["event"].chat_id, names["event"].title, names["event"].url, names["event"].rss_feed_url) == (
        5,
        "t",
        "u",
        "u",
    )


@pytest.mark.parametrize(("data", "seen"), [("text", "text"), ([1], [1]), (None, None)])
def test_data_without_names_is_called_data(data: Any, seen: Any) -> None:
    assert project(event(data), None, None)["event"].get("data") == seen


def test_the_output_works_without_a_known_source() -> None:
    names = project(event({"email_body": "x"}), None, Listener(type="mine", output="mail"))
    assert names["mail"].email_body == names["mail"].body == "x"


def test_two_names_of_a_field_are_one_value() -> None:
    source = SourceType(type="hook", fields={"body": ("hook_data",), "payload": ("hook_data",)}, spread="body")
    seen = project(event({"body": {"order": 7}}), source, None)["event"]
    assert seen.payload is seen.body
