"""What the journal service is told by its environment. Read once; every bad variable is named at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import host_and_port, postgresql, read_fields, variable

__all__ = ["Settings", "read_settings"]

MOST_DAYS = 36_500


def days(value: str) -> float:
    """A number of days."""
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 < number <= MOST_DAYS:
        raise ValueError(f"is {value!r}; it must be a number of days above 0")
    return number


def file(value: str) -> Path:
    """A file that is there."""
    path = Path(value)
    if not path.is_file():
        raise ValueError(f"is {value!r}; there is no such file")
    return path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Empty means unset. docs/journal.md lists them."""

    retention_days: float = variable("INTELLYHUB_RETENTION_DAYS", 30.0, days)
    """How long ended runs are kept."""
    database_url: str = variable("INTELLYHUB_JOURNAL_DATABASE_URL", "", postgresql, shown=False)
    """A PostgreSQL; empty: a SQLite file in the data folder. Holds a password."""
    listen: tuple[str, int] | None = variable("INTELLYHUB_JOURNAL_LISTEN", None, host_and_port)
    """The door in the network; unset: there is none."""
    certificate: Path | None = variable("INTELLYHUB_JOURNAL_CERTIFICATE", None, file)
    """PEM file with the chain for https; unset: http."""
    certificate_key: Path | None = variable("INTELLYHUB_JOURNAL_CERTIFICATE_KEY", None, file)
    """Its key, where that is in a file of its own."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings. Raises `InputInvalid` naming every variable that cannot be used."""
    values, faults = read_fields(Settings, environment)
    if faults:
        raise InputInvalid("; ".join(faults))
    return Settings(**values)
