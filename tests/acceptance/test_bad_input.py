"""No traceback ever reaches a user: every bad input gets one message with its place, the remedy, and an exit code."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("intellyhub")
GOOD = "states:\n  start: {state_type: set, values: {x: 1}, log: 'x is {x}'}\n"
CYCLE = """
states:
  a: {state_type: set, values: {x: 1}, transition: b}
  b: {state_type: set, values: {y: 2}, transition: a}
"""
ENDLESS = """
states:
  a: {state_type: set, values: {x: "{x} + 1"}, transition: b}
  b: {state_type: if, condition: "x != ''", true_transition: a, false_transition: end}
variables: {x: 1}
"""
BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def call(tmp_path):
    """Calls the command in an empty folder, with a state folder of its own."""
    state = tmp_path / "state"

    def call_with(*arguments, stdin=b"", env=None, **options):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(state), **(env or {})}
        return subprocess.run(
            [COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            timeout=50,
            **options,
        )

    return call_with


@pytest.fixture
def write(tmp_path):
    """Writes a file into the folder."""

    def write_to(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write_to


def assert_refused(done, code, *words):
    """One message on standard error, nothing on standard output."""
    told = done.stderr.decode()
    assert "Traceback" not in told + done.stdout.decode(errors="replace")
    assert done.returncode == code, told
    for word in words:
        assert word in told, told
    assert len(told) < 5000
    assert done.stdout == b""


FLOWS = {
    "broken YAML": ("states:\n  a: [1, 2\n", ["f.yaml:", "yaml-syntax"]),
    "indented under its name": ("name: x\n  states:\n    a: {state_type: end}\n", ["f.yaml:2:3", "indent"]),
    "a tab": ("states:\n\ta: {state_type: end}\n", ["f.yaml:2:", "tab"]),
    "a list": ("- a\n- b\n", ["f.yaml:1:1", "states"]),
    "nothing": ("", ["f.yaml:1:1", "empty"]),
    "no states": ("name: x\n", ["f.yaml", "states"]),
    "states of the wrong type": ("states: 7\n", ["f.yaml:1:9", "states"]),
    "a parameter of the wrong type": (
        "max_steps: many\nstates: {a: {state_type: end}}\n",
        ["f.yaml:1:12", "max_steps"],
    ),
    "an unknown state type": (
        "states:\n  a: {state_type: comand, command: ls}\n",
        ["f.yaml:2:19", "comand", "did you mean"],
    ),
    "a YAML bomb": (BOMB + "states: *i\n", ["f.yaml:", "too-many-nodes"]),
    "nested beyond reason": ("states: " + "[" * 5000 + "]" * 5000, ["f.yaml:1:", "too-deep"]),
    "a binary file": (b"\x7fELF\x02\x01\x01\x00\x00\xff\xfe" * 50, ["f.yaml:1:", "not-text"]),
    "another encoding": ("name: perché\n".encode("latin-1") + GOOD.encode(), ["f.yaml:1:12", "UTF-8"]),
    "a python tag": ("states: !!python/object/apply:os.system ['true']\n", ["f.yaml:1:9", "tag"]),
    "two states of one name": ("states:\n  a: {state_type: end}\n  a: {state_type: end}\n", ["f.yaml:3:3", "twice"]),
    "a value of 50 MB": ("variables: {x: '" + "x" * 50_000_000 + "'}\n" + GOOD, ["f.yaml", "larger than 2 MB"]),
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_that_cannot_run_is_refused_with_its_place(call, write, name):
    content, words = FLOWS[name]
    done = call("run", write("f.yaml", content))
    assert_refused(done, 2, *words)


@pytest.mark.parametrize("name", FLOWS)
def test_check_says_the_same_and_exits_with_2(call, write, name):
    content, words = FLOWS[name]
    done = call("check", write("f.yaml", content))
    assert done.returncode == 2
    assert "Traceback" not in done.stdout.decode() + done.stderr.decode()
    for word in words:
        assert word in done.stdout.decode()


def test_all_faults_come_at_once(call, write):
    text = "max_steps: many\nstates:\n  a: {state_type: comand}\n  b: {state_type: if, condition: '1 +'}\n"
    done = call("check", write("f.yaml", text), "--json")
    assert {problem["line"] for problem in json.loads(done.stdout)["problems"]} >= {1, 3, 4}


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("missing.yaml", ["missing.yaml", "no such file"]),
        ("fold", ["fold", "no such file", "did you mean folder"]),
        ("folder", ["folder", "is a folder"]),
        ("/dev/zero", ["/dev/zero", "larger than"]),
        ("a\nb", ["no such file"]),
        ("x" * 5000, ["cannot be read", "name too long"]),
    ],
)
def test_what_is_not_a_flow_file_is_named(call, tmp_path, flow, words):
    (tmp_path / "folder").mkdir()
    assert_refused(call("run", flow), 2, *words)


def test_a_file_nobody_may_read_is_named(call, write, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    (tmp_path / write("f.yaml", GOOD)).chmod(0)
    assert_refused(call("run", "f.yaml"), 2, "f.yaml", "may not be read")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--var", "novalue"], ["--var", "NAME=VALUE"]),
        (["--var", "a b=1"], ["--var", "NAME=VALUE"]),
        (["--max-steps", "0"], ["--max-steps"]),
        (["--max-stepz", "3"], ["--max-stepz", "--max-steps"]),
        (["--event", "no.json"], ["no.json", "no such file"]),
        (["--event", "bad.json"], ["bad.json:2:1", "not JSON"]),
        (["--event", "bad-event.json"], ["bad-event.json", "'id' is missing"]),
        (["--env-file", "bad.env"], ["bad.env:2", "NAME=VALUE"]),
        (["--env-file", "no.env"], ["no.env", "no such file"]),
        (["--listen"], ["no listener"]),
        (["--listener", "url=x"], ["no listener"]),
        (["--listen", "--event", "bad.json"], ["--event", "--listen"]),
        (["--max-events", "3"], ["--listen"]),
        (["extra"], ["extra"]),
    ],
)
def test_a_bad_flag_is_named_with_its_remedy(call, write, arguments, words):
    write("bad.json", "{\n]")
    write("bad-event.json", '{"specversion": "1.0"}')
    write("bad.env", "A=1\nsecret\n")
    assert_refused(call("run", write("f.yaml", GOOD), *arguments), 2, *words)


def test_an_unknown_command_is_told_its_neighbour(call):
    assert_refused(call("chek"), 2, "chek", "check")


def test_an_event_of_50_mb_is_refused(call, write):
    event = write("e.json", b'{"x": "' + b"x" * 50_000_000 + b'"}')
    assert_refused(call("run", write("f.yaml", GOOD), "--event", event), 2, "e.json", "16 MB")


def test_a_value_of_50_mb_made_by_the_flow_fails_the_run_and_not_the_process(call, write):
    flow = "states:\n  a: {state_type: set, values: {x: \"{'x' * 50000000}\"}}\n  b: {state_type: end}\n"
    done = call("run", write("f.yaml", flow))
    assert "Traceback" not in done.stderr.decode()
    assert done.returncode in (0, 1, 2), done.stderr.decode()
    assert len(done.stdout) + len(done.stderr) < 100_000


def test_a_flow_that_never_ends_is_stopped_and_says_how_to_allow_more(call, write):
    done = call("run", write("f.yaml", ENDLESS), "--max-steps", "30", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert len(answer["steps"]) == 30
    assert "30" in answer["error"]
    assert "max_steps" in answer["error"]


def test_a_cycle_that_cannot_end_is_found_before_it_runs(call, write):
    done = call("check", write("f.yaml", CYCLE))
    assert "endless-loop" in done.stdout.decode()


def test_a_journal_in_a_folder_that_cannot_be_made_is_told_with_the_remedy(call, write):
    done = call("run", write("f.yaml", GOOD), env={"XDG_STATE_HOME": "/proc/nowhere"})
    assert_refused(done, 73, "/proc/nowhere", "--journal")


@pytest.mark.parametrize("journal", ["/proc/x.db", "missing/folder/j.db", "."])
def test_an_unwritable_journal_is_told_with_the_remedy(call, write, journal):
    assert_refused(call("run", write("f.yaml", GOOD), "--journal", journal), 73, journal, "--journal")


def test_a_foreign_file_as_journal_is_refused_and_left_alone(call, write, tmp_path):
    write("notes.txt", "this is not a database, and it is longer than a header of SQLite needs to be\n" * 50)
    before = (tmp_path / "notes.txt").read_bytes()
    assert_refused(call("run", write("f.yaml", GOOD), "--journal", "notes.txt"), 73, "notes.txt")
    assert (tmp_path / "notes.txt").read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(call, write, tmp_path):
    import sqlite3

    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("create table precious (x)")
    connection.execute("insert into precious values (1)")
    connection.commit()
    connection.close()
    assert_refused(call("run", write("f.yaml", GOOD), "--journal", "other.db"), 73, "other.db")
    connection = sqlite3.connect(tmp_path / "other.db")
    assert connection.execute("select name from sqlite_master").fetchall() == [("precious",)]
    connection.close()


@pytest.mark.parametrize("command", [["runs"], ["runs", "show", "x"], ["resume"], ["replay", "x"], ["fork", "x", "1"]])
def test_looking_into_a_journal_that_is_not_there_makes_none(call, command, tmp_path):
    assert_refused(call(*command, "--journal", "j.db"), 2, "j.db", "no journal")
    assert not (tmp_path / "j.db").exists()


@pytest.mark.parametrize("command", [["runs", "show"], ["resume"], ["replay"], ["runs", "cancel"]])
def test_an_unknown_run_has_its_own_exit_code(call, write, command):
    assert call("run", write("f.yaml", GOOD)).returncode == 0
    assert_refused(call(*command, "nosuchrun"), 66, "nosuchrun", "intellyhub runs")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True)
    if made.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(path):
    with path.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 1024)


def test_a_full_disk_is_told_and_what_was_kept_stays(call, write, small_disk):
    journal = small_disk / "j.db"
    first = call("run", write("f.yaml", GOOD), "--journal", journal, "--json")
    assert first.returncode == 0, first.stderr.decode()
    with pytest.raises(OSError, match="No space"):
        fill(small_disk / "filler")
    event = write("e.json", json.dumps({"x": "y" * 200_000}))
    assert_refused(call("run", "f.yaml", "--event", event, "--journal", journal), 74, "room")
    (small_disk / "filler").unlink()
    listed = call("runs", "--journal", journal, "--json")
    assert [row["run_id"] for row in json.loads(listed.stdout)] == [json.loads(first.stdout)["run_id"]]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_told(write, tmp_path, unbuffered):
    write("f.yaml", GOOD)
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, "check", "f.yaml"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment,
            timeout=50,
        )
    assert (done.returncode, b"Traceback" in done.stderr) == (74, False)


def test_a_reader_that_went_away_does_not_stop_the_run(write, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    flow = """
states:
  a: {state_type: set, values: {x: 1}, log: one line, transition: b}
  b: {state_type: file, action: write, path: done.txt, content: done}
"""
    write("f.yaml", flow)
    done = subprocess.run(
        [COMMAND, "run", "f.yaml", "--journal", "none"], stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path, timeout=50
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "done.txt").exists()


def test_closed_standard_descriptors_do_no_harm(write, tmp_path):
    write("f.yaml", GOOD)
    line = f"exec '{COMMAND}' run f.yaml --journal j.db <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, timeout=50).returncode == 0
    listed = subprocess.run([COMMAND, "runs", "--journal", "j.db"], cwd=tmp_path, capture_output=True, timeout=50)
    assert listed.stdout.count(b"succeeded") == 1


def test_a_terminal_without_utf_8_gets_other_characters(call, write):
    flow = write("f.yaml", "states:\n  a: {state_type: set, values: {x: 1}, log: 'perché 🔔'}\n")
    done = call("run", flow, "--verbose", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"perch? ?" in done.stdout


def test_control_characters_of_an_event_never_reach_the_terminal(call, write):
    flow = write("f.yaml", "states:\n  a: {state_type: set, values: {x: 1}, log: '{event.title}'}\n")
    done = call("run", flow, "--event", "-", stdin=b'{"title": "a\\u001b[2Jb"}')
    assert (done.returncode, b"\x1b" in done.stdout) == (0, False)
    assert b"a\\x1b[2Jb" in done.stdout


def test_ctrl_c_cancels_the_run_in_order(write, tmp_path):
    flow = "states:\n  a: {state_type: command, command: 'touch began; sleep 30'}\n"
    write("f.yaml", flow)
    process = subprocess.Popen(
        [COMMAND, "run", "f.yaml", "--journal", "j.db", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "began").exists():
        assert time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, b"Traceback" in err) == (130, False)
    assert json.loads(out)["status"] == "cancelled"


def test_debug_shows_where_a_fault_is_raised(call):
    done = call("run", "missing.yaml", "--debug")
    assert done.returncode == 2
    assert b"Traceback" in done.stderr
