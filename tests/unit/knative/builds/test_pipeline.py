"""The stages of a build, without a platform."""

import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from intellyhub_functions.plugins import tables
from intellyhub_functions.plugins.manifest import read_manifest
from intellyhub_functions.plugins.tables import make_catalogue
from intellyhub_functions.testing.plugins import write_plugin
from intellyhub_knative.builds import testing
from intellyhub_knative.builds.order import Order, find_called
from intellyhub_knative.builds.pipeline import Means, build
from intellyhub_knative.builds.stages import Stage, StageFailed
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.errors import BuildCancelled, ReferenceInvalid
from intellyhub_knative.images.flow_image import PYTHON
from intellyhub_knative.images.store import Store
from tests.unit.knative.images.house import an_engine

HELLO = b"""
name: hello
states:
  greet: {state_type: set, values: {text: "Hi {name}"}, transition: end}
tests:
  - {name: greets, variables: {name: Ada}, expect: {variables: {text: Hi Ada}}}
"""
SHOUT = """
from intellyhub import state

@state(pure=True)
def shout(text: str) -> str:
    \"\"\"Shouts.\"\"\"
    return text.upper()
"""
SHOUTING = b"""
name: loud
states:
  a: {state_type: shout, text: hi, output: said, transition: end}
tests:
  - {name: shouts, expect: {variables: {said: HI}}}
"""


class Heard:
    """Remembers what it is told."""

    def __init__(self):
        self.lines, self.results = [], []

    def began(self, stage):
        self.lines.append(f"== {stage}")

    def said(self, stage, text):
        self.lines.append(text)

    def ended(self, result):
        self.results.append((result.stage.value, result.status.value))


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def engine(tmp_path):
    push(an_engine(), parse(f"oci:{tmp_path}/engine:engine"))
    return f"oci:{tmp_path}/engine:engine"


@pytest.fixture
def means(tmp_path):
    return Means(store=Store(folder=tmp_path / "store"), provide=lambda *_: pytest.fail("nothing is required"))


@pytest.fixture
def order(engine, tmp_path):
    return Order(title="hello.yaml", text=HELLO, name="hello", engine=engine, destination=f"oci:{tmp_path}/images")


def test_a_flow_becomes_an_image(order, means, heard):
    built = build(order, means, heard)
    assert built.reference.endswith(built.digest)
    assert heard.results == [
        ("check", "succeeded"),
        ("test", "succeeded"),
        ("plugins", "skipped"),
        ("image", "succeeded"),
        ("push", "succeeded"),
    ]


def test_the_same_flow_gives_the_same_image_and_its_tests_are_not_run_again(order, means, heard, monkeypatch):
    first = build(order, means, heard)
    monkeypatch.setattr(testing, "ask", lambda *_: pytest.fail("it is run again"))
    again = build(order, means, heard)
    assert again.digest == first.digest
    assert ("test", "skipped") in heard.results


def test_without_a_place_it_goes_nowhere(order, means, heard):
    built = build(replace(order, destination=""), means, heard)
    assert built.reference == ""
    assert heard.results[-1][0] == "image"


def test_a_text_with_faults_is_told_with_its_places(order, means, heard):
    wrong = HELLO.replace(b"set", b"sett")
    with pytest.raises(StageFailed, match=r"hello\.yaml:4:23: error: .*sett"):
        build(replace(order, text=wrong), means, heard)
    assert heard.results == [("check", "failed")]


def test_a_fault_of_a_called_flow_is_one_of_its_caller(order, means, heard):
    with pytest.raises(StageFailed, match=r"answer\.yaml:"):
        build(replace(order, called={"answer": b"name: answer\nstates: 1\n"}), means, heard)


def test_a_test_that_fails_ends_the_build(order, means, heard):
    with pytest.raises(StageFailed, match="1 of 1 tests failed: greets: the variable 'text' is 'Hello Ada'"):
        build(replace(order, text=HELLO.replace(b'"Hi {', b'"Hello {')), means, heard)
    assert heard.results[-1] == ("test", "failed")


def test_tests_beside_the_flow_are_run_too(order, means, heard):
    beside = b"tests: [{name: other, expect: {path: [greet, greet]}}]"
    with pytest.raises(StageFailed, match="1 of 2 tests failed: other"):
        build(replace(order, tests=beside), means, heard)
    with pytest.raises(StageFailed, match="a file of tests is a list"):
        build(replace(order, tests=b"x: 1"), means, heard)


def test_tests_that_take_too_long_are_ended(order, means, heard, monkeypatch):
    endless = b"""
name: hello
max_steps: 1000000000
states:
  a: {state_type: set, values: {x: "{x + 1}"}, transition: b}
  b: {state_type: if, condition: "x > 1", then: a, else: end}
variables: {x: 1}
tests: [{name: ends}]
"""
    monkeypatch.setattr(testing.run_flow_tests, "__kwdefaults__", {"seconds": 0.7})
    with pytest.raises(StageFailed, match=r"longer than 0\.7 s and were ended"):
        build(replace(order, text=endless), means, heard)


def test_a_build_is_cancelled_between_and_inside_stages(order, means, heard):
    stop = threading.Event()
    heard.began = lambda stage: stop.set() if stage is Stage.TEST else None
    with pytest.raises(BuildCancelled):
        build(order, means, heard, stop.is_set)
    assert heard.results == [("check", "succeeded"), ("test", "cancelled")]
    with pytest.raises(BuildCancelled):
        build(order, means, heard, stop.is_set)


def test_code_of_plugins_is_run_in_tests_on_ones_own_machine_only(order, means, heard, tmp_path):
    plugin = write_plugin(tmp_path, "shout", {"shout.py": SHOUT})
    loud = replace(order, text=SHOUTING, plugins=(plugin,))
    built = build(loud, means, heard)
    assert ("plugins", "succeeded") in heard.results
    assert built.flow_bytes < 20_000
    with pytest.raises(StageFailed, match="mock"):
        build(replace(loud, mocks_plugins=True), means, heard)


def test_a_plugin_is_read_once_for_many_builds_and_again_when_it_has_changed(
    order, means, heard, tmp_path, monkeypatch
):
    read = []
    monkeypatch.setattr(tables, "read_manifest", lambda folder: read.append(folder) or read_manifest(folder))  # type: ignore[func-returns-value, redundant-expr]
    plugin = write_plugin(tmp_path, "shout", {"shout.py": SHOUT})
    loud = replace(order, text=SHOUTING, plugins=(plugin,))
    build(loud, means, heard)
    build(loud, means, heard)
    assert len(read) == 1
    (Path(plugin.folder) / "shout.py").write_text(SHOUT.replace("upper()", "upper() + '!'"))
    with pytest.raises(StageFailed, match="HI!"):
        build(loud, means, heard)
    assert len(read) == 2


def test_packages_are_not_put_beside_another_python(order, means, heard, tmp_path):
    push(an_engine(**{PYTHON: "3.9.1"}), parse(f"oci:{tmp_path}/old:engine"))
    (tmp_path / "packages").mkdir()
    plugin = write_plugin(tmp_path, "shout", {"shout.py": SHOUT})
    loud = replace(
        order,
        text=SHOUTING.partition(b"tests")[0],
        plugins=(type(plugin)(name="shout", folder=plugin.folder, layer=str(tmp_path / "packages")),),
        engine=f"oci:{tmp_path}/old:engine",
    )
    with pytest.raises(StageFailed, match=r"the engine image runs Python 3\.9\.1"):
        build(loud, means, heard)


def test_a_place_that_is_none_is_a_fault_of_pushing(order, means, heard):
    with pytest.raises(StageFailed) as caught:
        build(replace(order, destination="UPPER/case"), means, heard)
    assert caught.value.stage is Stage.PUSH
    assert isinstance(caught.value.__cause__, ReferenceInvalid)


def test_flows_that_are_called_are_found_with_those_that_they_call():
    texts = {
        "a": b"name: a\nstates:\n  x: {state_type: call, flow: b.yaml, transition: end}\n",
        "b": b"name: b\nstates:\n  x: {state_type: call, flow: a, transition: end}\n",
    }
    asked = []

    def read(name):
        asked.append(name)
        return texts.get(name)

    top = b"name: t\nstates:\n  x: {state_type: call, flow: a, transition: y}\n  y: {state_type: call, flow: '{z}'}\n"
    assert set(find_called(top, make_catalogue(()), read)) == {"a", "b"}
    assert asked == ["a", "b"]


def test_nothing_secret_reaches_the_process_of_the_tests(monkeypatch):
    seen = {}

    def popen(*arguments, **options):
        seen.update(options["env"])
        raise OSError("no process")

    monkeypatch.setenv("INTELLYHUB_REGISTRY_CREDENTIALS", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(OSError, match="no process"):
        testing.ask(b"{}", None, 1)  # type: ignore[arg-type]
    assert "PATH" in seen
    assert not [value for value in seen.values() if "secret" in value]
