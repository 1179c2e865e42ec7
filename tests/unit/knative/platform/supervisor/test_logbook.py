"""The one log stream."""

from datetime import UTC, datetime

from intellyhub_knative.platform.supervisor.logbook import Level, Line, LineReader, Logbook

NOON = datetime(2026, 1, 2, 12, 0, 0, 5000, UTC)


def read(*parts):
    reader = LineReader("broker", lambda: NOON)
    return [(line.level.value, line.message) for part in parts for line in reader.feed(part)]


def test_a_line_says_its_level_and_may_come_in_parts():
    assert read(b"INFO one\nWARN", b"ING two\nERROR th", b"ree", b"") == [
        ("info", "one"),
        ("warning", "two"),
        ("error", "three"),
    ]


def test_a_line_without_a_level_continues_the_one_before():
    assert read(b"ERROR it failed\n  at the door\n\nINFO well\n") == [
        ("error", "it failed"),
        ("error", "  at the door"),
        ("info", "well"),
    ]


def test_a_traceback_that_nobody_caught_is_an_error():
    levels = [level for level, _ in read(b"INFO fine\nTraceback (most recent call last):\n  File x\nValueError: y\n")]
    assert levels == ["info", "error", "error", "error"]


def test_a_line_that_never_ends_is_cut_once():
    parts = [b"INFO " + b"x" * 20_000, b"y" * 200_000, b"z\nINFO next\n"]
    lines = read(*parts)
    assert len(lines) == 2
    assert len(lines[0][1]) < 17_000
    assert lines[1] == ("info", "next")


def test_bytes_that_are_no_text_are_shown_as_such():
    assert read(b"INFO \xff\n") == [("info", "\ufffd")]


def test_lines_are_kept_with_time_process_and_level(tmp_path):
    shown: list[Line] = []
    logbook = Logbook(tmp_path / "logs" / "platform.log", shown.append)
    logbook.write(Line(NOON, "broker", Level.WARNING, "slow"))
    logbook.close()
    assert (tmp_path / "logs" / "platform.log").read_text() == "2026-01-02T12:00:00.005Z broker warning slow\n"
    assert shown == [Line(NOON, "broker", Level.WARNING, "slow")]


def test_the_file_is_rotated_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr("intellyhub_knative.platform.supervisor.logbook.MAX_FILE_BYTES", 1000)
    logbook = Logbook(tmp_path / "platform.log", lambda line: None)
    for number in range(100):
        logbook.note(f"line {number} " + "x" * 50)
    logbook.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["platform.log", *(f"platform.log.{number}" for number in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_a_full_disk_is_told_once_and_stops_nothing(tmp_path):
    shown: list[Line] = []
    (tmp_path / "platform.log").symlink_to("/dev/full")
    logbook = Logbook(tmp_path / "platform.log", shown.append)
    logbook.note("one\ntwo")
    logbook.close()
    messages = [line.message for line in shown]
    assert messages[0] == "one"
    assert messages[2:] == ["two"]
    assert "No space left" in messages[1]
