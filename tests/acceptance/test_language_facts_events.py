"""FLOW_LANGUAGE section 5.4: the variables of every event, by each of their names."""

import json
from typing import Any

import pytest

from intellyhub_engine.catalogue.installed import installed
from tests.acceptance.facts import Fact, facts, run

NEEDED = {"telegram": "bot_token: t", "rss": "feeds: u", "email": "server: s, username: u, password: p"}
TELEGRAM = [
    "message_text",
    "chat_id",
    "user_id",
    "message_id",
    "user_first_name",
    "user_last_name",
    "user_username",
    "message_type",
    "message_date",
    "chat_type",
    "chat_title",
]
VOICE = ["file_path", "file_name", "file_size", "duration", "mime_type", "transcription"]
EVENTS: dict[str, dict[str, Any]] = {
    "telegram": {f"telegram_{name}": f"v-{name}" for name in TELEGRAM}
    | {f"telegram_voice_{name}": f"v-{name}" for name in VOICE},
    "rss": {f"rss_feed_{name}": f"v-{name}" for name in ("url", "title", "description")}
    | {f"rss_article_{name}": f"a-{name}" for name in ("title", "link", "description", "author", "published", "id")}
    | {"rss_article_tags": ["x"]},
    "email": {f"email_{name}": f"v-{name}" for name in ("from", "subject", "body", "to", "date", "uid")},
    "webhook": {
        "webhook_data": {"own": 1},
        "webhook_headers": {"h": "1"},
        "webhook_method": "PUT",
        "webhook_ip": "::1",
    },
    "directory": {
        "event_type": "created",
        "file_path": "d/f",
        "file_name": "f",
        "file_dir": "d",
        "timestamp": 1.5,
        "directory": "d",
        "file_size": 3,
    },
    "mqtt": {"mqtt_topic": "a/b", "mqtt_payload": {"own": 1}, "mqtt_qos": 1, "mqtt_retain": True},
    "mcp": {"resource_id": "r", "mcp_message": "m", "mcp_client_id": "c", "mcp_command": "x", "mcp_context": {"k": 1}},
    "a2a": {"a2a_message": "m", "a2a_channel": "c", "a2a_timestamp": "t", "a2a_source": "s"},
}
"""The flat name of everything an event has -> its value here."""

ALSO: dict[str, dict[str, str]] = {
    "telegram": {
        "event.chat_id": "telegram_chat_id",
        "event.message": "telegram_message_text",
        "message.text": "telegram_message_text",
        "event.text": "telegram_message_text",
        "message.chat_id": "telegram_chat_id",
        "event.voice_file_path": "telegram_voice_file_path",
    },
    "rss": {
        "event.title": "rss_article_title",
        "event.author": "rss_article_author",
        "event.link": "rss_article_link",
        "event.summary": "rss_article_description",
        "event.description": "rss_article_description",
        "title": "rss_article_title",
        "event.tags": "rss_article_tags",
        "event.feed_title": "rss_feed_title",
        "event.feed_url": "rss_feed_url",
        "event.published": "rss_article_published",
    },
    "email": {
        "event.sender": "email_from",
        "event.subject": "email_subject",
        "event.body": "email_body",
        "email.content": "email_body",
        "email.subject": "email_subject",
        "event.to": "email_to",
        "email.sender": "email_from",
    },
    "webhook": {
        "event.method": "webhook_method",
        "event.headers": "webhook_headers",
        "event.body": "webhook_data",
        "webhook.payload": "webhook_data",
        "webhook.method": "webhook_method",
        "event.ip": "webhook_ip",
    },
    "directory": {"event.file_path": "file_path", "event.event_type": "event_type", "event.file_size": "file_size"},
    "mqtt": {
        "event.topic": "mqtt_topic",
        "event.payload": "mqtt_payload",
        "topic": "mqtt_topic",
        "data": "mqtt_payload",
        "event.qos": "mqtt_qos",
    },
    "mcp": {
        "event.resource_id": "resource_id",
        "event.message": "mcp_message",
        "event.command": "mcp_command",
        "event.context": "mcp_context",
        "event.client_id": "mcp_client_id",
    },
    "a2a": {
        "event.message": "a2a_message",
        "event.channel": "a2a_channel",
        "event.timestamp": "a2a_timestamp",
        "event.source": "a2a_source",
    },
}
"""Another name -> the flat name it means the same as."""


def value_of(expression, name, tmp_path, data, output=""):
    flow = f"""
        listener: {{type: {name}, {NEEDED.get(name, "debug: false")}{output}}}
        states:
          a: {{state_type: set, values: {{got: '{{{expression}}}'}}}}
    """
    return run(Fact(name="", flow=flow, data=data), tmp_path).variables["got"]


@pytest.mark.parametrize(("name", "flat"), [(name, flat) for name, row in EVENTS.items() for flat in row])
def test_5_4_flat_names_are_variables_and_fields_of_event_and_output(name, flat, tmp_path):
    data, wanted = EVENTS[name], EVENTS[name][flat]
    assert value_of(flat, name, tmp_path, data) == wanted
    assert value_of(f"event.{flat}", name, tmp_path, data) == wanted
    assert value_of(f"got_it.{flat}", name, tmp_path, data, ", output: got_it") == wanted
    assert value_of(flat, name, tmp_path, data, ", output: got_it") == wanted


@pytest.mark.parametrize(
    ("name", "also", "flat"), [(name, also, flat) for name, row in ALSO.items() for also, flat in row.items()]
)
def test_5_4_short_names_and_roots(name, also, flat, tmp_path):
    assert value_of(also, name, tmp_path, EVENTS[name]) == EVENTS[name][flat]
    if also.startswith("event."):
        short = also.replace("event.", "got_it.")
        assert value_of(short, name, tmp_path, EVENTS[name], ", output: got_it") == EVENTS[name][flat]


@pytest.mark.parametrize("name", ["webhook", "mqtt", "a2a"])
def test_5_4_every_key_of_the_body_is_a_variable(name, tmp_path):
    body = {"params": {"own": 1}} if name == "a2a" else {}
    assert value_of("own", name, tmp_path, {**EVENTS[name], **body}) == 1
    assert value_of("own", name, tmp_path, {"own": 1}) == 1, "also where the sender wrapped it in nothing"


@pytest.mark.parametrize("name", list(EVENTS))
def test_5_4_the_sample_of_every_listener_has_every_documented_name(name, tmp_path):
    for also in ALSO[name]:
        assert value_of(also, name, tmp_path, None) != "{" + also + "}" or "voice" in also
    assert json.dumps(installed().sources[name].sample)


@facts(
    Fact(
        name="5.4 a listener's output holds full flat names and short ones",
        flow=(
            "{listener: {type: telegram, bot_token: t, output: telegram_data}, states: {a: {state_type: set, "
            "values: {t: "
            "'{telegram_data.telegram_chat_id}|{telegram_data.chat_id}|{telegram_chat_id}|{event.chat_id}'}}}}"
        ),
        variables={"t": "4242|4242|4242|4242"},
    ),
    Fact(
        name="5.4 message_data as output",
        flow=(
            "{listener: {type: telegram, bot_token: t, output: message_data}, states: {a: {state_type: set, "
            "values: {t: '{message_data.text}|{message_data.chat_id}'}}}}"
        ),
        variables={"t": "/ai what is a state machine?|4242"},
    ),
    Fact(
        name="5.4 a webhook body that is a list",
        flow=(
            "{listener: {type: webhook}, states: {a: {state_type: set, values: {t: '{webhook_data}', u: "
            "'{event.body[0]}'}}}}"
        ),
        data={"body": [1, 2], "method": "POST", "headers": {}},
        variables={"t": [1, 2], "u": 1},
    ),
    Fact(
        name="5.4 an MQTT payload that is text",
        flow=(
            "{listener: {type: mqtt}, states: {a: {state_type: set, values: {t: "
            "'{data}|{mqtt_payload}|{event.payload}'}}}}"
        ),
        data={"topic": "x", "payload": "21.5"},
        variables={"t": "21.5|21.5|21.5"},
    ),
    Fact(
        name="5.4 a webhook body replaces constants of the block, never what is secret or made of other values",
        flow=(
            "{listener: {type: webhook}, variables: {name: World, my_token: t, url: 'https://{host}/'}, states: "
            "{a: {state_type: set, values: {t: '{name} {my_token} {url}'}}}}"
        ),
        data={"body": {"name": "Ada", "my_token": "forged", "url": "https://evil"}, "method": "POST", "headers": {}},
        outer={"host": "home"},
        variables={"t": "Ada t https://home/"},
    ),
    Fact(
        name="5.4 a date of a feed may be null",
        flow=(
            "{listener: {type: rss, url: u}, states: {a: {state_type: if, condition: rss_article_published is "
            "none, true_transition: end}}}"
        ),
        data={"title": "t", "published": None},
    ),
)
def test_events(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


def test_5_5_the_variables_of_a_run_on_an_event_can_be_written_as_json(tmp_path):
    flow = "{listener: {type: a2a}, states: {a: {state_type: command, eval: 'import math; x = math.pi'}}}"
    assert json.loads(json.dumps(run(Fact(name="", flow=flow), tmp_path).variables))["x"] > 3
