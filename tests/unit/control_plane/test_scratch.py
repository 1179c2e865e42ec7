"""Where the control plane's processes share what is mapped into memory."""

import os

from intellyhub_control_plane.scratch import empty_scratch, remove_scratch


def test_it_is_in_memory_the_same_at_each_start_and_empty(tmp_path):
    memory, data = tmp_path / "memory", tmp_path / "data"
    memory.mkdir()
    folder = empty_scratch(data, memory)
    (folder / "left.db").write_text("x")
    assert folder.parent == memory
    assert empty_scratch(data, memory) == folder
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700
    assert empty_scratch(tmp_path / "other", memory) != folder


def test_it_is_given_back_by_the_process_that_made_it_only(tmp_path):
    folder = empty_scratch(tmp_path / "data", tmp_path)
    remove_scratch(folder, os.getpid() + 1)
    assert folder.is_dir()
    remove_scratch(folder, os.getpid())
    assert not folder.exists()


def test_without_memory_or_with_somebody_elses_name_there_it_is_in_the_data_folder(tmp_path):
    memory, data = tmp_path / "memory", tmp_path / "data"
    inside = data / "run" / "metrics-control"
    assert empty_scratch(data, memory) == inside
    memory.mkdir()
    name = empty_scratch(data, memory)
    name.rmdir()
    name.symlink_to(tmp_path)
    assert empty_scratch(data, memory) == inside
    assert name.is_symlink()
