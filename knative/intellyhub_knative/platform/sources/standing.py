"""How a source stands: what the console shows of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.journal.ledger import Page
from intellyhub_engine.serving.standing import Standing as Told
from intellyhub_knative.platform.moments import moment_or_none

__all__ = ["Standing", "show_page"]


class Standing(Told):
    """With its answer to `GET /sources`."""

    def show(self) -> Mapping[str, Any]:
        """For JSON. `lag_seconds`: how long the next look is overdue."""
        late_ns = 0 if self.next_attempt_ns is None else time.time_ns() - self.next_attempt_ns
        return {
            "connected": self.connected,
            "message": self.message,
            "last_contact_at": moment_or_none(self.last_contact_ns),
            "last_event_at": moment_or_none(self.last_event_ns),
            "next_attempt_at": moment_or_none(self.next_attempt_ns),
            "lag_seconds": round(max(late_ns, 0) / 1e9, 3),
            "events": self.events,
            "restarts": self.restarts,
        }


def show_page(page: Page) -> Mapping[str, Any]:
    """How a source on a cluster stands, likewise."""
    return Standing.of(page.standing).show()
