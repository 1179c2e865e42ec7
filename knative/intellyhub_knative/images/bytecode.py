"""Compiled Python for images: `.pyc` files with the same bytes whenever and wherever they are made.

`marshal` writes how often an object is shared in the process that compiles, so that `compileall` makes other bytes from
one run to the next (CPython issue 78274). Here every object of a module is held once more while it is written, so that
all count as shared; and texts of one character, which the whole process shares, are interned before.

    python bytecode.py FOLDER [...]

Standard library only: images are compiled with it before anything else is in them.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from types import CodeType

__all__ = ["compiled_name", "make_pyc"]

UNCHECKED_HASH = 0b01
"""PEP 552: the file is right whatever becomes of the source and its time."""
SHARED = [sys.intern(chr(number)) for number in range(256)]


def make_pyc(source: bytes, path: str) -> bytes:
    """The compiled file of a module that will lie at `path`, which tracebacks name. Raises SyntaxError, ValueError."""
    # From 3.13 on names of nested classes are interned in place where no other module has done so: then this one has.
    before = compile(source, path, "exec", dont_inherit=True, optimize=0) if sys.version_info >= (3, 13) else None
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    held = list(objects_of(code))
    packed = marshal.dumps(code)
    del held, before
    return MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little") + source_hash(source) + packed


def objects_of(value: object) -> Iterator[object]:
    """A code object and everything in it."""
    yield value
    if isinstance(value, CodeType):
        for group in (value.co_consts, value.co_names, value.co_varnames, value.co_cellvars, value.co_freevars):
            yield from objects_of(group)
        yield from (value.co_filename, value.co_name, value.co_qualname, value.co_linetable, value.co_exceptiontable)
    elif isinstance(value, tuple | frozenset):
        for item in value:
            yield from objects_of(item)


def compiled_name(path: str) -> str:
    """Where Python looks for the compiled file of `path`."""
    return cache_from_source(path, optimization="")


def main(folders: list[str]) -> int:
    """Compile all modules below some folders, in place; return the exit code."""
    if not folders:
        print("usage: bytecode.py FOLDER [...]", file=sys.stderr)  # noqa: T201 - a script
        return 2
    for folder in folders:
        for path in sorted(Path(folder).absolute().rglob("*.py")):
            compile_file(path)
    return 0


def compile_file(path: Path) -> None:
    """Write the compiled file beside a module; what is no Python of this version is left alone, as compileall does."""
    try:
        content = make_pyc(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as fault:
        print(f"bytecode: {path}: {fault}", file=sys.stderr)  # noqa: T201 - a script
        return
    target = Path(compiled_name(str(path)))
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
