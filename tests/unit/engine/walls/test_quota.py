"""How much a workspace holds."""

import os
import subprocess
import sys

import pytest

from intellyhub_engine.walls.quota import LEAST_BYTES, measure, stop_writing

LARGE = 1 << 40


def test_an_empty_workspace_holds_nothing(tmp_path):
    assert measure(tmp_path, LARGE) == 0
    assert measure(tmp_path / "absent", LARGE) == 0


def test_files_count_what_they_take_on_the_disk_and_empty_ones_too(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "empty").touch()
    assert measure(tmp_path, LARGE) == 2 * LEAST_BYTES
    (tmp_path / "large").write_bytes(os.urandom(1 << 20))
    assert measure(tmp_path, LARGE) >= (1 << 20)


def test_links_are_not_followed(tmp_path):
    (tmp_path / "out").symlink_to("/usr")
    (tmp_path / "round").symlink_to(tmp_path)
    assert measure(tmp_path, LARGE) == 2 * LEAST_BYTES


def test_counting_ends_above_the_limit(tmp_path):
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert measure(tmp_path, 10 * LEAST_BYTES) == 11 * LEAST_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_who_may_not_write_any_more_can_still_delete(tmp_path):
    (tmp_path / "kept").touch()
    code = "input(); __import__('os').unlink('kept'); open('more', 'wb', 0).write(b'x')"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdin=-1, stderr=-1, text=True) as process:
        stop_writing(process.pid)
        assert "File too large" in process.communicate("\n")[1]
    assert not (tmp_path / "kept").exists()
