"""The platforms a person is logged in to: one file, for its owner only."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass

__all__ = ["DEFAULT_URL", "Login", "Logins", "logins_path", "normal_url"]

DEFAULT_URL = "http://127.0.0.1:5000"


@dataclass(frozen=True, kw_only=True)
class Login:
    """One login. Never shown in a repr: it holds a token."""

    url: str
    email: str
    token: str
    token_id: str | None = None
    """Of an API token that was made for this login, and is deleted with it."""

    def __repr__(self) -> str:
        return f"Login({self.url}, {self.email})"


class Logins:
    """The file of logins. The one made last is the one that is meant where no address is given."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document = read_document(path)

    @property
    def current_url(self) -> str | None:
        """The platform that one logged in to last."""
        url = self._document.get("current")
        return url if isinstance(url, str) else None

    def find(self, url: str) -> Login | None:
        """The login to a platform."""
        found = self._logins().get(url)
        return Login(**found) if isinstance(found, dict) else None

    def keep(self, login: Login) -> None:
        """Keep a login, and make it the current one."""
        self._write({"current": login.url, "logins": {**self._logins(), login.url: asdict(login)}})

    def forget(self, url: str) -> None:
        """Remove a login."""
        left = {name: login for name, login in self._logins().items() if name != url}
        current = self.current_url if self.current_url in left else next(iter(left), None)
        self._write({"current": current, "logins": left})

    def _logins(self) -> Mapping[str, Any]:
        found = self._document.get("logins")
        return found if isinstance(found, dict) else {}

    def _write(self, document: dict[str, Any]) -> None:
        """Replace the file whole: nobody else may read it, not even while it is written."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2)
            scratch.replace(self._path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink()
            raise
        self._document = document


def read_document(path: Path) -> dict[str, Any]:
    """The file; empty where there is none. Raises `InputInvalid` for what is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InputInvalid(f"{path} holds no logins: remove it, then log in again with: intellyhub login")
    return document


def logins_path(environment: Mapping[str, str]) -> Path:
    """Where logins are kept: `intellyhub/logins.json` in XDG_CONFIG_HOME, else in ~/.config."""
    folder = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or ".", ".config")
    return Path(folder, "intellyhub", "logins.json")


def normal_url(text: str) -> str:
    """An address in the one form in which it is kept. Raises `InputInvalid`."""
    written = text if "://" in text else f"http://{text}"
    parts = urlsplit(written)
    try:
        port = parts.port
    except ValueError:
        port = None
        parts = parts._replace(scheme="")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise InputInvalid(f"{text!r} is no address of a platform; write for example {DEFAULT_URL}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
