"""A flow's program, from its text or from the bytes it was compiled to before.

The cache holds code objects, which is to say code: it is used only where nobody but this user, or root, could have
written it, and only for the very text, catalogue, engine and Python it was made from.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from errno import EPERM
from pathlib import Path

from intellyhub_engine.catalogue.installed import VARIABLE
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.language.program import Program, ProgramStale, dump, load

__all__ = ["SUFFIX", "cache_path", "load_program", "pack_program", "precompile"]

MAX_FLOW_BYTES = 8 << 20
SUFFIX = ".compiled"
"""Of the compiled form beside a flow's text."""
DIGEST_BYTES = 32
WRITABLE_BY_OTHERS = 0o022
NOT_THROUGH = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How files are opened where others may have put links and pipes."""


def load_program(path: Path, catalogue: Catalogue, *, name: str, cache_dir: Path | None = None) -> Program:
    """Load a flow. What was compiled before is read from `cache_dir`, or from beside the flow, where `precompile` puts
    it; only `cache_dir` is written to. Raises `InputInvalid` when the flow cannot be read, `FlowInvalid` when it cannot
    run."""
    text = read_flow(path)
    seal = make_seal(text, name, catalogue.seal)
    program = read_cache(cache_path(path, cache_dir), seal)
    if program is None:
        program = compile_text(text, catalogue, name)
        if cache_dir is not None:
            with suppress(OSError):  # a place that cannot be written costs time, nothing else
                write_cache(program, cache_path(path, cache_dir), seal)
    return program


def precompile(path: Path, catalogue: Catalogue, *, name: str) -> Path:
    """Compile a flow beside its text, for an image. Raises OSError where it cannot write, else as `load_program`."""
    text = read_flow(path)
    cached = cache_path(path, None)
    write_cache(compile_text(text, catalogue, name), cached, make_seal(text, name, catalogue.seal))
    return cached


def pack_program(text: bytes, catalogue: Catalogue, *, name: str, plugins: str, tables: str) -> bytes:
    """What `precompile` writes, for a flow that will lie elsewhere: `plugins` is the catalogue's seal there, `tables`
    is INTELLYHUB_CATALOGUE there. Raises as `load_program`."""
    return make_seal(text, name, plugins, tables) + dump(compile_text(text, catalogue, name))


def read_flow(path: Path) -> bytes:
    """The flow's text."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FLOW_BYTES + 1)
    except OSError as fault:
        raise InputInvalid(f"the flow {str(path)!r} cannot be read: {fault.strerror} (INTELLYHUB_FLOW)") from fault
    if len(text) > MAX_FLOW_BYTES:
        raise InputInvalid(f"the flow {str(path)!r} is larger than {MAX_FLOW_BYTES} bytes")
    return text


def make_seal(text: bytes, name: str, plugins: str = "", tables: str | None = None) -> bytes:
    """What a cached program must have been made from. Engine and Python are checked by `language.program.load`."""
    origin = "\0".join((name, os.environ.get(VARIABLE, "") if tables is None else tables, plugins))
    return hashlib.sha256(origin.encode() + b"\0" + text).digest()


def compile_text(text: bytes, catalogue: Catalogue, name: str) -> Program:
    """The long way."""
    from intellyhub_engine.language.compile import compile_flow
    from intellyhub_engine.language.load import load_flow

    flow, _ = load_flow(text, catalogue, name)
    return compile_flow(flow, catalogue)


def cache_path(path: Path, cache_dir: Path | None) -> Path:
    """Where the compiled form of a flow is kept."""
    if cache_dir is None:
        return path.with_name(path.name + SUFFIX)
    return cache_dir / (hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:24] + SUFFIX)


def read_cache(path: Path, seal: bytes) -> Program | None:
    """The program, if what is kept is ours and made from the same."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | NOT_THROUGH), "rb") as file:
            if not (is_ours(os.fstat(file.fileno())) and is_ours(path.parent.stat())):
                return None
            packed = file.read()
    except OSError:
        return None
    if packed[:DIGEST_BYTES] != seal:
        return None
    try:
        return load(packed[DIGEST_BYTES:])
    except ProgramStale:
        return None


def is_ours(facts: os.stat_result) -> bool:
    """Whether nobody but this user, or root, can have changed a file or folder; pipes and devices are not ours."""
    is_kept = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
    return is_kept and facts.st_uid in (0, os.geteuid()) and not facts.st_mode & WRITABLE_BY_OTHERS


def write_cache(program: Program, path: Path, seal: bytes) -> None:
    """Keep a program, whole or not at all. Raises OSError, also for a folder that others can write to."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if not is_ours(path.parent.stat()):
        raise PermissionError(EPERM, "others can write to the folder", str(path.parent))
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_THROUGH, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(seal + dump(program))
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
