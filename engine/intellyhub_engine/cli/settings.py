"""What the command line reads from the environment; nothing else in this room does, except a flow's own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Settings", "read_settings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of one invocation; a flag wins over each."""

    journal: Path
    """INTELLYHUB_JOURNAL: where runs are kept. Default `intellyhub/journal.db` in XDG_STATE_HOME (`~/.local/state`), so
    that `intellyhub runs` finds what `intellyhub run` did, whatever folder either was called in."""
    debug: bool
    """INTELLYHUB_DEBUG: any text but `0` shows the traceback of a fault. Default off."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from an environment."""
    return Settings(
        journal=journal_path(environment),
        debug=environment.get("INTELLYHUB_DEBUG", "0") not in ("", "0"),
    )


def journal_path(environment: Mapping[str, str]) -> Path:
    """The journal that is used when no flag names one."""
    if given := environment.get("INTELLYHUB_JOURNAL"):
        return Path(given)
    state = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or ".", ".local", "state")
    return Path(state, "intellyhub", "journal.db")
