"""A plugin's files: read from a folder or an archive within bounds, and addressed by what they hold."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.beside import INDEX

__all__ = [
    "MOST_BYTES",
    "SIGNATURE",
    "SUMS",
    "Files",
    "digest_of",
    "hex_of",
    "pack",
    "read_archive",
    "read_folder",
    "sums_of",
    "write_files",
]

Files = Mapping[str, bytes]
"""Content by path, relative, with `/`."""

MOST_FILES = 1000
MOST_BYTES = 10 << 20
LONGEST_PATH = 240
SUMS, SIGNATURE = "plugin.sums", "plugin.sums.minisig"
"""The digests of all files as `sha256sum` writes them, and their signature as `minisign` writes it."""
LEFT_OUT = frozenset(
    (
        *(".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules", ".pytest_cache", ".mypy_cache", ".ruff_cache"),
        *(".DS_Store", ".idea", ".vscode", ".eggs", "build", "dist"),
    )
)
PART = re.compile(r"^[^\x00-\x1f\x7f/\\:]+$")
PREFIX = "sha256:"


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without what tools leave behind. Raises `InputInvalid` for links and for too much."""
    found: dict[str, bytes] = {}
    room = MOST_BYTES
    for path in walk(folder):
        name = path.relative_to(folder).as_posix()
        content = read_file(path, room, name)
        room -= len(content)
        found[name] = content
        check_number(found)
    return check_names(found)


def walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_part(Path(place, name)))
        yield from (Path(place, name) for name in sorted(files) if name not in LEFT_OUT and not name.endswith(".pyc"))


def is_part(folder: Path) -> bool:
    """Whether a folder belongs to the plugin: not what tools left behind, nor plugins that were installed to try it."""
    return folder.name not in LEFT_OUT and folder.suffix != ".egg-info" and not (folder / INDEX).exists()


def read_file(path: Path, room: int, name: str) -> bytes:
    """One file; nothing that is no file, or a link to one elsewhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise InputInvalid(f"{name!r} of the plugin cannot be read, or is a link: {fault.strerror}") from fault
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputInvalid(f"{name!r} of the plugin is no file")
        content = file.read(room + 1)
    if len(content) > room:
        raise InputInvalid(f"the plugin has more than {MOST_BYTES >> 20} MB")
    return content


def read_archive(content: bytes) -> dict[str, bytes]:
    """The files of a ZIP archive. Raises `InputInvalid`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and is_wanted(entry.filename)]
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise InputInvalid(
                    f"the archive holds more than {MOST_FILES} files, or more than {MOST_BYTES >> 20} MB"
                )
            found = {entry.filename: read_entry(archive, entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as fault:
        raise InputInvalid(f"the archive cannot be read: {fault}") from fault
    return check_names(found)


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """No more than the entry says that it is."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InputInvalid(f"{entry.filename!r} of the archive is a link")
    with archive.open(entry) as file:
        return file.read(entry.file_size)


def is_wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not LEFT_OUT.intersection(parts) and not name.endswith(".pyc")


def check_number(found: Mapping[str, bytes]) -> None:
    if len(found) > MOST_FILES:
        raise InputInvalid(f"the plugin has more than {MOST_FILES} files")


def check_names(found: dict[str, bytes]) -> dict[str, bytes]:
    """Paths that stay below their folder on every system. Raises `InputInvalid`."""
    check_number(found)
    for name in found:
        parts = name.split("/")
        if len(name) > LONGEST_PATH or not all(PART.match(part) and part not in (".", "..") for part in parts):
            raise InputInvalid(f"{name[:LONGEST_PATH]!r} is no name for a file of a plugin")
    if len({name.casefold() for name in found}) != len(found):
        raise InputInvalid("two files of the plugin differ only in the case of their letters")
    return found


def sums_of(files: Files) -> str:
    """The digests of all files but of the signature's own, one line a file, as `sha256sum` writes and checks them."""
    names = sorted(name for name in files if name not in (SUMS, SIGNATURE))
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in names)


def digest_of(files: Files) -> str:
    """What the files are pinned by: the SHA-256 of their sums. A signature more or less changes nothing."""
    return PREFIX + hashlib.sha256(sums_of(files).encode()).hexdigest()


def hex_of(digest: str) -> str:
    """As the name of a folder."""
    return digest.removeprefix(PREFIX)


def write_files(folder: Path, files: Files) -> None:
    """Put them there, whole: whoever sees the folder sees all of them. One that is there already holds the same."""
    if folder.is_dir():
        return
    scratch = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}")
    for name, content in files.items():
        path = scratch / name
        make_open_folder(path.parent)
        path.write_bytes(content)
        path.chmod(0o644)
    make_open_folder(scratch)
    for each in (folder.parent, scratch, *(place for place in scratch.rglob("*") if place.is_dir())):
        each.chmod(0o755)
    try:
        scratch.rename(folder)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not folder.is_dir():  # else somebody else was quicker
            raise


def make_open_folder(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def pack(files: Files) -> bytes:
    """As a ZIP archive, to send them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return content.getvalue()
