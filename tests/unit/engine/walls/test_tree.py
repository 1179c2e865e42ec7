"""How the file system of a worker is laid out."""

import os
from pathlib import Path

import pytest

from intellyhub_engine.walls.tree import Layout, plan, trace


@pytest.fixture
def place(tmp_path):
    return os.path.realpath(tmp_path)


def test_a_path_without_links_leads_to_itself(place):
    assert trace(f"{place}/a/./b/../c") == ([], f"{place}/a/c")


def test_every_link_on_the_way_is_found(place):
    Path(place, "real/deep").mkdir(parents=True)
    Path(place, "relative").symlink_to("real")
    Path(place, "absolute").symlink_to(f"{place}/relative/deep")
    links, real = trace(f"{place}/absolute/file")
    assert real == f"{place}/real/deep/file"
    assert links == [(f"{place}/absolute", f"{place}/relative/deep"), (f"{place}/relative", "real")]


def test_links_in_a_circle_are_refused(place):
    Path(place, "a").symlink_to("b")
    Path(place, "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        trace(f"{place}/a")


def places(place, readable, hidden):
    for path in (*readable, *hidden):
        (place / path).mkdir(parents=True, exist_ok=True)
    layout = plan(tuple(place / path for path in readable), tuple(place / path for path in hidden))
    real = os.path.realpath(place)
    return {path.removeprefix(real + "/"): hidden for path, hidden in layout.places if path.startswith(real)}


def test_a_hidden_folder_in_a_readable_one_is_covered_and_what_is_readable_in_it_shows(tmp_path):
    assert places(tmp_path, ("code", "code/data/programs"), ("code/data",)) == {
        "code": False,
        "code/data": True,
        "code/data/programs": False,
    }


def test_a_hidden_folder_has_its_place_where_nothing_readable_is_around_it(tmp_path):
    assert places(tmp_path, (), ("data", "data/run")) == {"data": True}


def test_what_a_readable_folder_holds_is_not_bound_again(tmp_path):
    assert places(tmp_path, ("code", "code/part"), ()) == {"code": False}


def test_a_folder_that_is_both_is_hidden(tmp_path):
    assert places(tmp_path, ("code", "code/data"), ("code/data",))["code/data"] is True


def test_what_is_hidden_and_what_lies_in_tmp_is_not_shared_by_workers():
    shared, own = Layout(
        (("/usr", False), ("/data", True), ("/data/python", False), ("/tmp/code", False), ("/opt", False)),
        (("/lib", "usr/lib"), ("/data/link", "python")),
    ).split()
    assert shared == Layout((("/usr", False), ("/opt", False)), (("/lib", "usr/lib"),))
    assert own == Layout((("/data", True), ("/data/python", False), ("/tmp/code", False)), (("/data/link", "python"),))


def test_files_can_be_looked_for_elsewhere(place):
    Path(place, "outside/folder").mkdir(parents=True)
    Path(place, "outside/link").symlink_to("/folder")
    assert trace("/link/file", f"{place}/outside") == ([("/link", "/folder")], "/folder/file")
