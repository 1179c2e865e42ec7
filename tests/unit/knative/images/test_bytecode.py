"""Compiled modules: the same bytes in every process."""

import importlib.util
import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from intellyhub_knative.images import bytecode
from intellyhub_knative.images.bytecode import compiled_name, make_pyc

SOURCE = b"""
BRACES = {"{", "}", "%", "x", "some text"}
def f(a, *, b=(1, 2.5, "hello world", frozenset({3})), **rest):
    "Says."
    return lambda c: (a, b, c, rest, "{", "asyncio", 123456789, b"bytes", f"{a}-{c}")
class C:
    name: str = "value"
def make():
    class Inner:
        def __init__(self):
            self.x = "make.<locals>.Inner"
    return Inner
"""
ELSEWHERE = """
import sys, asyncio, json, logging, http.client
kept = [sys.intern("{"), sys.intern("some text"), sys.intern("hello world")]
others = [compile(sys.argv[2], "other", "exec") for _ in range(3)]
sys.path.insert(0, sys.argv[1])
import bytecode
sys.stdout.buffer.write(bytecode.make_pyc(sys.argv[2].encode(), "/x/module.py"))
"""


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_with_another_past_writes_the_same(seed):
    folder = str(Path(bytecode.__file__).parent)
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, folder, SOURCE.decode()],
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout == make_pyc(SOURCE, "/x/module.py")


def test_it_is_what_python_imports_whatever_the_time_of_its_source(tmp_path, monkeypatch):
    module = tmp_path / "some_module_of_this_test.py"
    module.write_text("VALUE = 1\n")
    assert bytecode.main([str(tmp_path)]) == 0
    module.write_text("VALUE = 2  # which nobody sees\n")
    spec = importlib.util.spec_from_file_location("some_module_of_this_test", module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert loaded.VALUE == 1
    packed = Path(compiled_name(str(module))).read_bytes()
    assert packed[4] == 1
    assert marshal.loads(packed[16:]).co_filename == str(module)


def test_what_is_no_python_is_left_alone(tmp_path, capsys):
    (tmp_path / "template.py").write_text("{{ name }} =\n")
    assert bytecode.main([str(tmp_path)]) == 0
    assert "template.py" in capsys.readouterr().err
    assert not (tmp_path / "__pycache__").exists()


def test_without_folders_it_says_how_it_is_called(capsys):
    assert bytecode.main([]) == 2
    assert "usage" in capsys.readouterr().err
