"""The walls of a pod's worker, tried in processes of their own: they are for good."""

import json
import subprocess
import sys

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving import enclosing
from intellyhub_engine.serving.enclosing import close_in, enter, readable
from intellyhub_engine.serving.settings import Settings, read_settings
from intellyhub_engine.walls import landlock

NEEDS_LANDLOCK = pytest.mark.skipif(not landlock.find_version(), reason="this kernel has no Landlock")
TRY = """
import json, os, socket, subprocess, sys, threading
from intellyhub_engine.serving.enclosing import enter
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.walls import kernel

def attempt(call, *given):
    try:
        call(*given)
        return "done"
    except OSError as fault:
        return fault.strerror

def read(path):
    with open(path) as file:
        return file.read()

def write(path):
    with open(path, "w") as file:
        return file.write("x")

def bind(port):
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("127.0.0.1", port))

base, port, other = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
settings = Settings(flow=base + "/flow/flow.yaml", workspace=base + "/tmp/work", walls="best-effort", port=port,
                    readable=(base + "/layers",))
outside = enter(settings)
inner = {}
thread = threading.Thread(target=lambda: inner.update(thread=attempt(read, base + "/secret")))
thread.start(); thread.join()
child = subprocess.run(["/bin/cat", base + "/secret"], capture_output=True, text=True)
print(json.dumps({
    "flow": attempt(read, base + "/flow/flow.yaml"), "beside": attempt(read, base + "/flow/other"),
    "layer": attempt(read, base + "/layers/code"), "secret": attempt(read, base + "/secret"),
    "outside": outside.do(lambda: attempt(read, base + "/secret")), **inner, "child": child.returncode,
    "work": attempt(write, base + "/tmp/work/x"), "scratch": attempt(write, base + "/tmp/x"),
    "change": attempt(write, base + "/flow/flow.yaml"), "new": attempt(write, base + "/new"),
    "port": attempt(bind, port), "free": attempt(bind, 0), "other": attempt(bind, other),
    "namespace": attempt(kernel.unshare, 0x10000000),
}))
"""


def try_walls(tmp_path, ports):
    for name in ("flow", "tmp", "layers"):
        (tmp_path / name).mkdir()
    for name in ("flow/flow.yaml", "flow/other", "layers/code", "secret"):
        (tmp_path / name).write_text("x")
    command = [sys.executable, "-P", "-c", TRY, str(tmp_path), *map(str, ports)]
    environment = {"TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin:/bin", "PYTHONSAFEPATH": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@NEEDS_LANDLOCK
def test_files_ports_and_calls_that_are_not_the_flows_are_closed(tmp_path, free_ports):
    found = try_walls(tmp_path, free_ports)
    closed = {"secret", "thread", "change", "new"} | ({"other"} if landlock.find_version() >= 4 else set())
    assert {name: found.pop(name) for name in closed} == dict.fromkeys(closed, "Permission denied")
    assert found.pop("namespace").endswith("Operation not permitted")
    assert found.pop("child") == 1
    assert found.pop("other", "done") == "done"
    assert set(found.values()) == {"done"}, found


@pytest.fixture
def free_ports():
    from intellyhub_functions.testing.ports import free_port

    return free_port(), free_port()


def test_without_landlock_it_says_so_and_goes_on(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(enclosing, "build", lambda settings: ["The kernel has no Landlock."])
    assert close_in(Settings(walls="best-effort")) == ("The kernel has no Landlock.",)
    assert "The kernel has no Landlock." in caplog.text


def test_where_walls_are_required_a_missing_one_is_a_fault(monkeypatch):
    monkeypatch.setattr(enclosing, "build", lambda settings: ["The kernel has no Landlock."])
    with pytest.raises(InputInvalid, match="no Landlock"):
        close_in(Settings(walls="require"))


def test_what_is_missing_is_told_for_each_wall(monkeypatch):
    from intellyhub_engine.walls import seccomp

    monkeypatch.setattr(landlock, "find_version", lambda: 0)
    monkeypatch.setattr(seccomp, "PROCESSORS", {})
    assert len([*enclosing.close_files(Settings()), *enclosing.close_calls()]) == 2


def test_nobody_is_closed_in_on_a_laptop():
    assert enter(Settings()) is None


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, "none"),
        ({"K_REVISION": "orders-00001"}, "best-effort"),
        ({"K_REVISION": "orders-00001", "INTELLYHUB_WALLS": "none"}, "none"),
        ({"INTELLYHUB_WALLS": "require"}, "require"),
    ],
)
def test_walls_are_wanted_in_pods_of_knative(environment, wanted):
    assert read_settings({"INTELLYHUB_AUTH": "none"} | environment).wanted_walls == wanted


def test_the_root_folder_is_never_readable(monkeypatch):
    monkeypatch.setattr(sys, "path", ["", "/", "/somewhere"])
    assert "/" not in enclosing.present(readable(Settings(flow="/flow.yaml")))
