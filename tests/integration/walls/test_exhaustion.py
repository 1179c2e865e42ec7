"""Nobody uses up the machine from within a worker, and the platform keeps hold of what it forks."""

import os
import select
from pathlib import Path

import pytest

from intellyhub_engine.walls.quota import measure, stop_writing
from tests.integration.walls.prison import Prison

pytestmark = pytest.mark.slow


def test_a_fork_bomb_ends_at_its_limit(prison):
    if not prison.walls["namespaces"]:
        pytest.skip("without namespaces the limit counts all processes of the user")
    code = """
import os, time, signal
made = []
try:
    while len(made) < 1000:
        child = os.fork()
        if child == 0:
            signal.pause()
        made.append(child)
except OSError as fault:
    print(len(made) < 128, fault.strerror)
for child in made:
    os.kill(child, 9)
"""
    assert prison.python(code).output == "True Resource temporarily unavailable\n"
    prison.shell(":() { : | : & }; :; sleep 0.2")
    prison.shell("kill -9 -1")
    assert prison.python("print('alive')").output == "alive\n"


@pytest.fixture(scope="module")
def narrow(prison):
    """The same with little memory."""
    held = Prison(prison.kind, memory_bytes=64 << 20)
    yield held
    held.close()


@pytest.mark.parametrize("way", ["bytearray(1 << 24)", "mmap.mmap(-1, 1 << 24)"], ids=["own", "shared"])
def test_memory_ends_at_its_limit(narrow, way):
    code = f"""
import mmap
held = []
while len(held) < 64:
    held.append({way})
    for at in range(0, 1 << 24, 1 << 20):
        held[-1][at:at + (1 << 20)] = bytes(range(256)) * 4096
print('all of it')
"""
    outcome = narrow.python(code)
    assert "all of it" not in outcome.output
    assert outcome.status == -9 or "MemoryError" in outcome.output or "Cannot allocate memory" in outcome.output
    assert narrow.python("print('alive')").output == "alive\n"


def test_descriptors_end_at_their_limit(prison):
    code = "import os\nheld = []\nwhile len(held) < 5000: held.append(os.open('/dev/null', 0))"
    assert "Too many open files" in prison.python(code).output


def test_the_memory_behind_tmp_ends_at_its_limit(prison):
    if not prison.walls["namespaces"]:
        assert "Permission denied" in prison.shell("echo x > /tmp/x").output
        pytest.skip("without namespaces there is no /tmp at all")
    assert "No space left" in prison.shell("dd if=/dev/zero of=/tmp/full bs=1M count=400; rm /tmp/full").output
    assert "No space left" in prison.shell("dd if=/dev/zero of=/dev/shm/full bs=1M count=400; rm /dev/shm/full").output


def test_a_file_ends_at_its_limit(prison):
    assert (
        "File too large"
        in prison.python("import os; os.truncate(os.open('big', os.O_CREAT | os.O_RDWR), (1 << 30) + 1)").output
    )


def test_what_is_missing_is_said(prison):
    words = "\n".join(prison.walls["missing"])
    assert ("Namespaces are refused" in words) == (not prison.walls["namespaces"]) == (prison.kind == "container")
    assert ("user id" in words) == (not prison.walls["users"])
    assert all(sentence.endswith(".") for sentence in prison.walls["missing"])


def test_who_is_above_its_quota_can_delete_but_not_write(prison):
    held = Prison(prison.kind)
    try:
        assert held.shell("echo x > kept").status == 0
        assert measure(Path(held.places["mine"]), 1 << 20) == 4096
        stop_writing(held.places["worker"])
        assert "File too large" in held.python("open('more', 'wb', 0).write(b'x')").output
        assert held.shell("echo x > more").status != 0
        assert held.shell("rm kept && echo gone").output == "gone\n"
    finally:
        held.close()


def test_a_worker_dies_with_its_platform_and_takes_its_children_with_it(prison):
    held = Prison(prison.kind)
    worker = held.places["worker"]
    try:
        handle = os.pidfd_open(worker)
        held.process.kill()
        assert select.select([handle], [], [], 10)[0]
        os.close(handle)
    finally:
        held.close()


def test_nothing_of_a_worker_is_left_behind(prison):
    held = Prison(prison.kind)
    groups = [f"{folder}/intellyhub-{held.places['worker']}" for folder in held.walls["cgroup"].values()]
    assert all(Path(group).exists() for group in groups)
    held.close()
    assert not any(Path(group).exists() for group in groups)
