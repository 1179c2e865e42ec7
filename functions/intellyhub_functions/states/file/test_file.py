"""The file state on a real file system."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record, TextRecord
from intellyhub_functions.files.paths import place
from intellyhub_functions.files.storage import append_once, write_whole
from intellyhub_functions.states.file import file as file_state
from intellyhub_functions.states.file.file import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import configured, make_step


@pytest.fixture
def step(tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return make_step(workspace)


def test_writing_makes_the_folders_above(step):
    assert perform({"action": "write", "path": "a/b/c.txt", "content": "hello\n"}, step) == "a/b/c.txt"
    assert (step.workspace / "a/b/c.txt").read_text() == "hello\n"


def test_lists_and_mappings_are_written_as_json(step):
    content = Record(when=datetime(2025, 1, 2, tzinfo=UTC), items=[1, {"à": None}])
    perform({"action": "write", "path": "x.json", "content": content}, step)
    assert json.loads((step.workspace / "x.json").read_text()) == {
        "when": "2025-01-02 00:00:00+00:00",
        "items": [1, {"à": None}],
    }


def test_a_text_record_is_written_as_its_text(step):
    perform({"action": "write", "path": "x.txt", "content": TextRecord({"response": "said"})}, step)
    assert (step.workspace / "x.txt").read_text() == "said"


def test_reading_gives_text_json_or_bytes(step):
    (step.workspace / "x.json").write_bytes(b'{"a": 1}')
    assert perform({"action": "read", "path": "x.json"}, step) == '{"a": 1}'
    assert perform({"action": "read", "path": "x.json", "format": "json"}, step) == {"a": 1}
    assert perform({"action": "read", "path": "x.json", "format": "bytes"}, step) == b'{"a": 1}'


def test_what_is_not_text_is_named(step):
    (step.workspace / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(PermanentError, match="x is not text in utf-8; `format: bytes`"):
        perform({"action": "read", "path": "x"}, step)


def test_a_file_above_the_limit_is_not_read(step):
    (step.workspace / "x").write_bytes(b"12345")
    with pytest.raises(PermanentError, match="x is larger than 4 bytes"):
        perform({"action": "read", "path": "x", "max_bytes": 4}, step)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret", "link/secret"])
def test_no_path_leads_out_of_the_workspace(step, path):
    (step.workspace / "link").symlink_to(step.workspace.parent)
    (step.workspace.parent / "secret").write_text("x")
    for action in ("read", "write", "delete", "list"):
        with pytest.raises(PermanentError, match="outside the workspace"):
            perform({"action": action, "path": path, "content": "y"}, step)
    assert (step.workspace.parent / "secret").read_text() == "x"


def test_a_named_root_may_be_used_beside_the_workspace(step, tmp_path):
    with configured(INTELLYHUB_FILE_ROOTS=str(tmp_path / "shared")):
        written = perform({"action": "write", "path": str(tmp_path / "shared/x"), "content": "y"}, step)
    assert written == str(tmp_path / "shared/x")


def test_appending_adds_to_the_end(step, tmp_path):
    perform({"action": "append", "path": "log.txt", "content": "a\n"}, step)
    perform({"action": "append", "path": "log.txt", "content": "b\n"}, make_step(step.workspace, seq=2))
    assert (step.workspace / "log.txt").read_text() == "a\nb\n"


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system keeps no file attributes")
def test_a_repeated_append_adds_nothing_twice_and_completes_what_was_begun(tmp_path):
    path = tmp_path / "log.txt"
    append_once(path, b"first\n", "run-1/1")
    append_once(path, b"first\n", "run-1/1")
    assert path.read_bytes() == b"first\n"
    append_once(path, b"second\n", "run-1/2")
    os.truncate(path, 9)  # the crash came in the middle of the append
    append_once(path, b"second\n", "run-1/2")
    assert path.read_bytes() == b"first\nsecond\n"


def test_a_repeated_append_never_loses_what_others_added(tmp_path):
    path = tmp_path / "log.txt"
    append_once(path, b"mine\n", "run-1/1")
    with path.open("ab") as file:
        file.write(b"theirs\n")
    append_once(path, b"mine\n", "run-1/1")
    assert b"theirs\n" in path.read_bytes()


def test_moving_replaces_and_can_be_repeated(step):
    (step.workspace / "a").write_text("x")
    parameters = {"action": "move", "path": "a", "destination": "done/b"}
    assert perform(parameters, step) == "done/b"
    assert perform(parameters, step) == "done/b"
    assert (step.workspace / "done/b").read_text() == "x"
    assert perform({"action": "exists", "path": "a"}, step) is False


def test_copying_into_a_folder_keeps_the_name(step):
    (step.workspace / "a").write_text("x")
    assert perform({"action": "copy", "path": "a", "destination": "kept/"}, step) == "kept/a"
    assert perform({"action": "exists", "path": "a"}, step) is True


def test_deleting_what_is_gone_succeeds(step):
    (step.workspace / "a").write_text("x")
    for _ in range(2):
        assert perform({"action": "delete", "path": "a"}, step) == "a"


def test_listing_gives_a_folder_or_what_fits_a_pattern(step):
    for name in ("b.csv", "a.csv", "c.txt", ".hidden"):
        (step.workspace / name).write_text("")
    (step.workspace / "sub").mkdir()
    assert perform({"action": "list", "path": "."}, step) == ["a.csv", "b.csv", "c.txt", "sub/"]
    assert perform({"action": "list", "path": "*.csv"}, step) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"action": "read", "path": "none"}, "none: no such file"),
        ({"action": "write", "path": "x"}, "content is missing"),
        ({"action": "move", "path": "x"}, "destination is missing"),
        ({"action": "read", "path": " "}, "the path is empty"),
        ({"action": "read", "path": "a\0b"}, "null character"),
        ({"action": "read", "path": "."}, "is a directory"),
    ],
)
def test_what_cannot_be_done_is_said(step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform(parameters, step)


def test_a_full_disk_may_have_room_again(step, monkeypatch):
    def refuse(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_state, "write_whole", refuse)
    with pytest.raises(RetryableError, match="no room on the disk"):
        perform({"action": "write", "path": "x", "content": "y"}, step)


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_whole(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("action", ["read", "append", "copy"])
def test_a_pipe_in_the_workspace_is_refused_and_does_not_hang(step, action):
    os.mkfifo(step.workspace / "pipe")
    with pytest.raises(PermanentError):
        perform({"action": action, "path": "pipe", "content": "x", "destination": "copied"}, step)


@pytest.mark.parametrize("action", ["read", "write", "append", "copy"])
def test_what_was_replaced_after_the_look_is_neither_read_nor_written(step, monkeypatch, action):
    (step.workspace / "folder").mkdir()
    outside = step.workspace.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")

    def place_then_replace(written, workspace):
        found = place(written, workspace)
        if found.parent.name == "folder":
            (step.workspace / "folder").rmdir()
            (step.workspace / "folder").symlink_to(outside)
        return found

    monkeypatch.setattr(file_state, "place", place_then_replace)
    with pytest.raises(PermanentError, match="not a directory"):
        perform({"action": action, "path": "folder/secret", "content": "x", "destination": "copied"}, step)
    assert [path.read_text() for path in outside.iterdir()] == ["secret"]


@pytest.mark.parametrize("encoding", ["undefined", "rot13", "a\0b"])
def test_a_codec_that_is_no_encoding_is_a_failure_with_words(step, encoding):
    for parameters in ({"action": "write", "content": "a"}, {"action": "read", "path": "kept"}):
        (step.workspace / "kept").write_text("a")
        with pytest.raises(PermanentError):
            perform({"path": "made", **parameters, "encoding": encoding}, step)


def test_the_example_keeps_a_report(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert (tmp_path / "reports" / "log.txt").read_text() == "3 paid, 1 open\n"
