"""The names a flow finds outside itself in a worker, and which of their values are secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.machine.host import OURS
from intellyhub_engine.machine.masking import sounds_secret
from intellyhub_engine.serving.settings import Settings

__all__ = ["Surroundings", "make_surroundings"]

MAX_SECRET_BYTES = 1 << 20


class Surroundings:
    """`outer`: every name; `secrets`: what is masked wherever it appears."""

    def __init__(self, outer: dict[str, object], secrets: frozenset[str]) -> None:
        self.outer = outer
        self.secrets = secrets

    def __repr__(self) -> str:
        return f"Surroundings({sorted(self.outer)})"


def make_surroundings(settings: Settings, environment: Mapping[str, str]) -> Surroundings:
    """The environment, under it the owner's secrets, under those the owner's variables: the later win.
    Raises `InputInvalid` when a file named by the settings cannot be used."""
    from_environment = {name: value for name, value in environment.items() if not name.startswith(OURS)}
    mounted = read_secrets(settings.secrets_dir) if settings.secrets_dir else {}
    owned = read_variables(settings.variables_file) if settings.variables_file else {}
    outer: dict[str, object] = {**from_environment, **mounted, **owned}
    named = {name: value for name, value in outer.items() if isinstance(value, str) and sounds_secret(name)}
    return Surroundings(outer, frozenset({*named.values(), *mounted.values()}))


def read_secrets(folder: str) -> dict[str, str]:
    """One secret per file. Kubernetes' own entries (`..data`) are skipped, and so is a line end at a file's end."""
    secrets = {}
    try:
        for path in sorted(Path(folder).iterdir()):
            if not path.name.startswith(".") and path.is_file() and path.stat().st_size <= MAX_SECRET_BYTES:
                secrets[path.name] = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputInvalid(
            f"the secrets in {folder!r} cannot be read (INTELLYHUB_SECRETS_DIR): {reason(fault)}"
        ) from None
    return secrets


def read_variables(path: str, variable: str = "INTELLYHUB_VARIABLES_FILE") -> dict[str, Any]:
    """A JSON object, from the file that a setting names."""
    import orjson

    try:
        variables = orjson.loads(Path(path).read_bytes())
    except (OSError, orjson.JSONDecodeError) as fault:
        raise InputInvalid(f"what is in {path!r} cannot be read ({variable}): {reason(fault)}") from None
    if not isinstance(variables, dict):
        raise InputInvalid(f"{path!r} is not a JSON object ({variable})")
    return variables


def reason(fault: Exception) -> str:
    """Why, without any of the content."""
    return fault.strerror or "unknown" if isinstance(fault, OSError) else "it is not the text it should be"
