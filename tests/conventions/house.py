"""What the conventions look at: the repository's root and its Python modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_FOLDERS = ("engine", "functions", "knative", "control-plane")
CODE_FOLDERS = (*PACKAGE_FOLDERS, "scripts", "tests")
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-bench.lock")
"""Each contains the one before it."""
NODE_LOCK = "requirements-node.lock"
"""Stands alone: Node.js, for machines without."""


def modules() -> Iterator[Path]:
    """Yield every Python file of the packages, scripts and tests, relative to the root."""
    for folder in CODE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT)


def text(path: Path | str) -> str:
    """Return the text of a file named relative to the root."""
    return (ROOT / path).read_text(encoding="utf-8")
