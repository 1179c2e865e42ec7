"""How far a listener has come in a folder, and what it knows to be old."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from intellyhub_functions.sources.email.folder import Folder, Head
from intellyhub_functions.sources.email.message import read_headers

__all__ = ["MAX_KNOWN", "Place", "first_place", "key_of", "read_place", "renumbered"]

MAX_KNOWN = 300
"""Messages that are known again after the server has renumbered its folder."""


@dataclass(slots=True)
class Place:
    """What is kept between two looks."""

    validity: int
    uid: int
    """The last message that was looked at."""
    arrived: str
    """When the youngest message of those came in; RFC 3339."""
    until: int = 0
    """Up to this UID, messages are old ones: those only are told that the two fields below leave."""
    only_unseen: bool = False
    only_unknown: bool = False
    known: list[str] = field(default_factory=list)
    """Keys of the last messages that were looked at."""

    def criteria(self) -> tuple[str | date, ...]:
        """What is asked of the messages up to `until`, beside their UID."""
        if self.only_unseen:
            return ("UNSEEN",)
        # IMAP's SINCE knows days only, and not in which time zone
        return ("SINCE", datetime.fromisoformat(self.arrived).date() - timedelta(days=1))

    def is_news(self, head: Head) -> bool:
        """Whether a message is one that has not been looked at before."""
        return not (self.only_unknown and head.uid <= self.until and key_of(head) in self.known)

    def pass_by(self, head: Head) -> None:
        """This message has been looked at, and its event is safe where it has one."""
        self.uid = max(self.uid, head.uid)
        arrived = min(head.arrived, datetime.now(UTC))  # whoever puts a message there says when it came
        self.arrived = max(self.arrived, arrived.isoformat())
        self.note(head)

    def note(self, head: Head) -> None:
        """Know this message again."""
        self.known = [*self.known[-MAX_KNOWN + 1 :], key_of(head)]

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def first_place(folder: Folder, *, existing: bool) -> Place:
    """Where to begin at the first contact: after what is there, or with what of it nobody has read."""
    now, last = datetime.now(UTC).isoformat(), folder.next_uid - 1
    if existing:
        return Place(validity=folder.validity, uid=0, arrived=now, until=last, only_unseen=True)
    return Place(validity=folder.validity, uid=last, arrived=now)


def read_place(kept: Mapping[str, Any]) -> Place:
    """The place as it was written."""
    return Place(**{name: kept[name] for name in Place.__slots__ if name in kept})


def renumbered(place: Place, folder: Folder) -> Place | None:
    """The place in a folder whose messages have other numbers than before (RFC 3501, section 2.3.1.1); None where
    they have not. What came in since then and is not known is news, whatever its number."""
    if place.validity == folder.validity and place.uid < folder.next_uid:
        return None
    return Place(
        validity=folder.validity,
        uid=0,
        arrived=place.arrived,
        until=folder.next_uid - 1,
        only_unknown=True,
        known=place.known,
    )


def key_of(head: Head) -> str:
    """What a message is known by whatever its number: its Message-ID, else its headers, size and time."""
    name = read_headers(head.header)["message-id"]
    told = name or f"{head.header!r} {head.size} {head.arrived.isoformat()}"
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]
