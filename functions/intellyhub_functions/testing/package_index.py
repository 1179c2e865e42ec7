"""A package index on loopback, as pip asks it (the simple repository API), with packages that are made on the spot."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from unittest.mock import patch

from intellyhub_functions.layers.installer import configuration

__all__ = ["PackageIndex", "make_sdist", "make_wheel", "only_index"]

PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """\
import os, zipfile

def build_wheel(folder, *_):
    name = "{module}-{version}-py3-none-any.whl"
    room = "{module}-{version}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{module}.py", "seen = " + repr(sorted(os.listdir({look!r}))))
        wheel.writestr(room + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        wheel.writestr(room + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(room + "/RECORD", "")
    return name
"""
"""Code that comes with the source, and runs when it is built: it leaves in its module what it saw in a folder."""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


class PackageIndex:
    """Serves what is added below `folder`. `url` is what PIP_INDEX_URL is set to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "files").mkdir(parents=True)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple/"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes pip ask this index, and nothing else."""
        return {"PIP_INDEX_URL": self.url, "PIP_CONFIG_FILE": "/dev/null"}

    def add(self, name: str, file_name: str, content: bytes) -> str:
        """Offer a file of a package; its SHA-256."""
        (self.folder / "files" / file_name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        page = self.folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        before = page.read_text() if page.exists() else "<!DOCTYPE html><html><body>\n"
        page.write_text(f'{before}<a href="../../files/{file_name}#sha256={digest}">{file_name}</a>\n')
        return digest

    def add_wheel(self, name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()) -> str:
        """Offer a wheel."""
        module = name.replace("-", "_")
        return self.add(name, f"{module}-{version}-py3-none-any.whl", make_wheel(name, version, files, requires))

    def add_sdist(self, name: str, version: str, look: str = "/") -> str:
        """Offer a source distribution, whose own code builds it."""
        return self.add(name, f"{name}-{version}.tar.gz", make_sdist(name, version, look))


@contextmanager
def only_index(folder: Path) -> Iterator[PackageIndex]:
    """An index that pip asks, called by this process, and no other."""
    with PackageIndex(folder) as index, patch.dict(os.environ, index.environment):
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            os.environ.pop(name, None)
        configuration.cache_clear()
        yield index
    configuration.cache_clear()


def make_wheel(name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()) -> bytes:
    """A pure wheel (PEP 427)."""
    room = f"{name.replace('-', '_')}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    whole = {
        **files,
        f"{room}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{room}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={record_digest(text)},{len(text.encode())}\n" for path, text in whole.items()]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in {**whole, f"{room}/RECORD": "".join((*lines, f"{room}/RECORD,,\n"))}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return content.getvalue()


def record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_sdist(name: str, version: str, look: str = "/") -> bytes:
    """A source distribution that builds a module with the list `seen`: what it found in the folder `look`."""
    room, module = f"{name}-{version}", name.replace("-", "_")
    files = {
        f"{room}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{room}/pyproject.toml": PROJECT,
        f"{room}/backend.py": BACKEND.format(name=name, version=version, module=module, look=look),
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, text in files.items():
            facts = tarfile.TarInfo(path)
            facts.size = len(text.encode())
            archive.addfile(facts, io.BytesIO(text.encode()))
    return content.getvalue()
