"""Root file systems of images: a base made from this machine's Python, images unpacked, their command run as process.

No daemon and no download: the base holds the interpreter that runs the tests, its standard library and the system
libraries that it loads, at the places where they are here.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from intellyhub_knative.images.destination import Folder, push
from intellyhub_knative.images.engine_layer import every_file
from intellyhub_knative.images.image import Image
from intellyhub_knative.images.source import this_platform
from intellyhub_knative.images.store import Store
from intellyhub_knative.images.tree import Entry, entries_of_folder

LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|site-packages|dist-packages|config-[^/]*)/"
)
LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
LOCKED_UP = (
    'mount --rbind /dev "$1/dev" && mount -t tmpfs -o mode=1777 none "$1/tmp" && mount -t proc none "$1/proc" && '
    'root="$1" && shift && exec chroot $AS "$root" "$@"'
)


def python_base(folder: Path, store: Store) -> str:
    """An OCI folder with an image that has `python`, nothing else; what it is called."""
    system, architecture = this_platform().split("/")
    layer, _ = store.layer(f"base {sys.version}", base_entries, created_by="this Python")
    base = Image(
        config={"os": system, "architecture": architecture, "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]}},
        layers=(layer,),
    )
    push(base, Folder(path=folder, tag="base"))
    return f"oci:{folder}:base"


def base_entries() -> Iterator[Entry]:
    """The files of this Python."""
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    found: dict[str, Entry] = {}
    for entry in entries_of_folder(library, str(library).lstrip("/")):
        if not LEFT_OUT.search(f"/{entry.path}") and not entry.path.endswith(".a"):
            found[entry.path] = entry
    modules = [*found.values(), *every_file()]  # what the engine's packages load is in any image of a distribution
    binaries = [python, *(each.content for each in modules if each.path.endswith(".so") and not each.link)]
    found |= {entry.path: entry for entry in libraries_of([path for path in binaries if isinstance(path, Path)])}
    where = str(python).lstrip("/")
    found[where] = Entry(path=where, content=python, executable=True)
    found["usr/local/bin/python"] = Entry(path="usr/local/bin/python", link=str(python))
    for name in ("dev", "proc", "tmp"):
        found[f"{name}/.keep"] = Entry(path=f"{name}/.keep")
    found["etc/passwd"] = Entry(path="etc/passwd", content=b"root:x:0:0:root:/:/bin/sh\n")
    yield from found.values()


def libraries_of(binaries: list[Path]) -> Iterator[Entry]:
    """The shared libraries that they load, and the loader."""
    told = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True)
    for name in sorted(set(LIBRARY.findall(told.stdout))):
        yield Entry(path=name.lstrip("/"), content=Path(name).resolve(), executable=True)


def unpack(image: Image, folder: Path) -> Path:
    """All layers, one over the other. Whiteouts are not known: ours have none."""
    for layer in image.layers:
        with layer.blob.open() as packed, gzip.open(packed) as plain, tarfile.open(fileobj=plain) as archive:
            # Pythons before 3.11.4 have no filters, those from 3.14 on one that refuses absolute links.
            archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            archive.extractall(folder)
    folder.chmod(0o755)
    return folder


def walls_work() -> bool:
    """Whether a process can get a root file system of its own here."""
    if shutil.which("unshare") is None or shutil.which("chroot") is None or shutil.which("ldd") is None:
        return False
    return subprocess.run([*unshare(), "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


def unshare() -> list[str]:
    """Namespaces of its own; of users too where we are not root."""
    whose = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *whose, "--mount", "--pid", "--fork", "--kill-child"]


def start(image: Image, root: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The image's own command with its own variables, in its own root file system, as its own user where root runs the
    tests."""
    if not walls_work():
        pytest.skip("no process gets a root file system of its own here")
    user = f"--userspec={image.settings['User']}" if os.geteuid() == 0 else ""
    assert not image.settings.get("Entrypoint")
    command = list(image.settings["Cmd"])
    return subprocess.Popen(
        [*unshare(), "sh", "-c", LOCKED_UP, "sh", str(root), *command],
        env={**image.environment, **settings, "AS": user, "PATH": image.environment["PATH"] + ":/usr/sbin:/sbin"},
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
