"""A lock names exact versions and hashes, and nothing of the machine that wrote it."""

import re

import pytest

from tests.conventions.house import LOCKS, NODE_LOCK, text

ADDRESS = re.compile(r"\w://|--(?:extra-)?index-url|--find-links|--trusted-host| @ |(?:^|\s)-e |(?:^|[\s=])/\w")


@pytest.mark.parametrize("lock", [*LOCKS, NODE_LOCK])
def test_a_lock_holds_no_address_and_no_path(lock):
    assert [line for line in text(lock).splitlines() if ADDRESS.search(line)] == []


@pytest.mark.parametrize("lock", [*LOCKS, NODE_LOCK])
def test_every_requirement_of_a_lock_is_exact_and_hashed(lock):
    found = requirements(lock)
    assert found
    assert [name for name, entry in found.items() if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(("small", "large"), [LOCKS[:2], LOCKS[1:]])
def test_a_larger_lock_holds_the_smaller_one_with_the_same_versions(small, large):
    within = {name: exact(entry) for name, entry in requirements(large).items()}
    assert [name for name, entry in requirements(small).items() if within.get(name) != exact(entry)] == []


def requirements(lock):
    """Map each package of a lock to its whole entry: name, version, marker and hashes."""
    lines = [line for line in text(lock).splitlines() if not line.lstrip().startswith("#")]
    entries = "\n".join(lines).replace("\\\n", " ").splitlines()
    return {re.split(r"[\s;=@]", entry)[0]: entry for entry in entries if entry.strip()}


def exact(entry):
    """Return version and hashes without the marker, which may be wider in a larger lock."""
    return re.sub(r";.*?(?=--hash|$)", "", entry).split()
