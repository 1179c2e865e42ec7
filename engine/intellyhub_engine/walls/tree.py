"""The file system that a worker sees: one in memory, into which what it may reach is bound under its own name."""

# Paths are text here, as mount(2) wants them, and workers wait for it.
# ruff: noqa: PTH110, PTH112, PTH120, PTH211, PTH115, PTH102

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from intellyhub_engine.walls import kernel

__all__ = ["DEVICES", "SYSTEM", "Layout", "Tree", "find_root", "plan", "trace"]

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/gitconfig",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/pki",
    "/etc/profile",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/rpc",
    "/etc/services",
    "/etc/ssl",
    "/etc/terminfo",
    "/etc/timezone",
)
"""What programs need of the system, where it exists. Not all of /etc: passwords, keys and hosts' settings are there."""
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
ROOTS = ("/sys/kernel", "/sys", "/media", "/srv", "/mnt", "/boot")
"""Where the new file system stands until it becomes the root: the first folder that exists. Nobody misses it."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the same
SCRATCH = "/tmp"  # noqa: S108 - the worker's own, in memory
OWN = "/run"
"""In memory too: files that differ from worker to worker, which it cannot write."""
OWN_FILES = {"/etc/passwd": "passwd", "/etc/group": "group"}
OUTSIDE = "/.outside"
"""Where a parent that lives in the tree keeps the machine's file system, and its children detach it."""
MOST_LINKS = 40
"""As many as the kernel follows in one path."""

MOST_SCRATCH_FILES = 65536
"""Files and folders in /tmp: each takes memory of the kernel, also an empty one."""

READ_ONLY = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV


class Layout(NamedTuple):
    """What every worker sees alike."""

    places: tuple[tuple[str, bool], ...]
    """Files and folders under their real names, those above first; True is one of which nothing is to be seen."""
    links: tuple[tuple[str, str], ...]
    """The symbolic links that lead there, with their texts."""

    def split(self) -> tuple[Layout, Layout]:
        """What workers can share, and what each has for itself: /tmp, what is hidden, and what lies below."""
        apart = {SCRATCH, *(path for path, masked in self.places if masked)}
        shared = Layout(
            tuple(place for place in self.places if apart.isdisjoint(ancestors(place[0]))),
            tuple(link for link in self.links if apart.isdisjoint(ancestors(link[0]))),
        )
        places = tuple(place for place in self.places if place not in shared.places)
        return shared, Layout(places, tuple(link for link in self.links if link not in shared.links))


def find_root() -> str:
    """Where a tree can stand."""
    return next(path for path in ROOTS if os.path.isdir(path))


@functools.cache
def plan(readable: tuple[Path, ...], hidden: tuple[Path, ...]) -> Layout:
    """How the system and the folders in `readable` are laid out, without those in `hidden`. A readable folder may lie
    in a hidden one, and the other way round. A hidden one has its place also where nothing readable is around it:
    what a cell names lies in there."""
    wanted = [(trace(path), False) for path in (*SYSTEM, *map(str, readable)) if os.path.exists(path)]
    wanted += [(trace(str(path)), True) for path in hidden]
    placed: dict[str, bool] = {}
    for (_, real), masked in sorted(wanted, key=lambda entry: (entry[0][1].count("/"), entry[1])):
        above = next((placed[path] for path in ancestors(real) if path in placed), None)
        if masked is not above:
            placed[real] = masked
    links = dict(link for (found, _), _ in wanted for link in found)
    return Layout(tuple(placed.items()), tuple(links.items()))


class Tree:
    """A file system under construction, mounted at `root`, which is a folder that nobody misses meanwhile. What it is
    made of is found at `outside`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.outside = ""
        self.masks: list[str] = []
        self.cover(root)

    def fill(self, layout: Layout) -> None:
        """Put in what all workers see alike, and places for the rest."""
        shared, own = layout.split()
        for real, _ in shared.places:
            self.bind(real)
        self.link(shared.links)
        for path, name in OWN_FILES.items():
            make_folder(os.path.dirname(self.root + path))
            os.symlink(f"{OWN}/{name}", self.root + path)
        for real, _ in own.places:
            if SCRATCH not in ancestors(real) and not os.path.lexists(self.root + real):
                make_folder(self.root + real)
        for path in (SCRATCH, OWN, OUTSIDE, "/proc"):
            make_folder(self.root + path)
        kernel.seal_mounts(self.root, add=READ_ONLY, below=True)
        kernel.seal_mounts(self.root, remove=kernel.MOUNT_ATTR_RDONLY)
        self.add_devices()

    def move_in(self) -> None:
        """Make it the root of this process and of its children to come, for which the old one stays in reach."""
        self.seal()
        kernel.pivot_root(self.root, self.root + OUTSIDE)
        os.chdir("/")
        kernel.mount(OUTSIDE + "/proc", "/proc", None, kernel.MS_BIND)
        self.root, self.outside = "", OUTSIDE

    def complete(self, layout: Layout) -> None:
        """Put in what each worker has for itself: /proc of its process namespace, in which this must run, folders in
        memory, and what of the layout lies in hidden places."""
        _, own = layout.split()
        self.mount_memory(self.root + SCRATCH, "mode=1777,size=1m")
        kernel.mount(self.root + SCRATCH, self.root + SHARED_MEMORY, None, kernel.MS_BIND)
        self.cover(self.root + OWN)
        for real, masked in own.places:
            if masked:
                self.cover(self.root + real)
            else:
                kernel.seal_mounts(self.bind(real), add=READ_ONLY, below=True)
        self.link(own.links)
        self.add_processes()

    def bind(self, real: str) -> str:
        """Bind a file or folder under its own name; where it lies now."""
        target = self.root + real
        if not os.path.lexists(target):
            if os.path.isdir(self.outside + real):
                make_folder(target)
            else:
                make_folder(os.path.dirname(target))
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        kernel.mount(self.outside + real, target, None, kernel.MS_BIND | kernel.MS_REC)
        return target

    def cover(self, target: str, options: str = "mode=755,size=1m") -> None:
        """Lay an empty file system in memory over a folder."""
        make_folder(target)
        self.mount_memory(target, options)
        self.masks.append(target)

    def mount_memory(self, target: str, options: str) -> None:
        """Mount a file system in memory."""
        kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)

    def link(self, links: Iterable[tuple[str, str]]) -> None:
        """Make the symbolic links that lead to what was bound, where they are not part of it."""
        for path, text in links:
            target = self.root + path
            if not os.path.lexists(target):
                make_folder(os.path.dirname(target))
                os.symlink(text, target)

    def add_devices(self) -> None:
        """/dev with what cannot do harm."""
        make_folder(self.root + SHARED_MEMORY)
        for name in DEVICES:
            kernel.seal_mounts(self.bind("/dev/" + name), add=kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC)
        for name, text in DEVICE_LINKS.items():
            os.symlink(text, f"{self.root}/dev/{name}")

    def add_processes(self) -> None:
        """/proc of this process's namespace, read-only; it shows a process only those that it might trace."""
        if self.outside:
            kernel.unmount("/proc", kernel.MNT_DETACH)
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("proc", self.root + "/proc", "proc", flags, "hidepid=ptraceable")

    def size_scratch(self, size_bytes: int) -> None:
        """Say how much /tmp may hold. It is /dev/shm as well, so that both together have one size."""
        options = f"size={size_bytes},nr_inodes={MOST_SCRATCH_FILES}"
        flags = kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", self.root + SCRATCH, None, flags, options)

    def add(self, path: Path, *, writable: bool = False) -> None:
        """Bind one more file or folder. Raises `OSError` where it does not exist."""
        links, real = trace(str(path), self.outside)
        attributes = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
        target = self.bind(real)
        kernel.seal_mounts(target, add=attributes | (0 if writable else kernel.MOUNT_ATTR_RDONLY), below=not writable)
        self.link(links)

    def find(self, path: Path) -> Path:
        """Where a file or folder of the machine is reached now."""
        return Path(self.outside + trace(str(path), self.outside)[1]) if self.outside else path

    def write(self, path: str, text: str) -> None:
        """Put in one of the small files that differ from worker to worker."""
        place = f"{self.root}{OWN}/{OWN_FILES[path]}"
        descriptor = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.write(descriptor, text.encode())
        os.close(descriptor)

    def enter(self) -> None:
        """Make it the root of this process's namespace, unwritable but for what was added as writable; the old root is
        out of reach from then on."""
        self.seal()
        if self.outside:
            kernel.unmount(self.outside, kernel.MNT_DETACH)
        else:
            os.chdir(self.root)
            kernel.pivot_root(".", ".")
            kernel.unmount(".", kernel.MNT_DETACH)
        os.chdir("/")

    def seal(self) -> None:
        """Nothing can be made any more in the folders that lie in memory."""
        for mask in self.masks:
            kernel.seal_mounts(mask, add=kernel.MOUNT_ATTR_RDONLY)
        self.masks.clear()


def trace(path: str, outside: str = "") -> tuple[list[tuple[str, str]], str]:
    """The symbolic links on the way of an absolute path, each with its text, and where the way ends. Files are looked
    for in the folder `outside`."""
    links: list[tuple[str, str]] = []
    rest = split(path)
    done = ""
    while rest:
        part = rest.pop()
        if part == "..":
            done = os.path.dirname(done).rstrip("/")
            continue
        step = f"{done}/{part}"
        try:
            text = os.readlink(outside + step)
        except OSError:  # no link
            done = step
            continue
        links.append((step, text))
        if len(links) > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        done = "" if text.startswith("/") else done
        rest += split(text)
    return links, done or "/"


def split(path: str) -> list[str]:
    """The parts of a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def ancestors(path: str) -> Iterator[str]:
    """The path itself, then each folder above it."""
    while path not in ("", "/"):
        yield path
        path = os.path.dirname(path)


def make_folder(path: str) -> None:
    """Make a folder and those above it, where they do not exist. `os.makedirs` looks at each before it makes it."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        os.mkdir(path, 0o755)
