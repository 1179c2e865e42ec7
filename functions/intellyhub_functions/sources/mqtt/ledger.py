"""Gives every message its event's id, the same when the broker sends it again: MQTT's messages have none of their own.

A broker numbers what it sends (the packet identifier) and keeps the number until the message is acknowledged; what it
sends again it marks (DUP) and gives the same number (MQTT 3.1.1, sections 2.3.1 and 4.4). So a message is one that was
here already if it has the number and the content of an earlier one, and either the mark, or that earlier one has not
been acknowledged at all.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intellyhub_functions.sources.mqtt.receiver import Arrival

__all__ = ["Ledger"]

MAX_LINES = 500
"""More than brokers send without an acknowledgement."""


@dataclass(slots=True)
class Line:
    """One message that the broker may send again."""

    mid: int
    digest: str
    number: int
    open: bool = False
    """Certainly not acknowledged: its number cannot be another message's."""
    settled_at: float = 0.0
    """When it was acknowledged, by the caller's clock; 0: before this process."""


class Ledger:
    """The messages of one session. What `written` gives has to be on the disk before an event leaves."""

    def __init__(self, kept: Mapping[str, Any] | None) -> None:
        known = kept or {}
        self.token: str = known.get("token") or secrets.token_hex(6)
        """Of this session: a ledger that is lost begins another, so that no id comes twice."""
        self._number: int = known.get("number", 0)
        self._lines = [Line(mid, digest, number) for mid, digest, number in known.get("lines", ())]

    def enter(self, arrivals: Sequence[Arrival]) -> list[str]:
        """The event ids of these messages, in order."""
        return [self._enter(arrival) for arrival in arrivals]

    def settle(self, arrival: Arrival, now: float) -> None:
        """The message has been acknowledged."""
        for line in self._lines:
            if line.mid == arrival.mid:
                line.open, line.settled_at = False, now

    def begin_anew(self) -> None:
        """The broker has begun another session: its numbers mean other messages."""
        self._lines = []

    def forget(self, now: float, since: float, seconds: float) -> None:
        """Leave out what was acknowledged so long ago, on a connection that lives since `since`: the broker has the
        acknowledgement, and its number may be another message's by now."""
        self._lines = [line for line in self._lines if line.open or now - max(line.settled_at, since) <= seconds][
            -MAX_LINES:
        ]

    def written(self) -> dict[str, Any]:
        """As JSON."""
        lines = [[line.mid, line.digest, line.number] for line in self._lines]
        return {"token": self.token, "number": self._number, "lines": lines}

    def _enter(self, arrival: Arrival) -> str:
        digest = digest_of(arrival)
        if arrival.existing:  # the same message, however often it is sent
            return f"{self.token}-kept-{digest}"
        if not arrival.qos:
            return f"{self.token}-once-{secrets.token_hex(8)}"
        earlier = next((line for line in self._lines if line.mid == arrival.mid), None)
        if earlier is None or earlier.digest != digest or not (arrival.dup or earlier.open):
            self._lines = [line for line in self._lines if line.mid != arrival.mid][-MAX_LINES + 1 :]
            self._number += 1
            earlier = Line(arrival.mid, digest, self._number)
            self._lines.append(earlier)
        earlier.open = True
        return f"{self.token}-{earlier.number}"


def digest_of(arrival: Arrival) -> str:
    """What a message is known by."""
    topic = (arrival.topic or "").encode("utf-8", "surrogatepass")
    return hashlib.sha256(len(topic).to_bytes(4, "big") + topic + arrival.payload).hexdigest()[:16]
