"""What an installation decides about its functions, read once from the environment."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from intellyhub_engine.errors import InputInvalid

__all__ = ["VARIABLES", "Reach", "Settings", "read_settings", "settings"]

VARIABLES = ("INTELLYHUB_NETWORK", "INTELLYHUB_FILE_ROOTS", "INTELLYHUB_DIRECTORIES", "INTELLYHUB_MCP_COMMANDS")
"""What is read here: whoever starts a process in which functions work has to hand it on."""


class Reach(StrEnum):
    """Which addresses flows may open connections to."""

    ANY = "any"
    NO_METADATA = "no-metadata"  # all but link-local addresses and the cloud's metadata services
    PUBLIC = "public"  # only addresses of the public Internet


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """See each field for its variable and unit."""

    reach: Reach = Reach.NO_METADATA
    """INTELLYHUB_NETWORK: any, no-metadata or public. The default lets a laptop's flows talk to loopback and to the
    local network, but not to the service that hands a cloud machine its credentials."""
    file_roots: tuple[Path, ...] = ()
    """INTELLYHUB_FILE_ROOTS: folders, separated like PATH, that flows may use beside their workspace. Default none."""
    directories: tuple[Path, ...] = ()
    """INTELLYHUB_DIRECTORIES: folders, separated like PATH, that directory listeners may watch beside their workspace;
    flows are told what happens there, and cannot open the files. Default none."""
    mcp_commands: tuple[tuple[str, ...], ...] = ()
    """INTELLYHUB_MCP_COMMANDS: beginnings of command lines, separated by commas, that flows may start as MCP servers,
    such as `npx -y @modelcontextprotocol/server-everything`. Who may start `npx` may start anything. Default none."""
    layers: Path = Path("~/.cache/intellyhub/layers")
    """INTELLYHUB_LAYERS: where the packages are installed that `python` states ask for in flows that run by themselves.
    The platform has a place of its own for published ones. Default below XDG_CACHE_HOME, or ~/.cache."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises InputInvalid naming every bad variable at once."""
    faults = []
    reach = environment.get("INTELLYHUB_NETWORK", Reach.NO_METADATA.value)
    if reach not in list(Reach):
        faults.append(f"INTELLYHUB_NETWORK is {reach!r}, expected one of {', '.join(Reach)}")
    roots, faulty = read_folders(environment, "INTELLYHUB_FILE_ROOTS")
    directories, missing = read_folders(environment, "INTELLYHUB_DIRECTORIES")
    faults += faulty + missing
    commands, broken = read_commands(environment, "INTELLYHUB_MCP_COMMANDS")
    faults += broken
    cache = Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "intellyhub" / "layers"
    layers, wrong = read_folders(environment, "INTELLYHUB_LAYERS")
    faults += wrong
    if faults:
        raise InputInvalid("; ".join(faults))
    return Settings(
        reach=Reach(reach),
        file_roots=roots,
        directories=directories,
        mcp_commands=commands,
        layers=layers[0] if layers else cache,
    )


def read_commands(environment: Mapping[str, str], name: str) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """The beginnings of command lines that a variable holds, and what is wrong with it."""
    try:
        commands = [tuple(shlex.split(part)) for part in environment.get(name, "").split(",")]
    except ValueError as fault:
        return (), [f"{name} holds what is no command line: {fault}"]
    return tuple(filter(None, commands)), []


def read_folders(environment: Mapping[str, str], name: str) -> tuple[tuple[Path, ...], list[str]]:
    """The folders that a variable names, links followed, and what is wrong with it."""
    folders = [Path(folder) for folder in environment.get(name, "").split(os.pathsep) if folder]
    faults = [f"{name} names {str(folder)!r}, which is not absolute" for folder in folders if not folder.is_absolute()]
    return tuple(folder.resolve() for folder in folders), faults


@functools.cache
def settings() -> Settings:
    """The settings of this process."""
    return read_settings(os.environ)
