"""A worker behind walls for every test here, in each of the ways that a platform can be started."""

import os
import subprocess
import sys

import pytest

from tests.integration.walls.prison import Prison

KINDS = ("root", "settled", "user", "rootless", "container")
IS_ROOT = sys.platform == "linux" and os.geteuid() == 0
collect_ignore_glob = [] if sys.platform == "linux" else ["test_*"]  # walls are built from what Linux offers


def allows_namespaces():
    """Whether a process of this user may leave its user namespace, as far as `unshare` of util-linux can tell."""
    return subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode == 0


@pytest.fixture(scope="module", params=KINDS)
def prison(request):
    if request.param in ("root", "settled") and not IS_ROOT:
        pytest.skip("needs root")
    if request.param in ("user", "rootless") and not allows_namespaces():
        pytest.skip("this machine refuses namespaces to ordinary users")
    held = Prison(request.param)
    yield held
    held.close()
