"""A double of the REST API, and the command line as a person calls it."""

import io
import os
import sys

import pytest

from intellyhub_engine.cli.main import main
from intellyhub_functions.testing.package_index import only_index
from tests.unit.control_plane.cli.answers import TEXT
from tests.unit.control_plane.cli.api_double import ApiDouble


@pytest.fixture
def api():
    double = ApiDouble()
    yield double
    double.close()


@pytest.fixture
def call(api, tmp_path, monkeypatch, capfd):
    for name in list(os.environ):
        if name.startswith("INTELLYHUB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("INTELLYHUB_URL", api.url)

    def call(*arguments, given=""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        code = main(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def flow_file(tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def index(tmp_path):
    with only_index(tmp_path / "index") as index:
        yield index
