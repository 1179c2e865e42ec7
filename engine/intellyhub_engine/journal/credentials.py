"""What a client of the journal service shows to be let in: a token, or the file in which somebody renews it."""

from __future__ import annotations

from pathlib import Path

from intellyhub_engine.errors import JournalUnwritable

__all__ = ["Token", "TokenFile", "current_token"]

_LONGEST_TOKEN = 16 * 1024


class TokenFile:
    """A token that is replaced while it is used, as the kubelet does with a pod's: read again for each connection."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> str:
        """The token of this moment. Raises `JournalUnwritable` where there is none."""
        try:
            with self.path.open("rb") as file:
                token = file.read(_LONGEST_TOKEN + 1).decode("ascii").strip()
        except (OSError, ValueError) as fault:
            raise JournalUnwritable(f"the journal's token cannot be read from {self.path}: {fault}") from fault
        if not token or len(token) > _LONGEST_TOKEN or any(mark.isspace() for mark in token):
            raise JournalUnwritable(f"{self.path} does not hold a token for the journal")
        return token


Token = str | TokenFile


def current_token(token: Token) -> str:
    """The token to show now. Raises `JournalUnwritable`."""
    return token if isinstance(token, str) else token.read()
