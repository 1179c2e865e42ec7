"""Requirements as authors write them, made safe to hand to an installer."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from intellyhub_engine.errors import InputInvalid

__all__ = ["key_of", "name_of", "normalise", "read_requirement", "split_standard"]

KEY_DIGITS = 32


def read_requirement(text: str) -> Requirement:
    """One requirement (PEP 508). Raises `InputInvalid`, also for one that names an address instead of a version: what
    is installed comes from the package index, where it has a hash."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as fault:
        raise InputInvalid(f"{text[:200]!r} is not a requirement such as 'requests>=2.32': {fault}") from fault
    if requirement.url:
        raise InputInvalid(f"the requirement {text[:200]!r} names an address; only packages of the index are installed")
    return requirement


def name_of(text: str) -> str:
    """The package's name in its one spelling. Raises `InputInvalid`."""
    return canonicalize_name(read_requirement(text).name)


def normalise(requirements: Iterable[str], *, without: Iterable[str] = ()) -> tuple[str, ...]:
    """In order, each once, without those of Python itself and those named in `without`. Raises `InputInvalid`."""
    unwanted = {canonicalize_name(name) for name in without}
    wanted, _ = split_standard(requirements)
    kept: dict[str, None] = {}
    for text in wanted:
        requirement = read_requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in unwanted and (requirement.marker is None or requirement.marker.evaluate()):
            requirement.marker = None
            requirement.name = name
            kept[str(requirement)] = None
    return tuple(sorted(kept))


def split_standard(requirements: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those that are packages, and those that name a module of Python itself, which published manifests ask for too
    (`ast>=3.8.0`) and nobody can install."""
    packages: list[str] = []
    standard: list[str] = []
    for text in requirements:
        is_standard = name_of(text).replace("-", "_") in sys.stdlib_module_names
        (standard if is_standard else packages).append(text)
    return packages, standard


def key_of(requirements: Iterable[str]) -> str:
    """What a set of requirements is kept under, 32 hexadecimal digits: the same for the same set, for this Python."""
    return digest_for_this_python(normalise(requirements))


def digest_for_this_python(lines: Iterable[str]) -> str:
    """A digest of lines that differs from one kind of Python to another."""
    facts = (sys.implementation.cache_tag or "python", sysconfig.get_platform(), *lines)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:KEY_DIGITS]
