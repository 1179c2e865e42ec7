"""Git repositories, fetched behind walls: the newest commit of one branch, tag or commit; nothing of it is run.

No hooks (the clone is made here), no submodules, no large files, no links (they become plain files), no questions, no
other protocols than those that are named, within bounds of time and size.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.layers.installer import CREDENTIALS
from intellyhub_functions.layers.workshop import WorkFailed, Workshop

__all__ = ["Clone", "clone", "make_pinned"]

SECONDS = 120.0
MOST_BYTES = 512 << 20
SCRIPT = """\
set -e
git -c init.defaultBranch=main init --quiet repository
cd repository
git fetch --quiet --depth 1 --no-tags --no-recurse-submodules -- "$1" "${2:-HEAD}"
git -c core.symlinks=false -c advice.detachedHead=false checkout --quiet FETCH_HEAD
git rev-parse FETCH_HEAD
"""
"""Takes a branch, a tag or a commit alike. Links become plain files."""
ENVIRONMENT = MappingProxyType(
    {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_ASKPASS": "true"}
)
TRUSTING = "[safe]\n\tdirectory = *\n"
"""A folder of this machine belongs to somebody else than who reads it behind the walls."""
STAYING = "[http]\n\tfollowRedirects = false\n"
PINNED = "\tcurloptResolve = {host}:{port}:{address}\n"
FATAL = "fatal: "
REMOTE = "https:http:git"
LOCAL = f"{REMOTE}:file"
PORTS = {"https": 443, "http": 80}
HOST = re.compile(r"^[A-Za-z0-9.:-]{1,255}$")


class Clone(NamedTuple):
    """What was fetched."""

    folder: Path
    """Its files, and `.git`. Gone with the context."""
    revision: str
    """The commit."""


@contextmanager
def clone(
    address: str,
    reference: str,
    *,
    name: str,
    scratch: Path | None,
    user: int,
    is_local: bool = False,
    outside_only: bool = False,
) -> Iterator[Clone]:
    """Fetch. `name` is what messages call it, without credentials; `is_local`: folders of this machine may be named;
    `outside_only`: nothing that is reached from here alone, also not by a redirection. Raises `InputInvalid`."""
    near = Path(address.removeprefix("file://"))
    readable = (near,) if is_local and near.is_absolute() else ()
    configuration = TRUSTING + (make_pinned(address) if outside_only else "")
    with Workshop(scratch, user=user, readable=readable) as workshop:
        (workshop.folder / "gitconfig").write_text(configuration)
        environment = {
            **ENVIRONMENT,
            "GIT_ALLOW_PROTOCOL": LOCAL if is_local else REMOTE,
            "GIT_CONFIG_GLOBAL": str(workshop.folder / "gitconfig"),
        }
        try:
            said = workshop.run(
                ["sh", "-c", SCRIPT, "git", address, reference],
                environment=environment,
                seconds=SECONDS,
                most_bytes=MOST_BYTES,
            )
        except WorkFailed as fault:
            raise InputInvalid(f"{name} cannot be fetched: {git_reason(fault)}") from fault
        revision = said.strip().splitlines()[-1] if said.strip() else ""
        yield Clone(workshop.folder / "repository", revision)


def make_pinned(address: str) -> str:
    """Git's configuration that goes to the address that was looked at, whatever the name says a moment later. Raises
    `InputInvalid`."""
    parts = urlsplit(address)
    if parts.scheme not in PORTS or not parts.hostname or not HOST.match(parts.hostname):
        raise InputInvalid(f"repositories are reached by https or http here, not by {parts.scheme or 'nothing'!r}")
    port = parts.port or PORTS[parts.scheme]
    found = find_outside(parts.hostname, port)
    shown = f"[{found}]" if ":" in found else found
    return STAYING + PINNED.format(host=parts.hostname, port=port, address=shown)


def find_outside(host: str, port: int) -> str:
    """An address of a host. Raises `InputInvalid` where it has none, or one that is reached from here alone."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as fault:
        raise InputInvalid(f"{host} has no address: {fault.strerror or fault}") from fault
    addresses = [str(row[4][0]) for row in rows]
    inside = [each for each in addresses if not ipaddress.ip_address(each.partition("%")[0]).is_global]
    if inside or not addresses:
        raise InputInvalid(
            f"{host} is {', '.join(inside)[:200]}, an address inside; whoever runs the platform can allow that with"
            " INTELLYHUB_INSIDE_REPOSITORIES=true"
        )
    return addresses[0]


def git_reason(fault: WorkFailed) -> str:
    """What git complained of, in short and without credentials."""
    lines = [line for line in fault.output.strip().splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(FATAL)), lines[-1] if lines else str(fault))
    return CREDENTIALS.sub("***@", said.removeprefix(FATAL))[:500]
