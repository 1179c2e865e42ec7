"""Cache folders that others can write to: what is cached is code."""

import os
import threading

import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.serving.program_cache import cache_path, load_program, precompile

CATALOGUE = Catalogue(states=CONTROL)


@pytest.fixture
def flow(tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text("states: {start: {state_type: set, values: {a: 1}, transition: end}}")
    return path


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "cache"
    made.mkdir(mode=0o755)
    return made


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_folder_that_others_can_write_to_is_not_written(flow, folder, mode):
    folder.chmod(mode)
    assert load_program(flow, CATALOGUE, name="f", cache_dir=folder).name == "f"
    assert list(folder.iterdir()) == []


def test_a_folder_that_others_can_write_to_is_not_read(flow, folder, monkeypatch):
    load_program(flow, CATALOGUE, name="f", cache_dir=folder)
    folder.chmod(0o777)
    monkeypatch.setattr("intellyhub_engine.serving.program_cache.load", lambda packed: pytest.fail("it was read"))
    load_program(flow, CATALOGUE, name="f", cache_dir=folder)


def test_a_link_in_the_place_of_a_cached_program_is_not_followed(flow, folder, tmp_path, monkeypatch):
    load_program(flow, CATALOGUE, name="f", cache_dir=folder)
    kept = cache_path(flow, folder)
    elsewhere = kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(elsewhere)
    monkeypatch.setattr("intellyhub_engine.serving.program_cache.load", lambda packed: pytest.fail("it was read"))
    load_program(flow, CATALOGUE, name="f", cache_dir=folder)


def test_a_pipe_in_the_place_of_a_cached_program_does_not_hang(flow, folder):
    os.mkfifo(cache_path(flow, folder))
    loading = threading.Thread(target=load_program, args=(flow, CATALOGUE), kwargs={"name": "f", "cache_dir": folder})
    loading.daemon = True
    loading.start()
    loading.join(5)
    assert not loading.is_alive()


def test_a_flow_in_a_folder_of_everyone_is_not_precompiled(flow):
    flow.parent.chmod(0o777)
    with pytest.raises(PermissionError):
        precompile(flow, CATALOGUE, name="f")
