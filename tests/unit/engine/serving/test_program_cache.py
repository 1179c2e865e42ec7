"""Programs from their text and from their cache."""

import os

import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import FlowInvalid, InputInvalid
from intellyhub_engine.serving import program_cache
from intellyhub_engine.serving.program_cache import cache_path, load_program, precompile

CATALOGUE = Catalogue(states=CONTROL)
FLOW = "states: {start: {state_type: set, values: {a: 1}, transition: end}}"


@pytest.fixture
def flow(tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text(FLOW)
    return path


@pytest.fixture
def compiled(monkeypatch):
    """How often a text was compiled."""
    texts = []
    real = program_cache.compile_text

    def compile_text(text, *more):
        texts.append(text)
        return real(text, *more)

    monkeypatch.setattr(program_cache, "compile_text", compile_text)
    return texts


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made" / "here"


def load(path, folder=None, **choices):
    return load_program(path, CATALOGUE, cache_dir=folder, **({"name": "n"} | choices))


def test_a_flow_is_compiled_once(flow, folder, compiled):
    names = load(flow, folder).names
    assert load(flow, folder).names == names
    assert load(flow, folder).state("start").type == "set"
    assert len(compiled) == 1
    assert [path.suffix for path in folder.iterdir()] == [".compiled"]


def test_without_a_folder_nothing_is_written(flow, compiled):
    load(flow)
    load(flow)
    assert len(compiled) == 2
    assert list(flow.parent.iterdir()) == [flow]


def test_a_program_that_an_image_brought_is_used(flow, compiled):
    cached = precompile(flow, CATALOGUE, name="n")
    load(flow)
    assert len(compiled) == 1
    assert cached == cache_path(flow, None)


@pytest.mark.parametrize("change", ["text", "name", "catalogue", "bytes", "emptied", "rights", "engine"])
def test_a_cache_of_anything_else_is_not_used(flow, compiled, change, monkeypatch):
    cached = precompile(flow, CATALOGUE, name="n")
    if change == "text":
        flow.write_text(FLOW.replace("1", "2"))
    elif change == "catalogue":
        monkeypatch.setenv("INTELLYHUB_CATALOGUE", "other:TABLE")
    elif change == "bytes":
        cached.write_bytes(cached.read_bytes()[:-20])
    elif change == "emptied":
        cached.write_bytes(b"")
    elif change == "rights":
        cached.chmod(0o666)
    elif change == "engine":
        monkeypatch.setattr("intellyhub_engine.language.program.FORMAT", ("another", 0, 0))
    load(flow, name="m" if change == "name" else "n")
    assert len(compiled) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_cache_that_somebody_else_wrote_is_not_used(flow, compiled):
    os.chown(precompile(flow, CATALOGUE, name="n"), 65534, 65534)
    load(flow)
    assert len(compiled) == 2


def test_a_place_that_cannot_be_written_costs_only_time(flow, compiled):
    for _ in range(2):
        load(flow, flow / "not a folder")
    assert len(compiled) == 2


def test_a_flow_that_is_not_there_or_too_large_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputInvalid, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
    monkeypatch.setattr(program_cache, "MAX_FLOW_BYTES", 10)
    (tmp_path / "big.yaml").write_text(FLOW)
    with pytest.raises(InputInvalid, match="larger"):
        load(tmp_path / "big.yaml")


def test_a_flow_that_cannot_run_is_not_cached(tmp_path, folder):
    path = tmp_path / "bad.yaml"
    path.write_text("states: {start: {state_type: nonsense}}")
    with pytest.raises(FlowInvalid):
        load(path, folder)
    assert not folder.exists()
