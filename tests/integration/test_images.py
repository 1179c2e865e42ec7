"""A flow's image from nothing but this machine: engine layer, plugin layers, flow layer; pushed, read back, unpacked,
and its own command started in its own root file system."""

import http.client
import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from intellyhub_functions.testing.plugins import write_plugin
from intellyhub_functions.testing.ports import free_port
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.engine_layer import make_engine_image, make_engine_layer
from intellyhub_knative.images.flow_files import make_flow_files
from intellyhub_knative.images.flow_image import make_flow_image, tables_of
from intellyhub_knative.images.patience import Watch
from intellyhub_knative.images.plugin_layers import make_package_layer, pack_plugins, place_of_packages
from intellyhub_knative.images.source import open_base
from intellyhub_knative.images.store import Store
from tests.integration.registries.strict import StrictRegistry
from tests.integration.rootfs import python_base, start, unpack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("images")]

FLOW = b"""
name: hello
variables: {who: Ada}
states:
  greet:
    state_type: greet
    name: "{who}"
    output: said
    transition: sum
  sum:
    state_type: command
    eval: total = sum(numbers)
    transition: inner
  inner:
    state_type: call
    flow: answer
    output: found
    transition: done
  done: {state_type: end, result: {said: "{said}", total: "{total}", found: "{found.answer}"}}
"""
CALLED = b"""
name: answer
states:
  done: {state_type: end, result: {answer: 42}}
"""
PLUGIN = """
from intellyhub import state
import words

@state(pure=True)
def greet(name: str) -> str:
    \"\"\"Greets.\"\"\"
    return f"{words.HELLO} {name}"
"""
NAME = "tenant/hello"
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "t.made"}
FLOW_LAYER_BYTES = 20_000
ENGINE_BYTES = 90_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(folder=tmp_path_factory.mktemp("images") / "store")


@pytest.fixture(scope="module")
def engine(store, tmp_path_factory):
    """The engine image of this installation, in a folder."""
    folder = tmp_path_factory.mktemp("engine")
    base = open_base(python_base(folder, store), store=store)
    push(make_engine_image(base, make_engine_layer(store)), parse(f"oci:{folder}:engine"))
    return f"oci:{folder}:engine"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    layer = folder / "layers" / ("0" * 32)
    layer.mkdir(parents=True)
    (layer / "words.py").write_text("HELLO = 'Hello'\n")
    plugin = write_plugin(folder, "greetings", {"greetings.py": PLUGIN})
    return [type(plugin)(name=plugin.name, folder=plugin.folder, layer=str(layer))]


def build(engine, plugins, store, watch=None):
    watch = watch or Watch()
    base = open_base(engine, store=store, watch=watch)
    packed = pack_plugins(plugins, store, python="3", watch=watch)
    files = make_flow_files(FLOW, name=NAME, called={"answer": CALLED}, plugins=packed, tables=tables_of(base))
    return make_flow_image(
        base,
        flow_files=files,
        layers=[layer for each in packed for layer in each.layers],
        labels={"intellyhub.dev/version": "1"},
        environment={"INTELLYHUB_FLOW_NAME": NAME},
    )


@pytest.fixture(scope="module")
def root_of(engine, store, tmp_path_factory):
    """Unpacks an image: what all have in common once, and then by hard links."""
    base = open_base(engine, store=store)
    common = unpack(base, tmp_path_factory.mktemp("common"))

    def make(image, folder):
        assert [each.diff_id for each in image.layers[: len(base.layers)]] == [each.diff_id for each in base.layers]
        subprocess.run(["cp", "-al", str(common), str(folder)], check=True)
        return unpack(replace(image, layers=image.layers[len(base.layers) :]), folder)

    return make


@contextmanager
def served(image, root):
    """A port at which the image's own command answers, and its process."""
    port = free_port()
    process = start(
        image,
        root,
        {
            "PORT": str(port),
            "INTELLYHUB_AUTH": "none",
            "INTELLYHUB_HOST": "127.0.0.1",
            "INTELLYHUB_QUIET_SECONDS": "0.05",
        },
    )
    try:
        wait_until_ready(port, process)
        yield port, process
    finally:
        end(process)


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def wait_until_ready(port, process):
    deadline = time.monotonic() + 30
    while True:
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.stdout.read().decode())
        time.sleep(0.02)


def ask(port, method, target, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(
            method, target, body and json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_its_own_command_answers_a_cloud_event_in_its_own_root(engine, plugins, store, root_of, tmp_path):
    with StrictRegistry() as registry:
        name = push(build(engine, plugins, store), parse(f"{registry.host}/{NAME}:1"))
        image = open_base(name, store=Store(folder=tmp_path / "other"))
        with served(image, root_of(image, tmp_path / "root")) as (port, process):
            status, body = ask(port, "POST", "/", {"numbers": [1, 2, 3]}, EVENT)
            assert status == 200, body
            assert json.loads(body)["output"] == {"said": "Hello Ada", "total": 6, "found": 42}
            assert process.poll() is None


def test_it_starts_from_the_compiled_program(engine, plugins, store, root_of, tmp_path):
    image = build(engine, plugins, store)
    root = root_of(image, tmp_path / "root")
    module = root / "worker/packages/intellyhub_engine/language/compile.py"
    for path in (module, *module.parent.glob("__pycache__/compile.*")):
        path.unlink()  # now only a program that fits can be used
    module.write_text("raise ImportError('nothing is compiled here')")
    with served(image, root) as (port, _):
        assert ask(port, "GET", "/readyz")[0] == 200


def test_the_same_flow_gives_the_same_bytes(engine, plugins, store, tmp_path):
    first = build(engine, plugins, store)
    again = build(engine, plugins, Store(folder=tmp_path / "other"))
    assert again.digest == first.digest
    archive = push(first, parse(f"tar:{tmp_path}/a.tar", name="hello:1"))
    assert push(again, parse(f"tar:{tmp_path}/b.tar", name="hello:1")).rpartition("@")[2] == archive.rpartition("@")[2]
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_flow_layer_and_engine_are_as_small_as_they_must_be(engine, plugins, store):
    assert build(engine, plugins, store).layers[-1].blob.size <= FLOW_LAYER_BYTES
    assert open_base(engine, store=store).size <= ENGINE_BYTES


def test_packages_of_a_python_state_get_a_layer_and_a_line_in_the_table(engine, store, root_of, tmp_path):
    folder = tmp_path / ("1" * 32)
    folder.mkdir()
    (folder / "greeting.py").write_text("WORD = 'Hi'\n")
    base = open_base(engine, store=store)
    layer, _ = make_package_layer(folder, store, python="3")
    files = make_flow_files(CALLED, name="x", layers={"key": place_of_packages(folder)}, tables=tables_of(base))
    root = root_of(make_flow_image(base, flow_files=files, layers=[layer]), tmp_path / "root")
    (place,) = json.loads((root / "flow/layers.json").read_bytes()).values()
    assert (root / "flow" / place / "greeting.py").read_text() == "WORD = 'Hi'\n"


def test_it_ends_with_0_when_it_is_told_to(engine, plugins, store, root_of, tmp_path):
    image = build(engine, plugins, store)
    with served(image, root_of(image, tmp_path / "root")) as (_, process):
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGTERM)
        assert process.wait(20) == 0


def children_of(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
