"""Where sources keep their place: durable, one file per key, clear about what is wrong."""

import errno
import os

import pytest

from intellyhub_engine.errors import JournalError, JournalFull, JournalUnwritable
from intellyhub_engine.journal.cursors import FileCursors


def test_what_was_put_is_there_for_the_next_process(tmp_path):
    FileCursors(tmp_path / "cursors").put("rss https://e.org/feed", {"seen": ["a", "b"]})
    assert FileCursors(tmp_path / "cursors").get("rss https://e.org/feed") == {"seen": ["a", "b"]}


def test_a_key_that_was_never_put_is_none(tmp_path):
    assert FileCursors(tmp_path).get("x") is None


def test_keys_that_look_alike_are_kept_apart(tmp_path):
    cursors = FileCursors(tmp_path)
    cursors.put("a/b", 1)
    cursors.put("a b", 2)
    assert (cursors.get("a/b"), cursors.get("a b")) == (1, 2)


def test_a_damaged_cursor_names_its_file_and_the_remedy(tmp_path):
    cursors = FileCursors(tmp_path)
    cursors.put("x", 1)
    next(tmp_path.iterdir()).write_text("{")
    with pytest.raises(JournalError, match="remove it to start over"):
        cursors.get("x")


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, JournalFull), (errno.EROFS, JournalUnwritable)])
def test_a_failed_write_keeps_the_old_place(tmp_path, monkeypatch, number, error):
    cursors = FileCursors(tmp_path)
    cursors.put("x", 1)

    def fail(handle):
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error, match="cannot be written"):
        cursors.put("x", 2)
    monkeypatch.undo()
    assert cursors.get("x") == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_the_folder_and_its_files_are_their_owners_only(tmp_path):
    cursors = FileCursors(tmp_path / "made")
    cursors.put("place", 1)
    found = [tmp_path / "made", *(tmp_path / "made").iterdir()]
    assert [path.stat().st_mode & 0o077 for path in found] == [0, 0]
