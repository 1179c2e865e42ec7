"""The python state in real processes of its own; its packages out of a package index made by the test."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import base64
import hashlib
import os
import threading
import zipfile
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_functions.layers.installer import configuration
from intellyhub_functions.layers.requirements import key_of
from intellyhub_functions.settings import settings
from intellyhub_functions.states.python.python import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import Log, make_step


@pytest.fixture(scope="module")
def blocks():
    with Blocks() as service:
        yield service


@pytest.fixture
def step(tmp_path, blocks):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return make_step(workspace, services={"blocks": blocks}, log=Log())


def run(step, code, arguments=None, **more):
    return perform({"code": code, "arguments": arguments, **more}, step)


def test_a_function_is_called_with_arguments_by_name_or_in_order(step):
    code = "def main(a, b=2):\n    return {'a': a, 'sum': a.x + b}"
    assert run(step, code, {"a": {"x": 1}}) == {"a": {"x": 1}, "sum": 3}
    assert run(step, code, [{"x": 1}, 5]).sum == 6


def test_the_only_function_main_or_the_named_one_is_called(step):
    assert run(step, "def _helper(): ...\ndef only():\n    return 1") == 1
    assert run(step, "def main():\n    return 1\ndef other():\n    return 2") == 1
    assert run(step, "def main():\n    return 1\ndef other():\n    return 2", function="other") == 2
    with pytest.raises(PermanentError, match=r"no function 'main'; it defines a, b"):
        run(step, "def a(): ...\ndef b(): ...")
    with pytest.raises(PermanentError, match="no function 'main'; it defines none"):
        run(step, "x = 1")


def test_the_text_is_a_whole_module(step):
    code = """
from __future__ import annotations
import asyncio, dataclasses, enum, pickle


@dataclasses.dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = "red"


async def main(x):
    await asyncio.sleep(0)
    return pickle.loads(pickle.dumps(Point(x))), Colour.RED
"""
    assert run(step, code, {"x": 3}) == ({"x": 3}, "red")
    assert run(step, "def main():\n    yield 1\n    yield 2") == [1, 2]


def test_what_it_prints_is_logged_and_nothing_of_the_worker_is_there(step, monkeypatch):
    monkeypatch.setenv("WORKER_SECRET", "tell-nobody")
    code = "import os\ndef main():\n    print('working')\n    return dict(os.environ), os.getcwd(), os.getpid()"
    environment, folder, pid = run(step, code)
    assert "WORKER_SECRET" not in environment
    assert folder == str(step.workspace)
    assert pid != os.getpid()
    assert ("info", "working") in step.log.lines


def test_a_file_of_the_workspace_is_a_function_too_and_modules_beside_it_are_found(step):
    (step.workspace / "beside.py").write_text("VALUE = 7")
    (step.workspace / "work.py").write_text("import beside\ndef main():\n    return beside.VALUE")
    assert perform({"file": "work.py"}, step) == 7
    with pytest.raises(PermanentError, match="outside the workspace"):
        perform({"file": "/etc/passwd"}, step)
    with pytest.raises(PermanentError, match=r"none\.py: no such file"):
        perform({"file": "none.py"}, step)


def test_no_value_ever_becomes_code(step):
    evil = "'); import os; os.abort(); ('"
    assert run(step, "def main(name):\n    return name", {"name": evil}) == evil
    assert run(step, "def main():\n    return '{name}'") == "{name}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def main():\n    x = {}\n    return x['a']", r"KeyError: 'a' \(line 3\)"),
        ("def main(:", r"SyntaxError: .* \(line 1\)"),
        ("import nobody_has_this\ndef main(): ...", r"ModuleNotFoundError: .* \(line 1\)"),
        ("def main(x): ...", "TypeError: .*missing 1 required positional argument"),
        ("def main():\n    raise SystemExit(3)", "ended its process, with 3"),
        ("import os\ndef main():\n    os._exit(0)", "ended its process itself|cannot be read"),
        ("import os\ndef main():\n    os.abort()", "crashed with SIGABRT"),
        ("def main():\n    return lambda: 1", "what it returns cannot be a variable"),
        ("def main():\n    a = []\n    a.append(a)\n    return a", "what it returns cannot be a variable"),
        ("import os\ndef main():\n    os.write(3, b'Rnonsense')\n    os._exit(0)", "cannot be read"),
    ],
)
def test_what_goes_wrong_fails_the_step_with_words(step, code, message):
    with pytest.raises(PermanentError, match=message):
        run(step, code)


def test_the_code_may_ask_to_be_tried_again(step):
    code = "from intellyhub import RetryLater\ndef main():\n    raise RetryLater('busy', after_seconds=7)"
    with pytest.raises(RetryableError, match="busy") as told:
        run(step, code)
    assert told.value.retry_after_seconds == 7


def test_it_ends_with_its_time_and_with_its_run(step):
    endless = "def main():\n    while True: pass"
    with pytest.raises(StepTimedOut):
        run(step, endless, timeout=0.3)
    threading.Timer(0.3, step.cancelled.set).start()
    with pytest.raises(StepCancelled):
        run(step, endless)


@pytest.mark.parametrize("parameters", [{}, {"code": "def main(): ...", "file": "x.py"}])
def test_code_and_file_are_alternatives(step, parameters):
    with pytest.raises(PermanentError, match="either code or file"):
        perform(parameters, step)


def test_arguments_are_a_mapping_or_a_list(step):
    with pytest.raises(PermanentError, match="arguments must be"):
        run(step, "def main(): ...", "x")


def make_wheel(folder, name, version, content):
    """A wheel with one module, as an index has it."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text)}\n"
        for path, text in files.items()
    )
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(member, text)
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels that pip takes for its index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("INTELLYHUB_LAYERS", str(tmp_path / "layers"))
    settings.cache_clear()
    configuration.cache_clear()
    yield folder
    settings.cache_clear()
    configuration.cache_clear()


@pytest.mark.slow
def test_requirements_are_installed_once_and_seen_only_by_whom_asks(step, index):
    make_wheel(index, "greeting-words", "1.2", "HELLO = 'ciao'")
    code = "def main(name):\n    import greeting_words\n    return f'{greeting_words.HELLO} {name}'"
    assert run(step, code, ["Ada"], requirements=["greeting-words>=1"]) == "ciao Ada"
    for wheel in index.iterdir():
        wheel.unlink()
    assert run(step, code, ["Bob"], requirements=["greeting-words>=1"]) == "ciao Bob"
    with pytest.raises(PermanentError, match="No module named 'greeting_words'"):
        run(step, code, ["Eve"])
    assert step.log.text().count("installing greeting-words") == 1


@pytest.mark.slow
def test_requirements_that_nobody_has_are_told(step, index):
    with pytest.raises(PermanentError, match="the requirements cannot be installed"):
        run(step, "def main(): ...", requirements=["nobody-has-this"])


def test_on_a_platform_the_layer_is_the_one_that_was_installed_when_the_flow_was_published(step, tmp_path, blocks):
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "greeting_words.py").write_text("HELLO = 'salve'")
    layers = {key_of(["greeting-words>=1"]): str(layer)}
    published = make_step(step.workspace, services={"blocks": blocks, "layers": layers})
    code = "import greeting_words\ndef main():\n    return greeting_words.HELLO"
    assert run(published, code, requirements=["Greeting_Words >= 1"]) == "salve"
    with pytest.raises(PermanentError, match="not installed; publish the flow again"):
        run(published, code, requirements=["greeting-words>=2"])
    with pytest.raises(PermanentError, match="names an address"):
        run(published, code, requirements=["x @ https://example.org/x.whl"])


def test_the_example_sums_invoices(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert (tmp_path / "totals.txt").read_text() == "Ada owes 20 EUR\n"
