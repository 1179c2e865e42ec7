"""Manifests: every published shape is read, and those of native plugins are made without running anything."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
from collections.abc import Mapping
from typing import Any

import pytest

from intellyhub_engine.catalogue.installed import installed_beside
from intellyhub_engine.cli.check import check_file
from intellyhub_engine.cli.test import run_tests
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.language.load import examine
from intellyhub_functions.plugins.beside import find_plugins
from intellyhub_functions.plugins.describe import main
from intellyhub_functions.plugins.manifest import read_manifest
from intellyhub_functions.plugins.tables import InstalledPlugin, make_catalogue, provider_of, used_by
from intellyhub_functions.testing.native_plugin import NATIVE
from intellyhub_functions.testing.plugins import NOTES_MANIFEST, NOTES_STATE, publish, write_plugin

Files = dict[str, str | Mapping[str, Any]]


def manifest_of(tmp_path, name):
    (plugin,) = publish(tmp_path, name)
    return read_manifest(tmp_path / plugin.name)


@pytest.mark.parametrize(
    ("name", "kind", "states", "listeners", "requirements"),
    [
        ("notes", "state", ("notes",), (), ("ast>=3.8.0", "requests>=2.31.0")),
        ("acme-bot", "state", ("acme_bot", "acme_bot_by_hand"), (), ()),
        ("telegraph", "state", ("telegraph",), (), ("requests>=2.0",)),
        ("reader", "state", ("reader",), (), ()),
        ("broken", "state", ("broken",), (), ()),
        ("clock-listener", "listener", (), ("clock", "threaded"), ("pyyaml",)),
        ("acme", "state", ("greet", "hello", "introduce", "double"), ("ticks",), ("humanize>=4",)),
    ],
)
def test_every_published_shape_says_what_it_offers(tmp_path, name, kind, states, listeners, requirements):
    manifest = manifest_of(tmp_path, name)
    assert (manifest.name, manifest.kind) == (name, kind)
    assert (manifest.state_types, manifest.listener_types) == (states, listeners)
    assert manifest.requirements == requirements


def test_a_published_manifest_s_rules_are_told_and_not_enforced(tmp_path):
    catalogue = make_catalogue(publish(tmp_path, "notes"))
    parameters = catalogue.states["notes"].parameters
    assert list(parameters) == ["text", "count", "style"]
    assert not any(each.required or each.enum or each.default or each.maximum for each in parameters.values())
    assert parameters["style"].description == "Style. One of plain, bold. Default: plain."
    assert parameters["text"].description == "What is noted. Required."
    flow, problems = examine("states: {a: {state_type: notes, style: other, count: 7, extra: 1}}", catalogue)
    assert (flow is not None, problems) == (True, ())


def test_a_native_manifest_is_the_signature(tmp_path):
    (greet, introduce, double) = manifest_of(tmp_path, "acme").states
    assert greet.parameters == {
        "name": {"type": "string", "aliases": ["who"], "required": True, "description": "Who is greeted."},
        "tone": {
            "type": "string",
            "enum": ["warm", "short"],
            "required": False,
            "default": "warm",
            "description": "How.",
        },
        "times": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10,
            "required": False,
            "default": 1,
            "description": "How often.",
        },
    }
    assert (greet.description, greet.pure, introduce.timeout_seconds) == ("Greets a person.", True, 0.5)
    assert list(introduce.parameters) == ["person", "key", "mode"]
    assert introduce.parameters["key"]["secret"] is True
    assert introduce.parameters["person"]["properties"] == {"name": {"type": "string"}, "age": {"type": "integer"}}
    assert double.parameters["number"]["type"] == "number"


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("list[int] | None", {"type": "array", "items": {"type": "integer"}}),
        ("t.Optional[str]", {"type": "string"}),
        ("Literal['a', 1]", {"type": "string|integer", "enum": ["a", 1]}),
        ("'dict[str, list[int]]'", {"type": "object"}),
        ("Size | str", {"type": "integer|string"}),
        ("Union[int, float]", {"type": "integer|number"}),
        ("Annotated[str, 'A name']", {"type": "string", "description": "A name."}),
        ("Whole", {"type": "integer", "minimum": 0}),
        ("somewhere.Else", {"type": "any"}),
        ("L['x']", {"type": "string", "enum": ["x"]}),
    ],
)
def test_annotations_become_types(tmp_path, annotation, schema):
    code = (
        "import typing as t\nfrom enum import IntEnum\nfrom typing import Annotated, Literal, Literal as L, Union\n"
        "import somewhere\nfrom intellyhub import Range, state\n"
        "class Size(IntEnum):\n    SMALL = 1\n    LARGE = 2\n"
        "Whole = Annotated[int, Range(minimum=0)]\n"
        f"@state\ndef f(x: {annotation} = None) -> None:\n    'Does it.'\n"
    )
    write_plugin(tmp_path, "p", {"p.py": code})
    found = read_manifest(tmp_path / "p").states[0].parameters["x"]
    assert found == {"description": "X.", **schema, "required": False}


def test_nothing_of_a_plugin_is_run_to_read_it(tmp_path):
    write_plugin(tmp_path, "evil", {"evil.py": "raise SystemExit('ran')\n" + NATIVE})
    assert read_manifest(tmp_path / "evil").state_types[0] == "greet"


def test_a_single_file_is_a_plugin_with_its_script_metadata(tmp_path):
    header = '# /// script\n# dependencies = ["humanize"]\n# [tool.intellyhub]\n# secrets = ["KEY"]\n# ///\n'
    (tmp_path / "one.py").write_text(header + NATIVE)
    manifest = read_manifest(tmp_path / "one.py")
    assert (manifest.name, manifest.requirements, manifest.secrets) == ("one", ("humanize",), ("KEY",))


def test_a_manifest_that_was_written_by_describe_says_the_same(tmp_path, capsys):
    publish(tmp_path, "acme")
    before = read_manifest(tmp_path / "acme")
    assert main([str(tmp_path / "acme"), "--write"]) == 0
    assert (tmp_path / "acme" / "manifest.json").exists()
    after = read_manifest(tmp_path / "acme")
    assert (after.states, after.listeners, after.secrets) == (before.states, before.listeners, ("ACME_KEY",))
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 2
    assert "offers no state type" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"manifest.json": "[]"}, "must be a JSON object"),
        ({"manifest.json": {"name": "x"}}, "`version` is missing"),
        ({"manifest.json": {"name": "x", "version": "1", "entry_file": "../../etc/x.py"}}, "there is no file"),
        ({"manifest.json": {"name": "x", "version": "1", "entry_file": "a.py"}, "a.py": "def ("}, "a.py:1: not Python"),
        (
            {"manifest.json": {"name": "x", "version": "1", "states": [{"name": "s", "class": "a.S"}]}, "a.py": ""},
            "states: 'a.S' is not in its code",
        ),
        ({"a.py": "from intellyhub import state\nN = f()\n@state(name=N)\ndef g(): ..."}, "`name` of @state must be"),
        ({"a.py": "from intellyhub import state\n@state(aliases='hi')\ndef g(): ..."}, "no tuple of texts"),
        ({"a.py": "from intellyhub import state\n@state(timeout_seconds='x')\ndef g(): ..."}, "is no number"),
        ({"pyproject.toml": "project = 1\ntool = 2"}, "it offers no state type"),
        ({"pyproject.toml": "[project]\nauthors = 1\ndependencies = 'x'"}, "it offers no state type"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said(tmp_path, files, said):
    write_plugin(tmp_path, "x", files)
    with pytest.raises(InputInvalid) as fault:
        read_manifest(tmp_path / "x")
    assert said in str(fault.value)


def test_what_is_built_in_wins_and_a_plugin_wins_over_a_name_that_is_only_known(tmp_path):
    files: Files = {
        "manifest.json": {**NOTES_MANIFEST, "name": "mine", "state_type": "http"},
        "notes_state.py": NOTES_STATE.replace('"notes"', '"http"', 1),
    }
    neo: Files = {
        "manifest.json": {**NOTES_MANIFEST, "name": "document-parser", "state_type": "document-parser"},
        "notes_state.py": NOTES_STATE.replace('"notes"', '"document-parser"', 1),
    }
    mine, other = write_plugin(tmp_path, "mine", files), write_plugin(tmp_path, "neo", neo)
    catalogue = make_catalogue([mine, other])
    assert provider_of(catalogue.states["http"]) is None
    assert provider_of(catalogue.states["if"]) is None
    assert provider_of(catalogue.states["mine/http"]) == mine
    assert catalogue.states["mine/http"].type == "mine/http"
    assert provider_of(catalogue.states["Document_Parser"]) == other
    assert len(list(catalogue.states)) == len(set(catalogue.states))


def test_the_plugins_of_a_flow_are_those_it_uses(tmp_path):
    plugins = publish(tmp_path, "notes", "acme-bot", "clock-listener", "acme")
    text = (
        "listener: {type: clocklistener}\nstates: {a: {state_type: hello, name: x}, b: {state_type: set, values: {}}}"
    )
    flow, _ = examine(text, make_catalogue(plugins))
    assert flow is not None
    assert [plugin.name for plugin in used_by(flow, plugins)] == ["clock-listener", "acme"]


def test_the_seal_changes_with_the_code_and_the_layer(tmp_path):
    (plugin,) = publish(tmp_path, "acme")
    seals = {make_catalogue([plugin]).seal, make_catalogue([]).seal}
    seals.add(make_catalogue([InstalledPlugin(name="acme", folder=plugin.folder, layer="/layer")]).seal)
    (tmp_path / "acme" / "acme.py").write_text(NATIVE + "\n# changed\n")
    seals.add(make_catalogue([plugin]).seal)
    assert len(seals) == 4


def test_plugins_beside_a_flow_are_found_installed_or_unpacked(tmp_path):
    publish(tmp_path, "notes")
    write_plugin(tmp_path / "acme", "abc123", {"acme.py": NATIVE})
    (tmp_path / "one.py").write_text(NATIVE)
    index = {"acme": {"version": "1", "digest": "sha256:abc123", "layer": "f00", "folder": None}}
    (tmp_path / "plugins.json").write_text(json.dumps(index))
    (tmp_path / ".layers").mkdir()
    found = {plugin.name: plugin for plugin in find_plugins(tmp_path)}
    assert list(found) == ["acme", "notes", "one"]
    assert (found["acme"].folder, found["acme"].layer) == (
        str(tmp_path / "acme/abc123"),
        str(tmp_path / ".layers/f00"),
    )
    assert found["one"].folder == str(tmp_path / "one.py")
    (tmp_path / "plugins.json").write_text("{")
    with pytest.raises(InputInvalid, match=r"plugins\.json cannot be read"):
        find_plugins(tmp_path)


def test_check_and_test_know_the_plugins_beside_a_flow(tmp_path):
    publish(tmp_path / "plugins", "acme", "notes")
    flow = tmp_path / "flow.yaml"
    flow.write_text(
        """
states:
  greet: {state_type: greet, name: "{who}", tone: short, output: said, transition: note}
  note: {state_type: notes, text: "{said}", output: book}
tests:
  - name: a pure state runs
    variables: {who: Ada}
    mocks: {note: {}}
    expect: {variables: {said: Ada}}
"""
    )
    assert not check_file(str(flow)).problems
    (outcome,) = run_tests(str(flow), installed_beside(flow), "")
    assert (outcome.differences, outcome.steps) == ((), ("greet", "note"))
    flow.write_text("states: {greet: {state_type: greet, times: 11, tones: warm}}")
    codes = [problem.code.value for problem in check_file(str(flow)).problems]
    assert codes == ["missing-parameter", "out-of-range", "unknown-parameter"]
