"""Who else has a store of plugins: on one machine nobody, on a cluster every pod of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from intellyhub_control_plane.plugins.files import Files

__all__ = ["Alone", "Keeping", "Turn"]


class Turn(Protocol):
    """A change of a store, as far as others are concerned. What is kept is known to them when a method returns; names
    are paths in the store."""

    def keep(self, name: str, content: bytes) -> None:
        """Give them a file."""

    def keep_plugin(self, name: str, files: Files) -> None:
        """Give them the files of a plugin, as one archive: nobody ever sees a part of them."""

    def drop(self, name: str) -> None:
        """Take a file away from them."""


class Keeping(Protocol):
    """Knows the others."""

    def turn(self) -> AbstractContextManager[Turn]:
        """Inside, nobody changes the store elsewhere, and its index and its locks are as everybody knows them."""


class Alone:
    """There are none."""

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """As promised by `Keeping`."""
        yield self

    def keep(self, name: str, content: bytes) -> None:
        """The folder is all there is."""

    def keep_plugin(self, name: str, files: Files) -> None:
        """The folder is all there is."""

    def drop(self, name: str) -> None:
        """The folder is all there is."""
