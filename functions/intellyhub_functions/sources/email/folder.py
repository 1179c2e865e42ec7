"""What a server tells of a folder and its messages."""

from __future__ import annotations

from datetime import datetime

from intellyhub_engine.errors import RetryableError
from intellyhub_engine.frozen import dataclass

__all__ = ["Folder", "Head", "Unreadable"]


class Unreadable(RetryableError):
    """The server is there, but does not give what was asked for."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The folder as it was selected."""

    validity: int
    """Another one says that UIDs mean other messages."""
    next_uid: int


@dataclass(frozen=True, kw_only=True)
class Head:
    """A message before it is fetched."""

    uid: int
    arrived: datetime
    """When the server took it, in UTC."""
    size: int
    header: bytes
    """Message-ID, From, To, Cc and Subject."""
