"""The names a flow finds outside itself (env file over process environment), and which of their values are secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from intellyhub_engine.cli.inputs import read_bytes
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.machine.host import OURS
from intellyhub_engine.machine.masking import sounds_secret

__all__ = ["find_secrets", "make_outer", "parse_env_file", "read_env_file"]

MAX_ENV_FILE_BYTES = 1_000_000
LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=\s*"""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\n]*?))\s*(?:(?<=\s)\#.*|(?<=['"])\#.*)?"""
)
ESCAPES: Mapping[str, str] = {"n": "\n", "r": "\r", "t": "\t"}


def make_outer(environment: Mapping[str, str], env_file: str | None) -> dict[str, str]:
    """The outer scope of a run started by hand."""
    kept = {name: value for name, value in environment.items() if not name.startswith(OURS)}
    return kept | (read_env_file(env_file) if env_file else {})


def find_secrets(names: Mapping[str, object]) -> frozenset[str]:
    """What to mask wherever it appears: the values whose name says that they are secret."""
    return frozenset(value for name, value in names.items() if isinstance(value, str) and sounds_secret(name))


def read_env_file(path: str) -> dict[str, str]:
    """Read `NAME=VALUE` lines. Raises InputInvalid naming every line that is none."""
    content = read_bytes(path, what="env file", max_bytes=MAX_ENV_FILE_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise InputInvalid(f"{path}:{line}: the env file is not UTF-8 text") from None
    return parse_env_file(text.splitlines(), path)


def parse_env_file(lines: Iterable[str], path: str) -> dict[str, str]:
    """The dotenv format: comments, `export`, single quotes literal, double quotes with escapes; nothing is expanded."""
    values: dict[str, str] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            faults.append(f"{path}:{number}: not NAME=VALUE")
        else:
            values[found["name"]] = value_of(found)
    if faults:
        raise InputInvalid("\n".join([*faults, "An env file holds one NAME=VALUE on each line."]))
    return values


def value_of(found: re.Match[str]) -> str:
    """The value of one line; a line's content is never shown, because it may be a secret."""
    if found["single"] is not None:
        return found["single"]
    if found["double"] is not None:
        return re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), found["double"])
    return found["bare"] or ""
