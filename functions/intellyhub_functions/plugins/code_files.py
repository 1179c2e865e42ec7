"""The Python files of a plugin."""

from __future__ import annotations

from pathlib import Path

from intellyhub_engine.errors import InputInvalid

__all__ = ["code_files", "find_entry", "read_text"]

MAX_FILES = 50
MAX_BYTES = 1 << 20
NOT_CODE = ("test_", "conftest", "setup", "_")
SUFFIXES = ("_state.py", "_listener.py")


def code_files(folder: Path) -> list[str]:
    """The files that may offer something where nothing names one, relative to the folder; tests are none of them."""
    if folder.is_file():
        return [folder.name]
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith(NOT_CODE))
    named = [path for path in files if path.name.endswith(SUFFIXES)]
    if not files:
        inner = sorted(path for path in folder.glob("src/*/*.py") if not path.name.startswith("test_"))
        files = inner or sorted(path for path in folder.glob("*/*.py") if not path.name.startswith(NOT_CODE))
    elif (folder / "__init__.py").is_file():
        files.append(folder / "__init__.py")
    return [path.relative_to(folder).as_posix() for path in (named or files)[:MAX_FILES]]


def find_entry(folder: Path, name: str) -> str | None:
    """The file that a manifest names, also without `.py`; None where it is not, or lies outside of the folder."""
    if folder.is_file():
        return folder.name if name in (folder.name, folder.stem) else None
    root = folder.resolve()
    for spelling in (name, f"{name}.py", Path(name).name):
        path = (root / spelling).resolve()
        if path.is_file() and path.is_relative_to(root) and path.suffix == ".py":
            return path.relative_to(root).as_posix()
    return None


def read_text(folder: Path, name: str) -> str:
    """A file's text. Raises InputInvalid."""
    path = folder if folder.is_file() else folder / name
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputInvalid(f"{path}: larger than {MAX_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputInvalid(f"{path}: cannot be read: {fault}") from fault
