"""Whose the data folder is, and that one platform works on it."""

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.supervisor import folder
from intellyhub_knative.platform.supervisor.folder import FolderInUse, hold_folder

ADDRESS = "http://127.0.0.1:5000"
HOLDER = """
import os, sys, time
from pathlib import Path
from intellyhub_knative.platform.supervisor.folder import hold_folder
with hold_folder(Path(sys.argv[1]), address="http://127.0.0.1:1") as hold:
    if len(sys.argv) > 2:  # leave a child that has the lock, and be gone
        parent = os.getpid()
        if os.fork():
            os._exit(0)
        os.close(hold.lock)
        while os.getppid() == parent:  # its descriptors are closed before its children get another parent
            time.sleep(0.01)
        os.write(1, b"held\\n")
        sys.stdin.read()
        os._exit(0)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data(tmp_path):
    return tmp_path / "a folder with blanks"


@pytest.fixture
def hold_elsewhere(data):
    held: list[Any] = []

    def hold(*arguments):
        process: Any = subprocess.Popen(
            [sys.executable, "-c", HOLDER, data, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        held.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in held:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_new_folder_is_for_its_owner_only(data):
    with hold_folder(data, address=ADDRESS) as hold:
        assert hold.layout.data == data
        assert (mode(data), (data / "version").read_text()) == (0o700, "1\n")


def test_a_folder_that_others_may_read_is_closed(data):
    data.mkdir(mode=0o755)
    with hold_folder(data, address=ADDRESS):
        assert mode(data) == 0o700


def test_the_second_platform_is_told_who_the_first_one_is(data, hold_elsewhere):
    first = hold_elsewhere()
    with pytest.raises(FolderInUse) as caught, hold_folder(data, address=ADDRESS):
        pass
    assert (caught.value.pid, caught.value.address) == (first.pid, "http://127.0.0.1:1")
    assert f"process {first.pid}, http://127.0.0.1:1" in str(caught.value)


def test_a_folder_is_free_again_when_its_platform_ended(data):
    for _ in range(2):
        with hold_folder(data, address=ADDRESS):
            pass


def test_what_a_killed_supervisor_left_behind_is_waited_for(data, hold_elsewhere, monkeypatch):
    child_of_nobody = hold_elsewhere("orphan")
    monkeypatch.setattr(folder, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(FolderInUse, match="ended by force"), hold_folder(data, address=ADDRESS):
        pass
    monkeypatch.setattr(folder, "PATIENCE_SECONDS", 20.0)
    threading.Timer(0.1, child_of_nobody.stdin.close).start()
    with hold_folder(data, address=ADDRESS):
        pass


def test_a_folder_that_everyone_may_write_is_refused(data):
    data.mkdir()
    data.chmod(0o777)
    with pytest.raises(InputInvalid, match="everyone may write"), hold_folder(data, address=ADDRESS):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(data):
    data.mkdir()
    os.chown(data, 65_534, 65_534)
    with pytest.raises(InputInvalid, match="another user"), hold_folder(data, address=ADDRESS):
        pass


def test_a_folder_with_other_things_in_it_is_refused_and_left_as_it_is(data):
    data.mkdir(mode=0o755)
    (data / "letter.txt").touch()
    with pytest.raises(InputInvalid, match=r"not empty \(letter.txt\)"), hold_folder(data, address=ADDRESS):
        pass
    assert [path.name for path in data.iterdir()] == ["letter.txt"]


def test_a_file_is_no_folder(data):
    data.touch()
    with pytest.raises(InputInvalid, match="is a file"), hold_folder(data, address=ADDRESS):
        pass


@pytest.mark.parametrize(("written", "reason"), [("2\n", "newer IntellyHub"), ("x\n", "number of a format")])
def test_a_folder_of_a_newer_platform_is_refused(data, written, reason):
    with hold_folder(data, address=ADDRESS):
        pass
    (data / "version").write_text(written)
    with pytest.raises(InputInvalid, match=reason), hold_folder(data, address=ADDRESS):
        pass
    assert (data / "version").read_text() == written


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError), hold_folder(tmp_path / "data", address=ADDRESS):
            pass
    finally:
        tmp_path.chmod(0o700)
