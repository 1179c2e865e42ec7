"""A flow's image, made of values."""

import json
import platform
from pathlib import Path

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.language.load import examine
from intellyhub_functions.catalogue import SOURCES, STATES
from intellyhub_functions.testing.plugins import write_plugin
from intellyhub_knative.images.engine_layer import constraints, engine_distributions, make_engine_image
from intellyhub_knative.images.errors import BaseUnusable, LayerRefused
from intellyhub_knative.images.flow_files import make_flow_files
from intellyhub_knative.images.flow_image import PYTHON, make_flow_image, tables_of
from intellyhub_knative.images.needs import SIGNS, function_requirements
from intellyhub_knative.images.plugin_layers import make_package_layer, pack_plugins
from intellyhub_knative.images.store import Store, make_layer
from intellyhub_knative.images.tree import Entry
from tests.unit.knative.images.house import an_engine, an_image

FLOW = b"name: a\nstates: {done: {state_type: end}}\n"
PLUGIN = "from intellyhub import state\n\n@state\ndef greet(name: str) -> str:\n    '''Greets.'''\n    return name\n"


def a_layer(name):
    return make_layer([Entry(path=name)], created_by=name)


def test_engine_then_what_is_shared_then_the_flow():
    base = an_engine()
    shared = [a_layer("b"), a_layer("a"), a_layer("b")]
    image = make_flow_image(base, flow_files={"flow.yaml": FLOW}, layers=shared, created="2026-01-02T03:04:05Z")
    assert image.layers[0] == base.layers[0]
    assert sorted(each.created_by for each in image.layers[1:-1]) == ["a", "b"]
    assert image.layers[-1].created_by == "flow"
    # The base tells no history; who tells one tells it of every layer, or buildah refuses the image.
    assert [line.get("created_by") for line in image.history] == [None, *(each.created_by for each in image.layers[1:])]
    again = make_flow_image(base, flow_files={"flow.yaml": FLOW}, layers=shared[::-1], created="2026-01-02T03:04:05Z")
    assert again.digest == image.digest
    config = json.loads(image.config_blob.read())
    assert config["rootfs"]["diff_ids"] == [each.diff_id for each in image.layers]
    assert config["created"] == "2026-01-02T03:04:05Z"


def test_its_settings_are_the_engines_and_more():
    image = make_flow_image(
        an_engine(["X=a=b"], old="1", same="1"),
        flow_files={"flow.yaml": FLOW},
        labels={"same": "2", "new": "3"},
        environment={"INTELLYHUB_FLOW_NAME": "t/a"},
        packages=("/flow/plugins/.layers/x",),
    )
    assert image.labels == {"old": "1", "same": "2", "new": "3"}
    assert image.environment["INTELLYHUB_FLOW_NAME"] == "t/a"
    assert image.environment["X"] == "a=b"
    assert image.environment["PYTHONPATH"] == "/worker/packages:/flow/plugins/.layers/x"
    assert image.settings["User"] == "65532:65532"


def test_an_image_without_an_engine_carries_no_flow():
    with pytest.raises(BaseUnusable, match="no engine image"):
        make_flow_image(an_image(), flow_files={"flow.yaml": FLOW})


def test_a_flow_does_not_write_outside_its_folder():
    with pytest.raises(LayerRefused):
        make_flow_image(an_engine(), flow_files={"../etc/passwd": b"root::0:0"})


def test_more_layers_than_a_file_system_takes_are_refused():
    with pytest.raises(BaseUnusable, match="127 are possible"):
        make_flow_image(an_engine(), flow_files={"flow.yaml": FLOW}, layers=[a_layer(str(n)) for n in range(130)])


def test_flows_are_compiled_only_for_the_very_python_of_the_engine_image():
    mine, tables = platform.python_version(), "intellyhub_functions.catalogue:CATALOGUE"
    assert tables_of(an_engine(**{PYTHON: mine})) == tables
    assert tables_of(an_engine([f"PYTHON_VERSION={mine}"])) == tables
    assert tables_of(an_engine([f"PYTHON_VERSION={mine}"], **{PYTHON: "3.10.0"})) is None
    assert tables_of(an_engine()) is None
    assert set(make_flow_files(FLOW, name="a", tables=None)) == {"flow.yaml"}
    assert set(make_flow_files(FLOW, name="a", called={"b": FLOW}, tables=tables)) == {
        *("flow.yaml", "flow.yaml.compiled", "b.yaml", "b.yaml.compiled"),
    }


def test_an_engine_goes_on_images_of_this_platform_only():
    layer = a_layer("worker/packages")
    image = make_engine_image(an_image(Entrypoint=["x"], Env=["A=b"], Labels={"l": "m"}), layer)
    assert "Entrypoint" not in image.settings
    assert image.environment["A"] == "b"
    assert image.labels["l"] == "m"
    assert image.labels[PYTHON] == platform.python_version()
    with pytest.raises(BaseUnusable, match="linux/none"):
        make_engine_image(an_image(platform="linux/none"), layer)


def test_an_engine_image_holds_what_it_needs_and_nothing_of_the_platform():
    names = {each.name.lower() for each in engine_distributions()}
    assert {"intellyhub-engine", "intellyhub-functions", "functions-framework", "orjson", "pyyaml"} <= names
    assert not names & {"intellyhub-knative", "aiohttp", "sqlalchemy", "boto3", "kubernetes", "flask-openapi3"}
    assert all("==" in line and not line.startswith("intellyhub") for line in constraints())


def needs(*states, listener=""):
    lines = "".join(f"  s{number}: {{{state}, transition: done}}\n" for number, state in enumerate(states))
    text = f"name: a\n{listener}states:\n{lines}  done: {{state_type: end}}\n"
    flow, _ = examine(text, installed(), name="a")
    assert flow is not None
    wanted = function_requirements(flow, text)
    return [line.partition(">")[0] for line in wanted]


def test_heavy_functions_say_what_they_need_on_top():
    assert needs("state_type: http, url: 'https://example.org'", "state_type: email, to: a@b.c") == []
    assert needs("state_type: http, url: 'https://example.org'", listener="listener: {type: s3, bucket: b}\n") == [
        "boto3"
    ]
    assert needs("state_type: google-sheets") == ["google-auth"]


def test_of_what_is_optional_a_flow_gets_what_its_text_names():
    assert needs("state_type: file, path: a.txt") == []
    assert needs("state_type: file, path: 's3://bucket/a.txt'") == ["boto3"]
    assert needs("state_type: database, url: 'postgresql://db'") == ["psycopg2-binary", "sqlalchemy"]
    assert needs("state_type: database, url: '{secrets.url}'") == ["psycopg2-binary", "pymysql", "sqlalchemy"]
    assert needs("state_type: text_to_speech, text: a") == []
    assert needs("state_type: text_to_speech, text: a, engine: espeak") == ["espeakng-loader", "numpy", "soundfile"]


def test_every_optional_requirement_has_a_sign():
    optional = set()
    for row in (*STATES.values(), *SOURCES.values()):
        document = json.loads(row.manifest.read_bytes())
        optional |= {line.partition(">")[0] for line in document.get("optional_requirements", ())}
    assert optional == set(SIGNS)


def test_plugins_are_packed_once_and_their_place_is_made_of_their_files(tmp_path):
    store = Store(folder=tmp_path / "store")
    (folder := tmp_path / "plugins").mkdir()
    plugin = write_plugin(folder, "greetings", {"greetings.py": PLUGIN})
    (first,) = pack_plugins([plugin], store, python="3")
    (again,) = pack_plugins([plugin], store, python="3")
    assert (first.cached, again.cached) == (False, True)
    assert again.placed == first.placed
    assert first.placed.folder.startswith("/flow/plugins/greetings/")
    with (Path(plugin.folder) / "greetings.py").open("a") as file:
        file.write("# changed\n")
    (changed,) = pack_plugins([plugin], store, python="3")
    assert changed.placed.folder != first.placed.folder
    files = make_flow_files(FLOW, name="a", plugins=[changed], tables=None)
    assert json.loads(files["plugins/plugins.json"]) == {
        "greetings": {"folder": changed.placed.folder.removeprefix("/flow/plugins/"), "layer": None}
    }


def test_packages_that_are_not_there_are_said_to_be_missing(tmp_path):
    with pytest.raises(LayerRefused, match="install the plugin"):
        make_package_layer(tmp_path / "gone", Store(folder=tmp_path), python="3")
