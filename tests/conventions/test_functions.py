"""Every function folder is whole: manifest, code, example, document, test; and what they say is so."""

import json
import subprocess
import sys

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.language.load import examine
from intellyhub_functions.catalogue import CATALOGUE, SOURCES, STATES
from tests.conventions.house import ROOT

FUNCTIONS = ROOT / "functions" / "intellyhub_functions"
FOLDERS = sorted(path.parent for path in FUNCTIONS.glob("*/*/manifest.json"))
KINDS = {row.manifest.parent: kind for kind, row in (*STATES.items(), *SOURCES.items())}


def name_of(folder):
    return f"{folder.parent.name}-{folder.name}"


def type_of(folder):
    table = CATALOGUE.states if folder.parent.name == "states" else CATALOGUE.sources
    return table[KINDS[folder]]


def test_every_folder_has_its_row_and_every_row_its_folder():
    assert set(FOLDERS) == set(KINDS)
    held = {path for room in ("states", "sources") for path in (FUNCTIONS / room).iterdir() if path.is_dir()}
    assert {path for path in held if path.name != "__pycache__"} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_folder_has_document_example_and_where_it_is_installed_code_and_test(folder):
    assert (folder / "README.md").exists()
    assert (folder / "example.yaml").exists()
    if type_of(folder).installed:
        manifest = json.loads((folder / "manifest.json").read_text())
        assert (folder / manifest["entry_file"]).exists()
        assert (folder / f"test_{folder.name}.py").exists()
        assert callable(type_of(folder).load())


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_alias_of_a_manifest_finds_its_type(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    table = CATALOGUE.states if folder.parent.name == "states" else CATALOGUE.sources
    for spelling in (manifest.get("state_type") or manifest["listener_type"], *manifest.get("aliases", ())):
        assert table[spelling].type == KINDS[folder]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_parameter_is_described(folder):
    for name, parameter in type_of(folder).parameters.items():
        assert parameter.description.endswith((".", "…")), name


def test_the_pages_of_all_functions_are_up_to_date():
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "document.py", "--check"], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder.parent.name == "sources"], ids=name_of)
def test_a_source_has_a_sample_with_the_fields_that_it_names(folder):
    source = type_of(folder)
    assert source.event_type.startswith("io.intellyhub.")
    assert source.sample
    assert set(source.sample) <= set(source.fields)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_an_example_is_run_by_its_function_s_own_test(folder):
    if type_of(folder).installed:
        assert "run_example(" in (folder / f"test_{folder.name}.py").read_text()
    else:
        flow, problems = examine((folder / "example.yaml").read_bytes(), installed(), name=folder.name)
        assert flow is not None, problems
