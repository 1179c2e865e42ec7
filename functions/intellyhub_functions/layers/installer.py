"""pip, as the operator has configured it, for programs behind walls."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.layers import wheels_only

__all__ = ["explain", "pip", "pip_environment", "progress_of", "readable_places"]

KNOWN = frozenset(
    (
        *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy"),
        *("timeout", "default-timeout", "retries"),
    )
)
"""What of pip's configuration counts here: where packages come from, and how they are reached."""
PLACES = ("index-url", "extra-index-url", "find-links", "cert", "client-cert")
INDEXES = ("index-url", "extra-index-url")
SHALLOW = 2
LINE = re.compile(r"^(?P<section>[^.=]+|:env:)\.(?P<key>[a-z-]+)='?(?P<value>.*?)'?$")
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
SAID = re.compile(r"^(?:ERROR|error): ?(?P<said>.*)$", re.MULTILINE)
PROGRESS = re.compile(r"^(?P<does>Collecting|Downloading|Building wheel for) (?P<what>\S+)(?P<size> \([\d.]+ [MG]B\))?")
LONGEST = 1000
SECONDS = 30
USELESS = ("To fix this you could try to", "pip's dependency resolver")
SOURCE_ONLY = "as a wheel for this Python; where it is offered as source only, builds must be allowed"
NOT_FOUND = "No matching distribution found"


def pip(*arguments: str, builds: bool = False) -> list[str]:
    """The command line of pip with these arguments; `builds`: it may build wheels from source, which runs code that
    came with the source. Raises `InputInvalid` where there is no pip."""
    if importlib.util.find_spec("pip") is None:
        raise InputInvalid(f"requirements are installed by pip, which {sys.executable} has not: python -m ensurepip")
    quiet = ("--disable-pip-version-check", "--no-input", "--no-cache-dir", "--no-color")
    program = ("-m", "pip") if builds else (os.fspath(wheels_only.__file__),)
    return [sys.executable, "-I", *program, arguments[0], *quiet, *arguments[1:]]


@functools.cache
def configuration() -> Mapping[str, str]:
    """What pip is configured to here, by its files and its environment: the operator's, so it is read outside."""
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():  # in pip's order: what comes later counts more
        match = LINE.match(line)
        if match and match["key"] in KNOWN:
            found[match["key"]] = unquoted(line.partition("=")[2])
    return found


def unquoted(value: str) -> str:
    """Pip prints values as Python writes texts."""
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value


def pip_environment() -> dict[str, str]:
    """The configuration as variables: its files are not to be seen from inside."""
    told = {f"PIP_{key.upper().replace('-', '_')}": " ".join(value.split()) for key, value in configuration().items()}
    return {**told, "PIP_CONFIG_FILE": os.devnull, "PIP_ROOT_USER_ACTION": "ignore"}


def readable_places() -> tuple[Path, ...]:
    """Folders and files that the configuration names: indexes and wheels on a disk, certificates."""
    return tuple(find_places())


def find_places() -> Iterator[Path]:
    for key in PLACES:
        for place in configuration().get(key, "").split():
            path = unquote(urlsplit(place).path) if place.startswith("file:") else place
            if path.startswith("/"):
                # An index on a disk has its files beside its pages.
                yield Path(path).parent if key in INDEXES and len(Path(path).parts) > SHALLOW else Path(path)


def progress_of(line: str) -> str | None:
    """What a line of pip's tells a person who waits: a package that it turns to, a download that takes its time."""
    match = PROGRESS.match(line.strip())
    if match is None or (match["does"] == "Downloading" and not match["size"]):
        return None
    return f"{match['does'].lower()} {match['what'].rpartition('/')[2]}{match['size'] or ''}"[:LONGEST]


def explain(output: str, *, builds: bool) -> str:
    """What pip complained of, in short and without credentials."""
    said = [match["said"] for match in SAID.finditer(output) if not match["said"].startswith(USELESS)]
    text = "; ".join(dict.fromkeys(line.strip().rstrip(".") for line in said if line.strip()))
    if not text or text == "Exception:":
        lines = [line for line in output.strip().splitlines() if not line.startswith("WARNING: ")]
        text = (lines or ["it said nothing"])[-1]
    if NOT_FOUND in text and not builds:
        text += f" {SOURCE_ONLY}"
    return CREDENTIALS.sub("***@", text)[:LONGEST]
