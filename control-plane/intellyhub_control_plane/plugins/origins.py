"""Where a plugin comes from, as a person names it: a folder, a git repository, a package, a name."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass

__all__ = ["PACKAGE_PREFIX", "Kind", "Origin", "read_origin"]

PACKAGE_PREFIX = "intellyhub-plugin-"
NAME = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99})\s*(?P<bounds>(?:[<>=!~].*)?)$", re.DOTALL)
BOUNDS = re.compile(r"^[<>=!~0-9A-Za-z.,*+\s-]{0,200}$")
GIT = "git+"
PLAIN_GIT = re.compile(r"^(?:https?|git|ssh|file)://\S+\.git(?:@\S+)?(?:#\S*)?$")
GIT_SHORT = re.compile(r"^[\w.-]+@[\w.-]+:\S+$")
REFERENCE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")
SUBFOLDER = re.compile(r"^subdirectory=(?P<path>[A-Za-z0-9][A-Za-z0-9._/ -]{0,199})$")


class Kind(StrEnum):
    """What a plugin is taken out of."""

    FOLDER = "folder"  # on this machine
    UPLOAD = "upload"  # files that a client sent
    GIT = "git"  # a repository
    PACKAGE = "package"  # intellyhub-plugin-* of the package index
    NAME = "name"  # whatever repository or package has that name


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where to look for a plugin."""

    kind: Kind
    address: str
    """A path, a repository's address, or a name."""
    reference: str = ""
    """Of a repository: a branch, a tag or a commit; empty: what it has checked out itself."""
    subfolder: str = ""
    """Of a repository: where in it; empty: wherever plugins are found."""
    bounds: str = ""
    """Of a name: which versions will do, such as `>=1.2,<2`."""

    def __str__(self) -> str:
        reference = f"@{self.reference}" if self.reference else ""
        subfolder = f"#subdirectory={self.subfolder}" if self.subfolder else ""
        prefix = GIT if self.kind is Kind.GIT else ""
        return f"{prefix}{self.address}{reference}{subfolder}{self.bounds}"


def read_origin(text: str) -> Origin:
    """What a person typed. Raises `InputInvalid`."""
    text = text.strip()
    if text.startswith(GIT) or PLAIN_GIT.match(text) or GIT_SHORT.match(text):
        return read_git(text.removeprefix(GIT))
    if text.startswith(("./", "../", "/", "~")) or text in (".", ".."):
        return Origin(kind=Kind.FOLDER, address=text)
    match = NAME.match(text)
    if match is not None and BOUNDS.match(match["bounds"]):
        kind = Kind.PACKAGE if match["name"].lower().startswith(PACKAGE_PREFIX) else Kind.NAME
        return Origin(kind=kind, address=match["name"], bounds=match["bounds"].replace(" ", ""))
    if text and Path(text).is_dir():
        return Origin(kind=Kind.FOLDER, address=text)
    raise InputInvalid(
        f"{text[:200]!r} names no plugin; give a name (rss-reader), a folder (./plugins/rss-reader), a repository"
        " (git+https://host/repository@v1#subdirectory=plugins/rss-reader) or a package (intellyhub-plugin-rss)"
    )


def read_git(text: str) -> Origin:
    """`ADDRESS[@REFERENCE][#subdirectory=PATH]`, as pip writes it."""
    address, _, fragment = text.partition("#")
    subfolder = SUBFOLDER.match(fragment) if fragment else None
    if (fragment and subfolder is None) or ".." in fragment.split("/"):
        raise InputInvalid(f"{fragment[:200]!r} is not subdirectory=PATH")
    _, scheme, rest = address.rpartition("://")
    path_begins = len(address) - len(rest) + max(rest.find("/" if scheme else ":"), 0)
    mark = address.rfind("@", path_begins)
    head, reference = (address[:mark], address[mark + 1 :]) if mark > 0 else (address, "")
    if mark > 0 and not REFERENCE.match(reference):
        raise InputInvalid(f"{reference[:200]!r} is no branch, tag or commit")
    if head.startswith("-") or any(letter.isspace() or not letter.isprintable() for letter in head):
        raise InputInvalid(f"{head[:200]!r} is no address of a repository")
    place = subfolder["path"].strip("/") if subfolder else ""
    return Origin(kind=Kind.GIT, address=head, reference=reference, subfolder=place)
