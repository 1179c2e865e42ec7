"""Manifests as values, and what is said about those that are wrong."""

import json

import pytest

from intellyhub_engine.catalogue.load import Row, combine, load_source, load_state, make_catalogue
from intellyhub_engine.catalogue.manifest import Syntax
from intellyhub_engine.catalogue.names import fold, fold_source
from intellyhub_engine.errors import InputInvalid

STATE = {
    "name": "greeter",
    "version": "1.0.0",
    "state_type": "greeter",
    "entry_file": "greeter.py",
    "effect": False,
    "documentation": {
        "parameters": {
            "name": {"type": "array|string", "required": True, "aliases": ["who"], "description": "Whom."},
            "ratio": {"type": "float", "default": 0.5, "minimum": 0, "options": [0.5, 1]},
            "script": {"type": "string", "syntax": "shell", "secret": True},
        },
        "examples": [{"name": "one", "config": {"state_type": "greeter", "name": "Ada"}}],
    },
}


def write(tmp_path, manifest):
    path = tmp_path / "manifest.json"
    path.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    return Row(path, ("hello",), "json:loads")


def test_a_manifest_becomes_a_state_type(tmp_path):
    state = load_state("greeter", write(tmp_path, STATE))
    assert (state.type, state.aliases, state.effect, state.installed) == ("greeter", ("hello",), False, True)
    assert state.parameters["name"].types == ("array", "string")
    assert (state.parameters["ratio"].types, state.parameters["ratio"].enum) == (("number",), (0.5, 1))
    assert (state.parameters["script"].syntax, state.parameters["script"].secret) == (Syntax.SHELL, True)
    assert state.example == {"state_type": "greeter", "name": "Ada"}
    assert state.load is not None
    assert state.load().__name__ == "loads"


def test_every_fault_is_named_at_once_with_file_and_key(tmp_path):
    broken = {
        "name": 5,
        "state_type": "other",
        "effect": "yes",
        "documentation": {"parameters": {"a": {"type": "strng", "required": 1, "syntax": "bash"}, "b": 7}},
    }
    row = write(tmp_path, broken)
    with pytest.raises(InputInvalid) as failure:
        load_state("greeter", row)
    told = str(failure.value)
    for part in (
        str(row.manifest),
        "name: must be text",
        "version: is missing",
        "state_type: must be 'greeter'",
        "effect: must be true or false",
        "documentation.parameters.a.type: 'strng' is not one of",
        "documentation.parameters.a.required: must be true or false",
        "documentation.parameters.a.syntax: 'bash' is not one of",
        "documentation.parameters.b: must be an object",
    ):
        assert part in told


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "must be a JSON object")])
def test_a_file_that_is_no_manifest_is_told(tmp_path, text, message):
    with pytest.raises(InputInvalid, match=message):
        load_state("greeter", write(tmp_path, text))


def test_a_missing_manifest_is_told(tmp_path):
    with pytest.raises(InputInvalid, match="cannot be read: No such file"):
        load_state("greeter", Row(tmp_path / "none.json"))


def test_a_listener_needs_the_type_of_its_events(tmp_path):
    manifest = {"name": "x", "version": "1", "listener_type": "x", "fields": {"a": "flat"}}
    with pytest.raises(
        InputInvalid, match=r"fields.a: must be an array of names; event_type: is missing|event_type: is"
    ):
        load_source("x", write(tmp_path, manifest))


def test_a_manifest_is_read_when_its_type_is_first_asked_for(tmp_path):
    row = write(tmp_path, STATE)
    states = make_catalogue({"greeter": row, "broken": Row(tmp_path / "none.json", ("bad",))}, {}).states
    assert list(states) == ["greeter", "broken"]
    assert "bad" in states
    assert states["Hello"] is states["greeter"]
    with pytest.raises(InputInvalid):
        states["broken"]


def test_a_type_nobody_knows_is_a_key_error(tmp_path):
    states = make_catalogue({}, {}).states
    assert states.get("nothing") is None
    with pytest.raises(KeyError):
        states["nothing"]


def test_of_joined_catalogues_the_first_that_has_a_type_answers(tmp_path):
    mine = make_catalogue({"greeter": write(tmp_path, STATE)}, {})
    other = make_catalogue({"greeter": Row(tmp_path / "none.json"), "waver": Row(tmp_path / "none.json")}, {})
    states = combine(mine, other).states
    assert sorted(states) == ["greeter", "waver"]
    assert len(states) == 2
    assert states["greeter"] is states[" Greeter"] is states["greeter"] is mine.states["greeter"]
    assert "hello" in states
    assert "nothing" not in states
    with pytest.raises(KeyError):
        states["nothing"]


@pytest.mark.parametrize("spelling", ["telegram-bot", "Telegram_Bot", " telegram bot "])
def test_spellings_of_a_state_type_are_one(spelling):
    assert fold(spelling) == "telegram_bot"


@pytest.mark.parametrize("spelling", ["rss", "rsslistener", "RSS-Listener", "rss_listener"])
def test_spellings_of_a_listener_are_one(spelling):
    assert fold_source(spelling) == "rss"
