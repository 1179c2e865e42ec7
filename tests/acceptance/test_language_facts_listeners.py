"""FLOW_LANGUAGE sections 5.1 to 5.3: the names and keys of every listener, and listeners as states."""

from typing import Any

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.language.load import examine, load_flow
from tests.acceptance.facts import Fact, codes_of, facts

NEEDED = {"telegram": "bot_token: t", "rss": "feeds: u", "email": "server: s, username: u, password: p"}
STATES = "states: {a: {state_type: end}}"


def said_of(flow):
    """Its problems, without the one that a listener is not part of this installation."""
    return [code for code in codes_of(flow) if code != "not-installed"]


def listener_of(written):
    flow, _ = load_flow(f"listener: {{{written}}}\n{STATES}", installed(), "flow")
    assert flow.listener is not None
    return flow.listener


SPELLINGS = {
    "telegram": "telegram telegram-listener telegram_listener telegramlistener TelegramListener Telegram",
    "rss": "rss rsslistener rss-listener RSSListener RSS",
    "webhook": "webhook webhook-listener webhooklistener WebhookListener",
    "email": "email email-listener emaillistener EmailListener",
    "directory": "directory directory-listener directorylistener pollingdirectorylistener",
    "mqtt": "mqtt mqtt-listener mqttlistener MQTT",
    "mcp": "mcp mcp-listener mcplistener",
    "a2a": "a2a a2a-listener a2alistener A2A",
}


@pytest.mark.parametrize("key", ["type", "listener_type"])
@pytest.mark.parametrize(
    ("name", "spelling"), [(name, each) for name, row in SPELLINGS.items() for each in row.split()]
)
def test_5_1_a_listener_is_known_by_every_spelling(key, name, spelling):
    assert listener_of(f"{key}: {spelling}, {NEEDED.get(name, 'x: y')}").type == name


def test_5_1_listener_type_wins_over_type():
    assert listener_of("type: rss, listener_type: telegram, bot_token: t").type == "telegram"


KEYS = {
    "telegram": (
        "bot_token: t, allowed_chat_ids: [1], polling_interval: 2, timeout: 30, message_types: [text], "
        "ignore_old_messages: true,"
        " download_voice: false, voice_download_path: workspace, transcribe_voice: false, output: o"
    ),
    "rss": "feeds: [u, v], check_interval: 300, max_entries: 10",
    "email": (
        "server: s, username: u, password: p, port: 993, folder: INBOX, polling_interval: 30, use_ssl: true, "
        "filter: 'subject:urgent'"
    ),
    "webhook": "path: /x, port: 8080, allowed_ips: [10.0.0.0/8], secret: s",
    "directory": (
        "path: d, recursive: true, file_patterns: ['*.{jpg,png}', '!x'], events: [created], debug: true, "
        "log_level: DEBUG, poll_interval: 1.0, ignore_patterns: [y]"
    ),
    "mqtt": "host: h, port: 1883, topic: 'a/+/b/#', username: u, password: p, qos: 2, client_id: c",
    "mcp": "endpoint: /context, auth_token: t, host: 0.0.0.0, port: 5001",
    "a2a": "channel: c, filter: {type: x}, debug: true, host: 0.0.0.0, port: 4000",
}


@pytest.mark.parametrize("name", KEYS)
def test_5_2_every_published_key_is_accepted_without_a_word(name):
    assert said_of(f"listener: {{type: {name}, {KEYS[name]}}}\n{STATES}") == []


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        ("type: rss, url: u", "feeds", "u"),
        ("type: rss, feed_url: u", "feeds", "u"),
        ("type: rss, feeds: [u]", "feeds", ["u"]),
        ("type: email, server: s, username: u, password: p, poll_interval: 5", "polling_interval", 5),
        ("type: email, server: s, username: u, password: p, polling_interval: 5", "polling_interval", 5),
        ("type: webhook, webhook_url: /h", "path", "/h"),
        ("type: webhook, webhook_port: 5000", "port", 5000),
        ("type: directory, watch_path: d", "path", "d"),
        ("type: mqtt, broker: b", "host", "b"),
        ("type: mcp, endpoint: /e", "endpoint", "/e"),
        ("type: a2a, channel: c", "channel", "c"),
    ],
)
def test_5_2_both_columns_mean_the_same(written, name, value):
    assert listener_of(written).parameters[name] == value
    assert said_of(f"listener: {{{written}}}\n{STATES}") == []


DEFAULTS: dict[str, dict[str, Any]] = {
    "telegram": {
        "allowed_chat_ids": [],
        "polling_interval": 2,
        "timeout": 30,
        "message_types": ["text"],
        "ignore_old_messages": True,
        "download_voice": False,
        "voice_download_path": "workspace",
        "transcribe_voice": False,
    },
    "rss": {"check_interval": 300, "max_entries": 10},
    "email": {"port": None, "folder": "INBOX", "polling_interval": 30, "use_ssl": True},
    "webhook": {"path": "/webhook", "port": 8080},
    "directory": {
        "path": ".",
        "recursive": True,
        "poll_interval": 1.0,
        "file_patterns": ["*"],
        "ignore_patterns": [],
        "events": ["created", "modified"],
    },
    "mqtt": {"host": None, "port": None, "topic": "#", "client_id": None, "qos": 1},
    "mcp": {"port": 5001, "endpoint": "/context"},
    "a2a": {"port": 4000},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_5_2_defaults(name):
    parameters = installed().sources[name].parameters
    assert {key: parameters[key].default for key in DEFAULTS[name]} == DEFAULTS[name]


def test_5_2_required_keys_are_missed():
    for name, keys in {"telegram": 1, "rss": 1}.items():
        assert said_of(f"listener: {{type: {name}}}\n{STATES}") == ["missing-parameter"] * keys


def test_5_2_brace_sets_are_left_alone():
    assert listener_of("type: directory, file_patterns: ['*.{jpg,png}', '!tmp*']").parameters["file_patterns"] == [
        "*.{jpg,png}",
        "!tmp*",
    ]


MAIL_STATE = """
listener: {listener_type: email-listener}
states:
  receive:
    state_type: email-listener
    server: "{IMAP_SERVER}"
    username: u
    password: p
    poll_interval: 7
    output: {email_text: email_body}
    log: "from {email_from}"
    transition: use
  use: {state_type: set, values: {t: "<{email_text}>"}}
"""


def test_5_3_a_listener_state_donates_its_keys():
    flow, problems = examine(MAIL_STATE, installed())
    assert flow is not None
    assert flow.listener is not None
    assert (flow.listener.type, flow.listener.parameters) == (
        "email",
        {"server": "{IMAP_SERVER}", "username": "u", "password": "p", "polling_interval": 7},
    )
    assert [problem.code for problem in problems if problem.severity == "error"] == []


@facts(
    Fact(
        name="5.3 on the event it only applies output and log and goes on",
        flow=MAIL_STATE,
        data={"from": "ada", "body": "hello"},
        path="receive use",
        log=("from ada",),
        variables={"email_text": "hello", "t": "<hello>"},
    ),
    Fact(
        name="5.3 without a listener block the state alone makes it",
        flow=(
            "states:\n  w: {state_type: webhook-listener, path: /x, port: 9000, transition: b}\n  b: "
            "{state_type: set, values: {t: '{order_id}'}}\n"
        ),
        data={"body": {"order_id": 4}},
        path="w b",
        variables={"t": 4},
    ),
    Fact(
        name="5.3 output of a listener state may be one name",
        flow=(
            "states:\n  w: {state_type: telegram-listener, bot_token: t, output: d, transition: b}\n  b: "
            "{state_type: set, values: {t: '{d.telegram_chat_id}'}}\n"
        ),
        path="w b",
        variables={"t": "4242"},
    ),
)
def test_listener_states(fact, tmp_path):
    assert fact.differences(tmp_path) == {}
