"""Writes the lock files from `requirements*.in` and the `pyproject.toml` files; `--upgrade` takes newer versions.

    .venv/bin/python scripts/lock.py [--upgrade]

uv is used for this and nothing else, because it resolves for all platforms at once; it lives in a throw-away venv.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_VERSION = "0.13.9"
# In this order: each takes the versions of the one before it as constraints.
NAMES = ("requirements", "requirements-engine", "requirements-node", "requirements-test", "requirements-bench")
OURS = ("intellyhub-engine", "intellyhub-functions", "intellyhub-knative", "intellyhub-control-plane")


def main(arguments: list[str]) -> int:
    """Resolve every lock file anew; return the exit code."""
    if set(arguments) - {"--upgrade"}:
        print("usage: lock.py [--upgrade]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        uv = install_uv(Path(scratch))
        for name in NAMES:
            print(f"lock: {name}.lock", flush=True)
            subprocess.run(make_command(uv, name, arguments), check=True, cwd=ROOT)
    return 0


def install_uv(scratch: Path) -> Path:
    """Install the pinned uv into a new venv below `scratch` and return its path."""
    venv.create(scratch, with_pip=True)
    pip = [str(scratch / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"uv=={UV_VERSION}"], check=True)
    return scratch / "bin" / "uv"


def make_command(uv: Path, name: str, options: list[str]) -> list[str]:
    """Return the command that resolves one lock; nothing of this machine or its index gets into the file."""
    ours = [argument for package in OURS for argument in ("--no-emit-package", package)]
    return [
        *(str(uv), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11"),
        *("--custom-compile-command", "make lock", "--no-emit-index-url", "--no-emit-find-links", *ours, *options),
        *(f"{name}.in", "--output-file", f"{name}.lock"),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
