"""Limits of control groups, where the machine lets them be made."""

from pathlib import Path

import pytest

from intellyhub_engine.walls.groups import find_folders, limit_group, name_group

NUMBER = 1 << 30
"""No process has such a number."""


@pytest.fixture
def folders():
    found = {name: folder for name, folder in find_folders().items() if name == "memory"}
    if not found:
        pytest.skip("no group that limits memory can be made here")
    group = Path(name_group(found["memory"], NUMBER))
    group.mkdir()
    yield found
    group.rmdir()


def test_a_limit_is_raised_and_lowered(folders):
    for size in (1 << 30, 2 << 30, 1 << 28):
        limit_group(folders, NUMBER, memory_bytes=size, processes=10)
