"""The files of a layer, and the tar that holds them: the same bytes for the same files, whenever and wherever made."""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.blob import chunks_of
from intellyhub_knative.images.errors import LayerRefused

__all__ = ["Entry", "entries_of_folder", "entries_of_texts", "make_tar"]

MOST_BYTES = 4 << 30
MOST_ENTRIES = 200_000
LEFT_OUT = ("__pycache__",)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a layer, owned by root. Folders come by themselves."""

    path: str
    """Relative to the image's root, with slashes."""
    content: bytes | Path = b""
    """What is in it; or the file that has it."""
    executable: bool = False
    link: str = ""
    """Where it points, for a symbolic link."""

    @property
    def mode(self) -> int:
        """All may read it, root may change it: a file's mode where it lay says nothing about an image."""
        return 0o777 if self.link else 0o755 if self.executable else 0o644


def entries_of_texts(files: Mapping[str, bytes], below: str) -> list[Entry]:
    """Files in memory, by their path below a folder of the image."""
    return [Entry(path=f"{below}/{name}", content=content) for name, content in files.items()]


def entries_of_folder(folder: Path, below: str) -> Iterator[Entry]:
    """The files of a folder, or one file, without compiled Python: that is made anew. Raises `LayerRefused`."""
    if not folder.is_dir():
        yield from entry_of_file(folder, f"{below}/{folder.name}")
        return
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part in LEFT_OUT for part in relative.parts) or path.suffix == ".pyc":
            continue
        yield from entry_of_file(path, f"{below}/{relative.as_posix()}")


def entry_of_file(path: Path, name: str) -> Iterator[Entry]:
    """What stands for a file or a link; nothing for a folder."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        yield Entry(path=name, link=path.readlink().as_posix())
    elif stat.S_ISREG(facts.st_mode):
        yield Entry(path=name, content=path, executable=bool(facts.st_mode & stat.S_IXUSR))
    elif not stat.S_ISDIR(facts.st_mode):
        raise LayerRefused(f"{path} is neither a file nor a folder nor a link; layers hold nothing else")


def make_tar(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The bytes of a POSIX tar: sorted, with the folders that are needed, owned by 0:0, without times or names of
    users. Raises `LayerRefused`, and OSError where a file cannot be read."""
    files = {checked(entry.path): entry for entry in entries}
    folders = {parent for path in files for parent in path.parents if parent.parts}
    if len(files) > MOST_ENTRIES:
        raise LayerRefused(f"a layer of {len(files)} files; at most {MOST_ENTRIES} are allowed")
    if clash := sorted(folders & files.keys()):
        raise LayerRefused(f"{clash[0]} is a file and a folder at once")
    written = 0
    for path in sorted({*files, *folders}, key=lambda each: each.parts):
        entry = files.get(path)
        for chunk in make_folder(path) if entry is None else make_member(path, entry):
            written += len(chunk)
            if written > MOST_BYTES:
                raise LayerRefused(f"a layer of more than {MOST_BYTES >> 30} GB")
            yield chunk
    yield bytes(2 * tarfile.BLOCKSIZE)


def checked(path: str) -> PurePosixPath:
    """A path inside the image. Raises `LayerRefused`."""
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise LayerRefused(f"{path[:200]!r} is no path inside an image")
    if any(part.startswith(".wh.") for part in pure.parts):
        raise LayerRefused(f"{path[:200]!r} would remove a file of another layer: names do not begin with .wh.")
    return pure


def make_folder(path: PurePosixPath) -> Iterator[bytes]:
    """Its header."""
    header = tarfile.TarInfo(f"{path}/")
    header.type, header.mode = tarfile.DIRTYPE, 0o755
    yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def make_member(path: PurePosixPath, entry: Entry) -> Iterator[bytes]:
    """Header, content, and zeros up to the next block."""
    header = tarfile.TarInfo(str(path))
    header.mode = entry.mode
    if entry.link:
        header.type, header.linkname = tarfile.SYMTYPE, entry.link
        yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        return
    if isinstance(entry.content, bytes):
        header.size = len(entry.content)
        yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict") + entry.content
    else:
        with entry.content.open("rb") as file:
            header.size = entry.content.stat().st_size
            yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
            left = header.size
            for chunk in chunks_of(file, header.size):
                left -= len(chunk)
                yield chunk
        if left:
            raise LayerRefused(f"{entry.content} became shorter while it was read")
    yield bytes(-header.size % tarfile.BLOCKSIZE)
