"""The JSON Schema of a flow: valid itself, and of one mind with the parser."""

import jsonschema
import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.language.checking.parameter_schema import spelling_pattern
from intellyhub_engine.language.checking.schema import make_schema
from intellyhub_engine.language.reading.text import read
from tests.unit.engine.language.small import CATALOGUE, codes_of

SCHEMA = make_schema(CATALOGUE)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOOD = [
    "states: {a: {state_type: end}}",
    "states: {a: {state_type: end}, end: }",
    "states: [{name: a, type: command, command: x}, {type: http, url: u}]",
    "states: {a: {state_type: IF, condition: c, then: [{type: end}], else: end}}",
    "states: {a: {state_type: switch, value: v, cases: {1: end, x: {transition: end}, y: {type: end}}}}",
    "states: {a: {state_type: switch, value: v, cases: [{value: 1, transition: end}]}}",
    "states: {a: {state_type: loop, items: [1], states: {b: {state_type: end}}}}",
    "states: {a: {state_type: loop, items: '{x}', transition: b}, b: {state_type: set, values: {}, transition: a}}",
    "states: {a: {state_type: parallel, branches: {x: {state_type: end}, y: [{type: end}], z: end}}}",
    "states: {a: {state_type: command, action: {eval: x}}}",
    "states: {a: {state_type: http, url: u, method: post, verify: '{v}', max_bytes: '5', timeout: 5s, retry: 3}}",
    "states: {a: {state_type: telegram, message: hi}}",
    "states: {a: {state_type: file, operation: append, path: p}}",
    "listener: {type: rss-listener, url: u}\nstates: {a: {state_type: end}}",
    "listener: {listener_type: RSSListener, url: u}\nstates: {a: {state_type: end}}",
    "variables: {a: 1}\nmax_steps: 3\nstates: {a: {state_type: end, log: hi}}",
    "listener: rss\ntests: [{event: 1, expect: {path: [a]}}]\nstates: {a: {state_type: end}}",
]

BAD = [
    "name: x",
    "states: {}",
    "states: {a: 5}",
    "states: {a: {transition: b}}",
    "states: {a: {state_type: http}}",
    "states: {a: {state_type: http, url: [u]}}",
    "states: {a: {state_type: http, url: u, max_bytes: 101}}",
    "states: {a: {state_type: http, url: u, method: PUT}}",
    "states: {a: {state_type: command}}",
    "states: {a: {state_type: loop, items: [1]}}",
    "states: {a: {state_type: switch, value: v}}",
    "listener: [rss]\nstates: {a: {state_type: end}}",
    "listener: {url: u}\nstates: {a: {state_type: end}}",
    "durability: maybe\nstates: {a: {state_type: end}}",
]


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", GOOD)
def test_what_the_parser_accepts_validates(text):
    assert not [error.message for error in VALIDATOR.iter_errors(read(text).root)]


@pytest.mark.parametrize("text", BAD)
def test_what_the_checker_refuses_does_not_validate(text):
    assert not VALIDATOR.is_valid(read(text).root)
    assert codes_of(text)


def test_every_state_type_and_listener_is_described():
    assert {f"state-{name}" for name in CONTROL} < set(SCHEMA["$defs"])
    assert "listener-rss" in SCHEMA["$defs"]
    assert SCHEMA["$defs"]["state-http"]["properties"]["method"]["default"] == "GET"
    assert SCHEMA["$defs"]["state-http"]["properties"]["token"]["writeOnly"]


@pytest.mark.parametrize("name", sorted(CONTROL))
def test_the_example_of_every_control_state_is_a_good_state(name):
    example = dict(CONTROL[name].example or {})
    others = {each: {"state_type": "end"} for each in ("notify", "welcome", "check_again", "send_chat", "read")}
    assert VALIDATOR.is_valid({"states": {"a": example, **others}})


def test_a_pattern_takes_every_spelling():
    import re

    pattern = re.compile(spelling_pattern(["telegram-bot", "a.b"]))
    assert pattern.search("Telegram_BOT")
    assert not pattern.search("telegrambot")
    assert pattern.search("A.b")
    assert not pattern.search("axb")
