"""Facts about the machine."""

from pathlib import Path

from tests.benchmarks.facts import find_cpu_model, find_filesystem, find_memory, find_versions, make_load

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:26 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1024k
31 21 254:1 / /data rw shared:3 master:1 - xfs /dev/vdb rw
"""


def test_the_processor_is_named_as_the_kernel_names_it():
    assert find_cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: a b\n") == "Some CPU @ 2 GHz"


def test_without_a_name_the_architecture_stands_in():
    assert find_cpu_model("") != ""


def test_memory_is_given_in_gib():
    assert find_memory("MemTotal:       16303412 kB\nMemFree: 1 kB\n") == "16 GiB"


def test_a_busy_machine_is_said_to_be_one():
    assert make_load(0.3, 2) == "0.3"
    assert "not a quiet machine" in make_load(0.6, 2)


def test_a_folder_lies_on_the_deepest_mount_above_it():
    assert find_filesystem(MOUNTS, Path("/tmp/x")) == "tmpfs"
    assert find_filesystem(MOUNTS, Path("/data/runs")) == "xfs"
    assert find_filesystem(MOUNTS, Path("/database")) == "ext4"


def test_a_missing_peer_is_named_as_missing():
    assert find_versions(["no-such-distribution"]) == {"no-such-distribution": "not installed"}
