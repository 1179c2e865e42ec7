"""A scratch folder in which programs work that nobody needs to trust: each behind walls, bounded in time and room."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import intellyhub_functions
from intellyhub_engine.errors import EngineError
from intellyhub_engine.walls.quota import measure

__all__ = ["WorkFailed", "Workshop", "ignore", "take"]

SECONDS = 300.0
MOST_BYTES = 4 << 30
MOST_OUTPUT = 1 << 20
MOST_ERRORS = 64 << 10
LOOK_SECONDS = 1.0
CHUNK = 65_536
PASSED_ON = (
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "LANG", "LC_ALL", "TZ"),
)
"""Of the environment: how the network is reached. Nothing else comes in."""


def ignore(line: str) -> None:
    """What nobody asked for."""


class WorkFailed(EngineError):
    """A program did not do its work; `output` is what it said, its end where it said much. Empty where the message says
    all: it was ended, for example."""

    def __init__(self, message: str, output: str = "") -> None:
        self.output = output
        super().__init__(message)


class Workshop:
    """A context: the folder goes with it. Programs see this Python's installation, the system's own folders and what is
    named `readable`, and write only below `folder`."""

    def __init__(self, parent: Path | None = None, *, user: int = 0, readable: Sequence[Path] = ()) -> None:
        """`parent`: where the scratch folder is made. `user`: whose work it is, as of `Cell`."""
        if parent is not None:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._hidden = Path(tempfile.mkdtemp(prefix="workshop-", dir=parent)).resolve()
        self.folder = self._hidden / "work"
        self.folder.mkdir(mode=0o700)
        self._user = user
        self._readable = [str(path) for path in (*installation(), *readable) if path.exists()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._hidden, ignore_errors=True)

    def run(
        self,
        program: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        most_bytes: int = MOST_BYTES,
        tell: Callable[[str], None] = ignore,
    ) -> str:
        """Run a program to its end; what it wrote to standard output, which `tell` hears line by line. Raises
        `WorkFailed`."""
        (self.folder / "tmp").mkdir(mode=0o700, exist_ok=True)
        order = {
            "program": list(program),
            "workspace": str(self.folder),
            "hidden": str(self._hidden),
            "readable": self._readable,
            "user": self._user,
            "environment": {
                **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                "TMPDIR": str(self.folder / "tmp"),
                **(environment or {}),
            },
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "intellyhub_functions.layers.enclosed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                return self._attend(process, order, seconds, most_bytes, tell)
            finally:
                end(process)

    def _attend(
        self,
        process: subprocess.Popen[bytes],
        order: Mapping[str, object],
        seconds: float,
        most_bytes: int,
        tell: Callable[[str], None],
    ) -> str:
        """Give the order, hear what it says, and watch that it keeps within its bounds."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        out, errors = Heard(MOST_OUTPUT, tell), Heard(MOST_ERRORS)
        deadline, look = time.monotonic() + seconds, time.monotonic() + LOOK_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, out)
            selector.register(process.stderr, selectors.EVENT_READ, errors)
            while selector.get_map():
                for key, _ in selector.select(LOOK_SECONDS):
                    if not key.data.hear(key.fileobj):
                        selector.unregister(key.fileobj)
                if (now := time.monotonic()) > deadline:
                    raise WorkFailed(f"it took longer than {seconds:g} s and was ended")
                if now > look:
                    look = now + LOOK_SECONDS
                    if measure(self.folder, most_bytes) > most_bytes:
                        raise WorkFailed(f"it wrote more than {most_bytes >> 20} MB and was ended")
        status = process.wait()
        if status:
            raise WorkFailed(f"it ended with {status}", errors.text or out.text)
        return out.text


class Heard:
    """The end of what a program says; `tell` hears each whole line as it comes."""

    def __init__(self, most: int, tell: Callable[[str], None] = ignore) -> None:
        self._most = most
        self._tell = tell
        self._said = bytearray()
        self._line = b""

    def hear(self, pipe: IO[bytes]) -> bool:
        """Take what is there; False at the end."""
        content = os.read(pipe.fileno(), CHUNK)
        self._said += content
        del self._said[: -self._most]
        *lines, rest = (self._line + content).split(b"\n")
        self._line = rest[-CHUNK:]
        for line in lines:
            self._tell(line.decode("utf-8", "replace"))
        return bool(content)

    @property
    def text(self) -> str:
        """As text."""
        return self._said.decode("utf-8", "replace")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a program that still runs. The one between ends it when its standard input ends; walls of processes end
    what it started."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def installation() -> tuple[Path, ...]:
    """This Python, and our own package."""
    here = [Path(place) for place in intellyhub_functions.__path__]
    return (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, *here)


def take(folder: Path, target: Path) -> None:
    """Move a folder that such a program made to its place, made ours: readable to all, writable to nobody but us. It
    may be there already, as somebody else made the same. Raises `WorkFailed` for what is neither file nor folder."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)  # noqa: PTH118 - large trees
            facts = os.lstat(path)
            if not (stat.S_ISDIR(facts.st_mode) or stat.S_ISREG(facts.st_mode)) or (
                stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1
            ):
                raise WorkFailed(f"{os.path.relpath(path, folder)} is neither a file nor a folder")
            give(path, stat.S_ISDIR(facts.st_mode))
    give(str(folder), True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def give(path: str, is_folder: bool) -> None:
    os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
    os.chmod(path, 0o755 if is_folder else 0o644)  # noqa: PTH101 - large trees
