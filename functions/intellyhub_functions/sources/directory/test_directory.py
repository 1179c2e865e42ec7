"""The directory source on real files."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import errno
import os
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import MemoryCursors
from intellyhub_functions.files.folders import opened
from intellyhub_functions.sources.directory import snapshot
from intellyhub_functions.sources.directory.directory import listen
from intellyhub_functions.sources.patterns import expand_braces, make_patterns
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, configured, make_context


def watch(tmp_path, cursors=None, **parameters):
    context = make_context(tmp_path, cursors=cursors, log=Log())
    return Listening(listen({"path": "inbox", "poll_interval": 0.02, **parameters}, context), context)


def ready(source):
    await_that(lambda: source.context.cursors.get(f"directory {source.context.workspace / 'inbox'}") is not None)


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def test_a_new_file_is_one_event(inbox, tmp_path):
    (inbox / "old.csv").write_text("x")
    with watch(tmp_path) as source:
        ready(source)
        (inbox / "sub").mkdir()
        (inbox / "sub/new.csv").write_text("abc")
        event = source.next()
    assert event.data["timestamp"] > 0
    assert {name: value for name, value in event.data.items() if name != "timestamp"} == {
        "event_type": "created",
        "file_path": "inbox/sub/new.csv",
        "file_name": "new.csv",
        "file_dir": "inbox/sub",
        "directory": "inbox/sub",
        "file_size": 3,
    }


def test_a_changed_and_a_deleted_file_are_events_when_asked_for(inbox, tmp_path):
    (inbox / "a").write_text("x")
    with watch(tmp_path, events=["modified", "deleted"]) as source:
        ready(source)
        (inbox / "a").write_text("longer")
        assert source.next().data["event_type"] == "modified"
        (inbox / "a").unlink()
        assert source.next().data["event_type"] == "deleted"


def test_what_came_while_nobody_listened_is_told_after_a_restart(inbox, tmp_path):
    cursors = MemoryCursors()
    (inbox / "a").write_text("x")
    with watch(tmp_path, cursors):
        await_that(lambda: cursors.kept)
    (inbox / "b").write_text("y")
    with watch(tmp_path, cursors) as source:
        assert source.next().data["file_name"] == "b"


def test_only_files_that_fit_the_patterns_are_told(inbox, tmp_path):
    with watch(tmp_path, file_patterns=["*.{csv,xlsx}", "!*.tmp.csv"], emit_existing=True) as source:
        for name in ("a.txt", "b.tmp.csv", "c.xlsx"):
            (inbox / name).write_text(name)
        assert source.next().data["file_name"] == "c.xlsx"


def test_a_link_is_not_followed(inbox, tmp_path):
    (tmp_path / "secret").write_text("x")
    (inbox / "link").symlink_to(tmp_path / "secret")
    (inbox / "plain").write_text("x")
    with watch(tmp_path, emit_existing=True) as source:
        assert source.next().data["file_name"] == "plain"


def test_a_folder_that_is_missing_is_waited_for(tmp_path):
    with watch(tmp_path, emit_existing=True) as source:
        await_that(lambda: "no such file" in source.context.log.text())
        (tmp_path / "inbox").mkdir()
        (tmp_path / "inbox/a").write_text("x")
        assert source.next().data["file_name"] == "a"


def test_a_folder_outside_the_workspace_is_refused(tmp_path):
    with pytest.raises(PermanentError, match="outside the workspace"):
        next(listen({"path": "/etc"}, make_context(tmp_path)))


def test_a_folder_that_the_installation_names_may_be_watched(tmp_path):
    folder = tmp_path / "shared/in"
    folder.mkdir(parents=True)
    with (
        configured(INTELLYHUB_DIRECTORIES=str(tmp_path / "shared")),
        watch(tmp_path / "workspace", path=str(folder), emit_existing=True) as source,
    ):
        (folder / "a").write_text("x")
        assert source.next().data["file_path"] == str(folder / "a")


def test_a_link_that_is_put_in_the_place_of_the_folder_leads_nowhere(inbox, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key").write_text("x")
    with watch(tmp_path, emit_existing=True) as source:
        ready(source)
        inbox.rmdir()
        inbox.symlink_to(tmp_path / "secrets")
        await_that(lambda: "directory listener: " in source.context.log.text())
        inbox.unlink()
        inbox.mkdir()
        (inbox / "mine").write_text("x")
        assert source.next().data["file_name"] == "mine"


def test_a_link_above_the_folder_leads_nowhere_either(tmp_path):
    (tmp_path / "real/inbox").mkdir(parents=True)
    (tmp_path / "over").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match=r"over|directory|loop"), opened(tmp_path / "over/inbox"):
        pass


def test_a_folder_that_holds_too_much_is_not_listened_to(inbox, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_FILES", 2)
    for name in "abc":
        (inbox / name).write_text("x")
    with watch(tmp_path) as source:
        await_that(lambda: "more than 2 files" in source.context.log.text())


def test_folders_are_looked_into_only_so_deep(inbox):
    deep = inbox
    for _ in range(60):
        deep = deep / "d"
        deep.mkdir()
        (deep / "f").write_text("x")
    found = snapshot.take_snapshot(inbox.resolve(), make_patterns(["*"], []), recursive=True)
    assert len(found) == snapshot.MAX_DEPTH


def test_a_folder_that_cannot_be_opened_now_does_not_count_as_empty(inbox, monkeypatch):
    (inbox / "sub").mkdir()
    (inbox / "sub/a").write_text("x")
    open_file = os.open

    def refuse(path, *arguments, **more):
        if path == "sub":
            raise OSError(errno.EMFILE, "Too many open files")
        return open_file(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many"):
        snapshot.take_snapshot(inbox.resolve(), make_patterns(["*"], []), recursive=True)


def test_an_unknown_kind_of_change_is_refused(tmp_path):
    with pytest.raises(PermanentError, match="known are created, deleted, modified"):
        next(listen({"events": ["renamed"]}, make_context(tmp_path)))


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [("a", ["a"]), ("*.{a,b}", ["*.a", "*.b"]), ("{a,{b,c}}x", ["ax", "bx", "ax", "cx"]), ("{a", ["{a"])],
)
def test_brace_sets_are_spelt_out(pattern, expanded):
    assert sorted(set(expand_braces(pattern))) == sorted(set(expanded))


@pytest.mark.parametrize(
    ("wanted", "path", "answer"),
    [
        (["*.py", "!test_*"], "src/a.py", True),
        (["*.py", "!test_*"], "src/test_a.py", False),
        (["src/*.py"], "src/a.py", True),
        (["src/*.py"], "lib/a.py", False),
        ("*.{jpg,png}, *.gif", "x.gif", True),
        ([], "anything", True),
        (["!*.tmp"], "x.tmp", False),
    ],
)
def test_patterns_decide_by_name_or_by_path(wanted, path, answer):
    assert make_patterns(wanted, []).fit(path) is answer


def test_a_pattern_that_stands_for_too_many_is_refused():
    with pytest.raises(PermanentError, match="more than 1000"):
        make_patterns(["{a,b}" * 12], [])


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert "{" not in (tmp_path / "seen.txt").read_text()
