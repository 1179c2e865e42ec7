"""What is said where walls are missing, and what comes of it."""

import sys

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.walls import groups, probe
from intellyhub_engine.walls.probe import Walls, demand

NONE = Walls(missing=("Namespaces are refused.", "Landlock is missing."))


def test_all_walls_meet_every_demand():
    demand(Walls(), "require")


def test_missing_walls_are_accepted_unless_they_are_required():
    demand(NONE, "best-effort")
    demand(NONE, "")
    with pytest.raises(InputInvalid, match=r"(?s)INTELLYHUB_WALLS=require.*Namespaces.*Landlock"):
        demand(NONE, "require")


@pytest.mark.parametrize("word", ["none", "off", "Require"])
def test_another_word_is_refused(word):
    with pytest.raises(InputInvalid, match="require or best-effort"):
        demand(Walls(), word)


def test_another_system_has_no_walls_and_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    walls = probe.probe()
    assert not walls.namespaces
    assert "no walls on this system" in walls.missing[0]


def test_a_group_lies_below_the_one_of_this_process():
    assert groups.below("/sys/fs/cgroup", "/", "/user.slice") == "/sys/fs/cgroup/user.slice"
    assert groups.below("/sys/fs/cgroup", "/docker/1", "/docker/1") == "/sys/fs/cgroup"
    assert groups.below("/sys/fs/cgroup", "/docker/1", "/docker/1/init") == "/sys/fs/cgroup/init"


def test_old_groups_of_nobody_are_taken_away(tmp_path, monkeypatch):
    for name in ("intellyhub-7", "another-8"):
        (tmp_path / name).mkdir()
    groups.sweep({"memory": str(tmp_path)})
    assert (tmp_path / "intellyhub-7").exists()  # it is young
    monkeypatch.setattr(groups, "YOUNG_SECONDS", -1)
    groups.sweep({"memory": str(tmp_path)})
    assert [path.name for path in tmp_path.iterdir()] == ["another-8"]


def test_the_limits_of_a_group_are_written_for_either_version(tmp_path):
    for version, name in (("one", "memory.limit_in_bytes"), ("two", "memory.max")):
        group = tmp_path / version / "intellyhub-7"
        group.mkdir(parents=True)
        for file in (name, "pids.max", "memory.swap.max", "memory.memsw.limit_in_bytes"):
            (group / file).touch()
        folders = {"memory": str(group.parent), "pids": str(group.parent)}
        groups.limit_group(folders, 7, memory_bytes=1 << 20, processes=5)
        assert (group / name).read_text() == "1048576"
        assert (group / "pids.max").read_text() == "5"
