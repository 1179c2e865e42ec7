"""The flows that a new platform comes with."""

from importlib.resources import files

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.cli.main import main
from intellyhub_engine.language.load import examine

FOLDER = files("intellyhub_control_plane") / "examples"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.name.endswith(".yaml"))


def test_there_are_three():
    assert NAMES == ["diary.yaml", "hello.yaml", "refund.yaml"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_no_faults_and_says_what_it_does(name):
    flow, problems = examine((FOLDER / name).read_bytes(), installed(), name=name)
    assert (flow is not None, list(problems)) == (True, [])
    assert (FOLDER / name).read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_an_example_pass(name, capsys):
    assert main(["test", str(FOLDER / name)]) == 0
    assert int(capsys.readouterr().out.splitlines()[-1].split()[0]) >= 2
